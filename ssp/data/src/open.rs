//! Which data sets a folder holds, recognised by the names of its files.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::dataset::{Dataset, DatasetLayout};
use super::files::{names_in, visible_in};
use super::subject_folder::id_of;
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

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Subjects' folders (or plain folders), with their layouts.
    folders: Vec<(DatasetLayout, PathBuf)>,
    /// Volumes that lie in no such folder.
    loose: Vec<PathBuf>,
}

impl Found {
    /// The warning about volumes among the folders of subjects, or in a folder beside these, which are
    /// part of no subject: their names may be mistyped.
    fn warning_of_loose(&self) -> Option<String> {
        const FEW: usize = 3;
        let above: HashSet<&Path> =
            self.folders.iter().filter_map(|(_, folder)| folder.parent()).collect();
        let plain: HashSet<&Path> =
            self.folders.iter().map(|(_, folder)| folder.as_path()).collect();
        let near = |path: &&PathBuf| {
            let folder = path.parent().unwrap_or(path);
            let beside = folder.parent().is_some_and(|parent| above.contains(parent));
            above.contains(folder) || plain.contains(folder) || beside
        };
        let loose: Vec<&PathBuf> = self.loose.iter().filter(near).collect();
        let names = loose.iter().take(FEW).map(|path| path.display().to_string());
        let names = names.collect::<Vec<_>>().join(", ");
        let more = match loose.len().saturating_sub(FEW) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!loose.is_empty()).then(|| {
            format!("part of no subject, by their names, and not used: {names}{more}; rename or remove them")
        })
    }
}

/// Whether M&Ms was found, so that subjects of M&Ms-2 that may be in both must be left out.
pub fn holds_mnms(found: &Found) -> bool {
    found.folders.iter().any(|(layout, _)| *layout == DatasetLayout::Mnms)
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
        Some(name)
            if name.eq_ignore_ascii_case("images") || name.eq_ignore_ascii_case("labels") =>
        {
            parent_of(path)
        }
        _ => path.to_path_buf(),
    };
    let mut found = Found::default();
    search(&start, 0, &mut HashSet::new(), &mut found)?;
    if found.folders.is_empty() {
        return Err(nothing_found(path));
    }
    found.folders.retain(|(layout, _)| {
        subsets.is_empty() || subsets.iter().any(|subset| subset == layout.subset())
    });
    Ok(found)
}

/// The data sets of the folders that were found. Without M&Ms, M&Ms-2 is complete.
pub fn list(found: Found, with_mnms: bool) -> Result<Vec<Dataset>> {
    let folders_of = |layout: DatasetLayout| -> Vec<PathBuf> {
        let folders = found.folders.iter().filter(|(found, _)| *found == layout);
        folders.map(|(_, path)| path.clone()).collect()
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
    if let (Some(warning), Some(first)) = (found.warning_of_loose(), sets.first_mut()) {
        first.warn(warning);
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

/// Collects subjects' folders (or plain folders), in order of their paths. A folder that links lead to
/// again is collected once; `visited` are those searched so far, links resolved.
fn search(
    folder: &Path,
    depth: usize,
    visited: &mut HashSet<PathBuf>,
    found: &mut Found,
) -> Result<()> {
    let resolved = folder.canonicalize().map_err(|error| Error::io(folder, error))?;
    // A path such as `.` has no name of its own until it is resolved.
    let folder = match folder.file_name() {
        Some(_) => folder.to_path_buf(),
        None => resolved.clone(),
    };
    if !visited.insert(resolved.clone()) {
        return Ok(());
    }
    let (names, readable) = match visible_in(&folder) {
        Ok(names) => (names.into_iter().filter_map(|name| name.into_string().ok()).collect(), true),
        // Folders without read permission are skipped, unless their names are those of patients.
        Err(_) if depth > 0 => (Vec::new(), false),
        Err(error) => return Err(error),
    };
    let volumes = names.iter().map(|name| folder.join(name));
    let volumes = volumes.filter(|path| nifti::is_volume_name(path));
    // The files in a folder are named after it, and not after a link to it.
    for named in [&folder, &resolved] {
        if let Some(layout) = layout_of(named, &names) {
            // Readers of a subject's folder warn of what they do not use.
            if layout == DatasetLayout::Folder {
                found.loose.extend(volumes);
            }
            found.folders.push((layout, named.clone()));
            return Ok(());
        }
    }
    found.loose.extend(volumes);
    // Names that are not UTF-8 are refused, unless the subject's own reader does so.
    if readable {
        names_in(&folder)?;
    }
    if depth == MAX_DEPTH {
        return Ok(());
    }
    for below in names.iter().map(|name| folder.join(name)).filter(|below| below.is_dir()) {
        search(&below, depth + 1, visited, found)?;
    }
    Ok(())
}

/// The layout of a folder, by its own name and the names in it, whatever the case of their letters.
fn layout_of(folder: &Path, names: &[String]) -> Option<DatasetLayout> {
    let own = id_of(folder).to_lowercase();
    let volumes = names.iter().map(Path::new).filter(|name| nifti::is_volume_name(name));
    let stems = volumes.map(|name| nifti::stem(name).to_lowercase());
    let mut by_files =
        stems.filter_map(|stem| match stem.strip_prefix(&own)?.strip_prefix('_')? {
            "sa" | "sa_gt" => Some(DatasetLayout::Mnms),
            "sa_cine" | "sa_ed" | "sa_es" | "sa_ed_gt" | "sa_es_gt" => Some(DatasetLayout::Mnms2),
            rest if rest == "4d" || rest.starts_with("frame") => Some(DatasetLayout::Acdc),
            _ => None,
        });
    let is_patient = || {
        own.strip_prefix("patient")
            .is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
    };
    let is_images =
        |name: &String| name.eq_ignore_ascii_case("images") && folder.join(name).is_dir();
    by_files
        .next()
        .or_else(|| is_patient().then_some(DatasetLayout::Acdc))
        .or_else(|| names.iter().any(is_images).then_some(DatasetLayout::Folder))
}
