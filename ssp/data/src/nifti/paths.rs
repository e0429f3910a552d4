//! File names of volumes: endings, stems, and the two files of a pair.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::files::{check_name, composed, last_name, visible_in};
use crate::{Error, Result};

/// Whether [`read`](super::volume::read) takes a file of this name for the start of a volume: `.nii` or
/// `.hdr`, with or without `.gz`.
pub fn is_volume_name(path: &Path) -> bool {
    has_ending(path, ".nii") || has_ending(path, ".hdr")
}

/// The NIfTI files directly in a folder, in order of their names; hidden files are skipped.
///
/// # Errors
/// If the folder cannot be listed.
pub fn volumes_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let paths = visible_in(folder)?.into_iter().map(|name| folder.join(name));
    Ok(paths.filter(|path| is_volume_name(path)).collect())
}

/// The NIfTI files directly in a folder, of which no two have one [`stem`], in order of their names.
///
/// # Errors
/// If the folder cannot be listed, a name is not UTF-8, or two files have one stem, such as `a.nii` and
/// `a.nii.gz`: the choice between them would decide the result.
pub fn distinct_volumes_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let volumes = volumes_in(folder)?;
    let mut seen = HashMap::new();
    for path in &volumes {
        check_name(path)?;
        if let Some(first) = seen.insert(stem(path), path) {
            return Err(same_name(path, first));
        }
    }
    Ok(volumes)
}

/// The error of two volumes that one name or number means.
pub(crate) fn same_name(path: &Path, first: &Path) -> Error {
    let first = last_name(first);
    Error::file(path, format!("means the same as {first} beside it; keep only one of the two"))
}

/// The files of a volume: the file itself and, if it is one half of a pair, the other half.
pub fn files_of(path: PathBuf) -> Vec<PathBuf> {
    let pairs = [(".hdr", ".img"), (".img", ".hdr")];
    let other = pairs.into_iter().find(|(own, _)| has_ending(&path, own));
    let other = other.and_then(|(_, other)| partner(&path, other));
    std::iter::once(path).chain(other).collect()
}

/// A file's name without folder, `.gz`, and `.nii`, `.hdr` or `.img`. Letters with accents are composed
/// (Unicode's NFC), so that names that look the same are the same.
pub fn stem(path: &Path) -> String {
    composed(split_name(&last_name(path)).0)
}

/// A name's stem and the ending that [`stem`] removes, in its original case.
fn split_name(name: &str) -> (&str, &str) {
    let lower = name.to_ascii_lowercase();
    for ending in [".nii.gz", ".hdr.gz", ".img.gz", ".nii", ".hdr", ".img"] {
        if lower.ends_with(ending) {
            return name.split_at(name.len() - ending.len());
        }
    }
    (name, "")
}

/// Whether a name ends in `ending`, ignoring case and `.gz`.
pub(super) fn has_ending(path: &Path, ending: &str) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    name.strip_suffix(".gz").unwrap_or(&name).ends_with(ending)
}

/// The other half of a pair beside `path`. One compressed in the same way is preferred.
pub(super) fn partner(path: &Path, ending: &str) -> Option<PathBuf> {
    let name = last_name(path);
    let (stem, own) = split_name(&name);
    let upper = own.contains(|c: char| c.is_ascii_uppercase());
    let ending = if upper { ending.to_uppercase() } else { ending.to_string() };
    let mut candidates = [format!("{stem}{ending}"), format!("{stem}{ending}.gz")];
    if own.to_ascii_lowercase().ends_with(".gz") {
        candidates.reverse();
    }
    let mut paths = candidates.iter().map(|name| path.with_file_name(name));
    paths.find(|candidate| candidate.is_file())
}
