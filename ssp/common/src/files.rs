//! Writing files so that a reader, or a restart after a crash, sees the old or the new whole.

use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

pub use crate::unfinished::{UNFINISHED, remove_abandoned, remove_abandoned_below, unfinished};

/// Writes `bytes` to `path`, replacing what was there in one step.
///
/// The bytes go to a temporary file in the same folder, reach the disk, and take the place of
/// `path` by a rename: a crash or power cut leaves the old content or the new, never a part.
/// The folder must exist.
pub fn write_atomically(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let fail = |source| Error::io(path, source);
    let file = written(path, bytes).map_err(fail)?;
    file.persist(path).map_err(|refused| fail(refused.error))?;
    sync_folder(folder_of(path)).map_err(fail)
}

/// The same where nothing is there yet; of several processes at once, one does. Returns whether it
/// was this one.
pub fn write_new(path: impl AsRef<Path>, bytes: &[u8]) -> Result<bool> {
    let path = path.as_ref();
    let fail = |source| Error::io(path, source);
    if path.exists() {
        return Ok(false);
    }
    match written(path, bytes).map_err(fail)?.persist_noclobber(path) {
        Ok(_) => sync_folder(folder_of(path)).map_err(fail).map(|()| true),
        Err(refused) if refused.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(refused) => Err(fail(refused.error)),
    }
}

/// Makes a folder, or has the file system look at one anew. What another machine put there a moment ago
/// may not show on a network file system, which remembers for a while what was not there, unless this
/// machine changes the folder itself.
pub fn look_anew(folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    let fail = |source| Error::io(folder, source);
    std::fs::create_dir_all(folder).map_err(fail)?;
    unfinished(folder, "").map_err(fail)?.close().map_err(fail)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A temporary file beside `path` that holds `bytes`, on the disk.
fn written(path: &Path, bytes: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = unfinished(folder_of(path), "")?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Brings a rename within `folder` to the disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened as a file, and the rename is as durable as it gets.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_replaced_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        write_atomically(&path, b"a longer first version").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn permissions_are_those_of_an_ordinary_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode =
            |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        write_atomically(folder.path().join("ours"), b"").unwrap();
        std::fs::write(folder.path().join("ordinary"), b"").unwrap();
        assert_eq!(mode("ours"), mode("ordinary"));
    }

    #[test]
    fn looking_anew_leaves_a_folder_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells").join("one");
        look_anew(&path).unwrap();
        std::fs::write(path.join("cell.json"), "{}").unwrap();
        look_anew(&path).unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere").join("result.json");
        let message = write_atomically(&path, b"").unwrap_err().to_string();
        assert!(message.contains("nowhere"), "{message}");
    }
}
