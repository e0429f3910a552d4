//! Writing files so that a reader, or a restart after a crash, sees the old or the new whole.

use std::fs::File;
use std::path::Path;

use ::files as raw;
use tempfile::NamedTempFile;

use crate::{Error, Result};

pub use raw::{UNFINISHED, remove_abandoned, remove_abandoned_below, same_file, unfinished};

/// Writes `bytes` to `path`, replacing what was there in one step.
///
/// The bytes go to a temporary file in the same folder, reach the disk, and take the place of
/// `path` by a rename: a crash or power cut leaves the old content or the new, never a part.
/// The folder must exist.
pub fn write_atomically(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    named(path.as_ref(), |path| raw::write_atomically(path, bytes))
}

/// The same where nothing is there yet; of several processes at once, one does. Returns whether it
/// was this one.
pub fn write_new(path: impl AsRef<Path>, bytes: &[u8]) -> Result<bool> {
    named(path.as_ref(), |path| raw::write_new(path, bytes))
}

/// Brings the content of a temporary file to the disk. `path` is what it will be.
pub fn sync(file: &NamedTempFile, path: impl AsRef<Path>) -> Result<()> {
    named(path.as_ref(), |path| raw::sync(file, path))
}

/// Renames a temporary file whose content is on the disk to `path`.
pub fn persist(file: NamedTempFile, path: impl AsRef<Path>) -> Result<()> {
    named(path.as_ref(), |path| raw::persist(file, path))
}

/// Adds `bytes` to the end of the file `path`, opened to append.
pub fn append(file: &File, path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    named(path.as_ref(), |path| raw::append(file, path, bytes))
}

/// Brings what was appended to the file `path` to the disk.
pub fn sync_appended(file: &File, path: impl AsRef<Path>) -> Result<()> {
    named(path.as_ref(), |path| raw::sync_appended(file, path))
}

/// Creates or opens a file to lock, which has no content.
pub fn create_lock(path: impl AsRef<Path>) -> Result<File> {
    named(path.as_ref(), raw::create_lock)
}

/// Makes a folder, and those above it that are missing.
pub fn create_dir_all(path: impl AsRef<Path>) -> Result<()> {
    named(path.as_ref(), raw::create_dir_all)
}

/// Makes a folder. Returns whether it was not there.
pub fn create_dir(path: impl AsRef<Path>) -> Result<bool> {
    named(path.as_ref(), |path| match raw::create_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true),
    })
}

/// Makes a folder, or has the file system look at one anew. What another machine put there a moment ago
/// may not show on a network file system, which remembers for a while what was not there, unless this
/// machine changes the folder itself.
pub fn look_anew(folder: impl AsRef<Path>) -> Result<()> {
    named(folder.as_ref(), raw::look_anew)
}

/// A failure with the path that it is about.
fn named<T>(path: &Path, operation: impl FnOnce(&Path) -> std::io::Result<T>) -> Result<T> {
    operation(path).map_err(|source| Error::io(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere").join("result.json");
        let message = write_atomically(&path, b"").unwrap_err().to_string();
        assert!(message.contains("nowhere"), "{message}");
    }
}
