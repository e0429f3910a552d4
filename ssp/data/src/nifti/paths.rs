//! File names of volumes: endings, stems, and the two files of a pair.

use std::path::{Path, PathBuf};

use super::super::files::{last_name, names_in};
use crate::Result;

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
    let names = names_in(folder)?;
    let visible = names.into_iter().filter(|name| !name.starts_with('.'));
    Ok(visible.map(|name| folder.join(name)).filter(|path| is_volume_name(path)).collect())
}

/// The volume of a given stem in a folder: `.nii.gz`, or else `.nii`.
pub fn volume_named(folder: &Path, stem: &str) -> Option<PathBuf> {
    let candidates = [".nii.gz", ".nii"].map(|ending| folder.join(format!("{stem}{ending}")));
    candidates.into_iter().find(|path| path.is_file())
}

/// The files of a volume: the file itself and, if it is one half of a pair, the other half.
pub fn files_of(path: PathBuf) -> Vec<PathBuf> {
    let pairs = [(".hdr", ".img"), (".img", ".hdr")];
    let other = pairs.into_iter().find(|(own, _)| has_ending(&path, own));
    let other = other.and_then(|(_, other)| partner(&path, other));
    std::iter::once(path).chain(other).collect()
}

/// A file's name without folder, `.gz`, and `.nii`, `.hdr` or `.img`.
pub fn stem(path: &Path) -> String {
    split_name(&last_name(path)).0.to_string()
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
