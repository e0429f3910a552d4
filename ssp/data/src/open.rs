//! Which layout a folder has, told by the names in it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::acdc::Acdc;
use super::dataset::{Dataset, Layout, Listing};
use super::folder::{Folder, volumes_in};
use super::mnms::Mnms;
use super::mnms2::Mnms2;
use super::nifti;
use crate::{Error, Result};

/// Subjects lie at most so many folders below the one that is given.
const DEEPEST: usize = 4;

/// Opens a data set: the folder itself, one above it (`ACDC`, a root with `MnM/dataset`) or one below
/// (`images`, a single subject's folder).
///
/// # Errors
/// If nothing is found, or several layouts are; the line says what was looked for.
pub fn open(path: impl AsRef<Path>) -> Result<Box<dyn Dataset>> {
    let path = path.as_ref();
    let mut found = open_all(path)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        _ => {
            let names: Vec<_> = found.iter().map(|set| set.layout().name()).collect();
            Err(Error::file(
                path,
                format!("holds several data sets ({}); name one", names.join(", ")),
            ))
        }
    }
}

/// Opens every data set in a folder, one per layout (for plain folders, one each). If both M&Ms and
/// M&Ms-2 are there, M&Ms-2's subjects that may be in both are left out, as in the study.
///
/// # Errors
/// If nothing is found; the line says what was looked for.
pub fn open_all(path: impl AsRef<Path>) -> Result<Vec<Box<dyn Dataset>>> {
    let found = find(path.as_ref(), &[])?;
    let mnms = holds_mnms(&found);
    list(found, mnms)
}

/// Folders of subjects (or plain folders), by layout.
pub type Found = Vec<(Layout, PathBuf)>;

/// Whether M&Ms is among what was found, so that M&Ms-2's subjects that may be in both are to be
/// left out.
pub fn holds_mnms(found: &Found) -> bool {
    found.iter().any(|(layout, _)| *layout == Layout::Mnms)
}

/// Whether M&Ms lies in a folder.
pub fn holds_mnms_at(path: &Path) -> bool {
    find(path, &[]).is_ok_and(|found| holds_mnms(&found))
}

/// What lies in a folder, of data sets of these names only, such as mm1; none for all. There may be
/// no such data set in a folder that holds others.
///
/// # Errors
/// As [`open_all`].
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

/// The data sets of what was found. M&Ms-2 by itself is whole.
///
/// # Errors
/// When a data set cannot be listed.
pub fn list(found: Found, with_mnms: bool) -> Result<Vec<Box<dyn Dataset>>> {
    let of = |layout: Layout| -> Vec<PathBuf> {
        found.iter().filter(|(found, _)| *found == layout).map(|(_, path)| path.clone()).collect()
    };
    let mut sets: Vec<Box<dyn Dataset>> = Vec::new();
    let (acdc, mnms, mnms2) = (of(Layout::Acdc), of(Layout::Mnms), of(Layout::Mnms2));
    if !acdc.is_empty() {
        sets.push(Box::new(Acdc::new(acdc)?));
    }
    if !mnms.is_empty() {
        sets.push(Box::new(Mnms::new(mnms)?));
    }
    if !mnms2.is_empty() {
        let all = Mnms2::new(mnms2)?;
        sets.push(Box::new(if with_mnms { all.without_shared()? } else { all }));
    }
    for folder in of(Layout::Folder) {
        sets.push(Box::new(Folder::new(&folder)?));
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
    let loose = volumes_in(path).map_or(0, |files| files.len());
    let hint = match loose {
        0 if path.join("imagesTr").is_dir() => {
            "; of nnU-Net's layout, link imagesTr as images and labelsTr as labels, with the same names in \
             both (without _0000)"
                .into()
        }
        0 => String::new(),
        count => format!("; {count} NIfTI files lie in it directly, and belong in images/"),
    };
    Error::file(
        path,
        format!(
            "holds no data set: looked {DEEPEST} folders deep for \
             patientNNN/patientNNN_frameXX.nii.gz (ACDC), <ID>/<ID>_sa.nii.gz (M&Ms), \
             NNN/NNN_SA_ED.nii.gz (M&Ms-2) and images/*.nii.gz (plain folder){hint}"
        ),
    )
}

/// Collects folders of subjects (or a plain folder), in order of their paths.
fn search(folder: &Path, depth: usize, found: &mut Vec<(Layout, PathBuf)>) -> Result<()> {
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
    if depth == DEEPEST {
        return Ok(());
    }
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        let below = folder.join(name);
        // A folder that may not be entered is no reason to give up the others.
        if below.is_dir() && names_in(&below).is_ok() {
            search(&below, depth + 1, found)?;
        }
    }
    Ok(())
}

/// What a folder is, by its own name and the names in it.
fn layout_of(folder: &Path, names: &[String]) -> Option<Layout> {
    let own = folder.file_name()?.to_string_lossy().into_owned();
    let mut stems = names
        .iter()
        .filter(|name| nifti::is_volume_name(Path::new(name)))
        .map(|name| nifti::stem(Path::new(name)));
    let layout = stems.find_map(|stem| {
        let rest = stem.strip_prefix(&own)?.strip_prefix('_')?;
        match rest {
            "sa" => Some(Layout::Mnms),
            "SA_CINE" | "SA_ED" | "SA_ES" => Some(Layout::Mnms2),
            _ if rest == "4d" || rest.starts_with("frame") => Some(Layout::Acdc),
            _ => None,
        }
    });
    let empty_patient = || {
        let number = own.strip_prefix("patient")?;
        let digits = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
        digits.then_some(Layout::Acdc)
    };
    let plain = || folder.join("images").is_dir().then_some(Layout::Folder);
    layout.or_else(empty_patient).or_else(plain)
}

/// The names in a folder, sorted.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io(folder, error))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The volume of a given stem in a folder, gzipped or not.
pub(super) fn volume_named(folder: &Path, stem: &str) -> Option<PathBuf> {
    let candidates = [".nii.gz", ".nii"].map(|ending| folder.join(format!("{stem}{ending}")));
    candidates.into_iter().find(|path| path.is_file())
}

/// Refuses two subjects of one ID.
pub(super) fn check_unique(listings: &[Listing]) -> Result<()> {
    let mut seen: HashMap<&str, &Listing> = HashMap::new();
    for listing in listings {
        if let Some(other) = seen.insert(&listing.id, listing) {
            let place =
                other.files.first().map(|file| file.display().to_string()).unwrap_or_default();
            return Err(listing.wrong(format!("is there twice; the other is {place}")));
        }
    }
    Ok(())
}
