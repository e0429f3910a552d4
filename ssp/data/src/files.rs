//! Names of files and folders, as the readers list them.
//!
//! Files that the operating system or a program hid are not data: names that begin with a dot (such as
//! the `._` files in which macOS keeps attributes), `__MACOSX` from zip files made on a Mac, and `@eaDir`
//! from network drives.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use crate::{Error, Result};

/// Names of every file and folder in a folder that is not hidden, sorted.
pub(super) fn visible_in(folder: &Path) -> Result<Vec<OsString>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| Error::io(folder, error))?.file_name();
        if !is_hidden(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX" || name == "@eaDir"
}

/// The names in a folder that are not hidden, sorted. Those that are not UTF-8 are left out.
///
/// # Errors
/// If the folder cannot be listed, or the name of a folder, image or table in it is not UTF-8: such a
/// name could be part of no ID.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>> {
    const DATA: [&str; 6] = [".nii", ".hdr", ".img", ".csv", ".tsv", ".cfg"];
    let mut names = Vec::new();
    for name in visible_in(folder)? {
        match name.into_string() {
            Ok(name) => names.push(name),
            Err(name) => {
                let path = folder.join(&name);
                let lower = name.to_string_lossy().to_ascii_lowercase();
                let lower = lower.strip_suffix(".gz").unwrap_or(&lower);
                if path.is_dir() || DATA.iter().any(|ending| lower.ends_with(ending)) {
                    return Err(not_utf8(&path));
                }
            }
        }
    }
    Ok(names)
}

/// Refuses a path whose last part is not UTF-8, and could be no ID.
pub(super) fn check_name(path: &Path) -> Result<()> {
    match path.file_name().is_none_or(|name| name.to_str().is_some()) {
        true => Ok(()),
        false => Err(not_utf8(path)),
    }
}

fn not_utf8(path: &Path) -> Error {
    let what = "its name is not UTF-8 text (\u{fffd} stands for the bytes that are not); rename it";
    Error::file(path, what)
}

/// The folder of a given name in another, whatever the case of its letters.
///
/// # Errors
/// If the outer folder cannot be listed, two names match, or the name is that of no folder.
pub(super) fn subfolder(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    let names = names_in(folder)?;
    let mut found = names.iter().filter(|other| other.eq_ignore_ascii_case(name));
    let Some(path) = found.next().map(|name| folder.join(name)) else { return Ok(None) };
    if let Some(other) = found.next() {
        let what =
            format!("is there beside {}; only one can be used", folder.join(other).display());
        return Err(Error::file(path, what));
    }
    match path.is_dir() {
        true => Ok(Some(path)),
        false => Err(Error::file(path, "is not a folder, or is a link to nothing")),
    }
}

/// The last part of a path; empty for a path without one, such as `/` or `..`.
pub(super) fn last_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A name with letters and accents composed (Unicode's NFC), so that names that look the same are the
/// same: macOS stores them decomposed (NFD), and most other systems as they were typed.
pub fn composed(name: &str) -> String {
    name.nfc().collect()
}
