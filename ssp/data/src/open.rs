//! Which data sets a folder holds, recognised by the names of its files.

use std::path::{Path, PathBuf};

use super::dataset::{Dataset, DatasetLayout};
use super::files::names_in;
use super::{acdc, folder, mnms, mnms2, nifti};
use crate::{Error, Result};

/// How many folders below the given one are searched for subjects.
const MAX_DEPTH: usize = 4;

/// Opens the only data set in a folder; see [`open_all`].
///
/// # Errors
/// If no data set is found, or several are; the line says what was searched for.
pub fn open(path: impl AsRef<Path>) -> Result<Dataset> {
    let path = path.as_ref();
    let mut found = open_all(path)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        _ => {
            let names: Vec<_> = found.iter().map(|set| set.layout().name()).collect();
            let names = names.join(", ");
            Err(Error::file(path, format!("holds several data sets ({names}); name one of them")))
        }
    }
}

/// Opens every data set in a folder: one per challenge, and one per plain folder. The path may also be
/// above (`ACDC`, a root with `MnM/dataset`) or inside (`images`, a single subject's folder). If both
/// M&Ms and M&Ms-2 are found, subjects of M&Ms-2 that may be in both are left out, as in the study.
///
/// # Errors
/// If no data set is found; the line says what was searched for.
pub fn open_all(path: impl AsRef<Path>) -> Result<Vec<Dataset>> {
    let found = find(path.as_ref(), &[])?;
    let mnms = holds_mnms(&found);
    list(found, mnms)
}

/// Subjects' folders (or plain folders), with their layouts.
pub type Found = Vec<(DatasetLayout, PathBuf)>;

/// Whether M&Ms was found, so that subjects of M&Ms-2 that may be in both must be left out.
pub fn holds_mnms(found: &Found) -> bool {
    found.iter().any(|(layout, _)| *layout == DatasetLayout::Mnms)
}

/// Whether a folder holds M&Ms.
pub fn holds_mnms_at(path: &Path) -> bool {
    find(path, &[]).is_ok_and(|found| holds_mnms(&found))
}

/// Finds the data sets in a folder. If `subsets` is not empty, only those with these names (such as
/// mm1) are kept, which may be none.
pub fn find(path: &Path, subsets: &[String]) -> Result<Found> {
    if !path.exists() {
        return Err(Error::file(path, "does not exist; name a folder of subjects"));
    }
    if !path.is_dir() {
        return Err(Error::file(path, "is a file; a data set is a folder"));
    }
    let start = match path.file_name() {
        Some(name) if name == "images" || name == "labels" => parent_of(path),
        _ => path.to_path_buf(),
    };
    let mut found = Vec::new();
    search(&start, 0, &mut found)?;
    if found.is_empty() {
        return Err(nothing_found(path));
    }
    found.retain(|(layout, _)| {
        subsets.is_empty() || subsets.iter().any(|subset| subset == layout.subset())
    });
    Ok(found)
}

/// The data sets of the folders that were found. Without M&Ms, M&Ms-2 is complete.
pub fn list(found: Found, with_mnms: bool) -> Result<Vec<Dataset>> {
    let folders_of = |layout: DatasetLayout| -> Vec<PathBuf> {
        found.iter().filter(|(found, _)| *found == layout).map(|(_, path)| path.clone()).collect()
    };
    let mut sets = Vec::new();
    for layout in DatasetLayout::ALL {
        let folders = folders_of(layout);
        match layout {
            _ if folders.is_empty() => {}
            DatasetLayout::Acdc => sets.push(acdc::list(folders)?),
            DatasetLayout::Mnms => sets.push(mnms::list(folders)?),
            DatasetLayout::Mnms2 => {
                let all = mnms2::list(folders)?;
                sets.push(if with_mnms { mnms2::without_shared(all)? } else { all });
            }
            DatasetLayout::Folder => {
                for folder in folders {
                    sets.push(folder::list(&folder)?);
                }
            }
        }
    }
    Ok(sets)
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn nothing_found(path: &Path) -> Error {
    let loose = nifti::volumes_in(path).map_or(0, |files| files.len());
    let hint = match loose {
        0 if path.join("imagesTr").is_dir() => {
            "; for nnU-Net's layout, link imagesTr as images and labelsTr as labels, with the same file \
             names in both (without _0000)"
                .into()
        }
        0 => String::new(),
        count => format!("; move the {count} NIfTI files in this folder into its subfolder images/"),
    };
    Error::file(
        path,
        format!(
            "holds no data set: searched {MAX_DEPTH} folders deep for \
             patientNNN/patientNNN_frameXX.nii.gz (ACDC), <ID>/<ID>_sa.nii.gz (M&Ms), \
             NNN/NNN_SA_ED.nii.gz (M&Ms-2) and images/*.nii.gz (plain folder){hint}"
        ),
    )
}

/// Collects subjects' folders (or plain folders), in order of their paths.
fn search(folder: &Path, depth: usize, found: &mut Found) -> Result<()> {
    // A path such as `.` has no name of its own until it is resolved.
    let folder = match folder.file_name() {
        Some(_) => folder.to_path_buf(),
        None => folder.canonicalize().map_err(|error| Error::io(folder, error))?,
    };
    let names = names_in(&folder)?;
    if let Some(layout) = layout_of(&folder, &names) {
        found.push((layout, folder));
        return Ok(());
    }
    if depth == MAX_DEPTH {
        return Ok(());
    }
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        let below = folder.join(name);
        // Folders without read permission are skipped.
        if below.is_dir() && names_in(&below).is_ok() {
            search(&below, depth + 1, found)?;
        }
    }
    Ok(())
}

/// The layout of a folder, by its own name and the names in it.
fn layout_of(folder: &Path, names: &[String]) -> Option<DatasetLayout> {
    let own = folder.file_name()?.to_string_lossy();
    let volumes = names.iter().map(Path::new).filter(|name| nifti::is_volume_name(name));
    let by_files = volumes.map(nifti::stem).find_map(|stem| {
        let rest = stem.strip_prefix(&*own)?.strip_prefix('_')?;
        match rest {
            "sa" => Some(DatasetLayout::Mnms),
            "SA_CINE" | "SA_ED" | "SA_ES" => Some(DatasetLayout::Mnms2),
            _ if rest == "4d" || rest.starts_with("frame") => Some(DatasetLayout::Acdc),
            _ => None,
        }
    });
    let is_empty_patient = || {
        own.strip_prefix("patient")
            .is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
    };
    by_files
        .or_else(|| is_empty_patient().then_some(DatasetLayout::Acdc))
        .or_else(|| folder.join("images").is_dir().then_some(DatasetLayout::Folder))
}
