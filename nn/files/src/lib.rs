//! Writing files so that a reader, or a restart after a crash, sees the old or the new whole.
//!
//! Everything that must survive a crash is written through this crate, so that [faults](mod@faults) can
//! be injected at every step of it.

pub mod faults;
mod unfinished;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use faults::{Effect, Operation, effect, point};

pub use unfinished::{UNFINISHED, remove_abandoned, remove_abandoned_below, same_file, unfinished};

/// Writes `bytes` to `path`, replacing what was there in one step.
///
/// The bytes go to a temporary file in the same folder, reach the disk, and take the place of
/// `path` by a rename: a crash or power cut leaves the old content or the new, never a part.
///
/// # Errors
/// When the folder does not exist, or the file cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    persist(written(path, bytes)?, path)
}

/// The same, where the file that was at `path` becomes `previous`: one of them is whole at any moment.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_keeping(path: &Path, previous: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = written(path, bytes)?;
    // Only once the new file is on the disk: until then the old one is the newest that is whole.
    if path.is_file() {
        point(Operation::Rename, previous)?;
        std::fs::rename(path, previous)?;
    }
    persist(file, path)
}

/// The same where nothing is there yet; of several processes at once, one does. Returns whether it
/// was this one.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    if path.exists() {
        return Ok(false);
    }
    let file = written(path, bytes)?;
    point(Operation::Rename, path)?;
    match file.persist_noclobber(path) {
        Ok(_) => sync_folder(folder_of(path)).map(|()| true),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(refused) => Err(refused.error),
    }
}

/// Brings the content of a temporary file to the disk. `path` is what it will be.
///
/// # Errors
/// When the system fails to.
pub fn sync(file: &NamedTempFile, path: &Path) -> io::Result<()> {
    let file = file.as_file();
    let effect = effect(Operation::Write, path);
    if matches!(effect, Some(Effect::Kill | Effect::Fail(_))) {
        file.set_len(file.metadata()?.len() / 2)?;
    }
    effect.map_or(Ok(()), Effect::happen)?;
    point(Operation::Fsync, path)?;
    file.sync_all()?;
    match effect {
        Some(Effect::Flip) => flip(file),
        _ => Ok(()),
    }
}

/// Renames a temporary file whose content is on the disk to `path`.
///
/// # Errors
/// When the system refuses.
pub fn persist(file: NamedTempFile, path: &Path) -> io::Result<()> {
    point(Operation::Rename, path)?;
    file.persist(path).map_err(|refused| refused.error)?;
    sync_folder(folder_of(path))
}

/// Adds `bytes` to the end of a file, opened to append.
///
/// # Errors
/// When they cannot be written whole.
pub fn append(mut file: &File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match effect(Operation::Write, path) {
        None => file.write_all(bytes),
        Some(Effect::Flip) => {
            let mut flipped = bytes.to_vec();
            flipped[bytes.len() / 2] ^= 1;
            file.write_all(&flipped)
        }
        Some(effect) => {
            file.write_all(&bytes[..bytes.len() / 2])?;
            effect.happen()
        }
    }
}

/// Brings what was appended to the disk.
///
/// # Errors
/// When the system fails to.
pub fn sync_appended(file: &File, path: &Path) -> io::Result<()> {
    point(Operation::Fsync, path)?;
    file.sync_data()
}

/// Creates or opens a file to lock, which has no content.
///
/// # Errors
/// When it cannot be opened.
pub fn create_lock(path: &Path) -> io::Result<File> {
    point(Operation::Create, path)?;
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

/// Makes a folder that is not there yet.
///
/// # Errors
/// When it is there, or cannot be made.
pub fn create_dir(path: &Path) -> io::Result<()> {
    point(Operation::Mkdir, path)?;
    std::fs::create_dir(path)
}

/// Makes a folder, and those above it that are missing.
///
/// # Errors
/// When it cannot be made.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    point(Operation::Mkdir, path)?;
    std::fs::create_dir_all(path)
}

/// Makes a folder, or has the file system look at one anew. What another machine put there a moment ago
/// may not show on a network file system, which remembers for a while what was not there, unless this
/// machine changes the folder itself.
///
/// # Errors
/// When it cannot be made or changed.
pub fn look_anew(folder: &Path) -> io::Result<()> {
    create_dir_all(folder)?;
    unfinished(folder, "")?.close()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A temporary file beside `path` that holds `bytes`, on the disk.
fn written(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = unfinished(folder_of(path), "")?;
    // Errors of the temporary file itself name it, and it is gone when they are read.
    file.as_file_mut().write_all(bytes)?;
    sync(&file, path)?;
    Ok(file)
}

/// Inverts a bit in the middle of a file.
fn flip(mut file: &File) -> io::Result<()> {
    let middle = SeekFrom::Start(file.metadata()?.len() / 2);
    let mut byte = [0];
    file.seek(middle)?;
    file.read_exact(&mut byte)?;
    file.seek(middle)?;
    file.write_all(&[byte[0] ^ 1])
}

/// Brings a rename within `folder` to the disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    point(Operation::Fsync, folder)?;
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened as a file, and the rename is as durable as it gets.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
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

    /// What is no file is never moved out of the way.
    #[test]
    fn a_folder_in_place_of_a_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [path, previous] = ["newer", "older"].map(|name| folder.path().join(name));
        std::fs::create_dir(&path).unwrap();
        assert!(write_keeping(&path, &previous, b"new").is_err());
        assert!(path.is_dir() && !previous.exists());
        std::fs::remove_dir(&path).unwrap();
        write_keeping(&path, &previous, b"new").unwrap();
        write_keeping(&path, &previous, b"newer").unwrap();
        assert_eq!(
            [path, previous].map(|path| std::fs::read(path).unwrap()),
            [&b"newer"[..], b"new"]
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    #[cfg(unix)]
    fn permissions_are_those_of_an_ordinary_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode =
            |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        write_atomically(&folder.path().join("ours"), b"").unwrap();
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
    fn a_failure_does_not_name_the_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomically(&folder.path().join("none/result.json"), b"").unwrap_err();
        assert!(
            error.raw_os_error().is_some() && !error.to_string().contains(UNFINISHED),
            "{error}"
        );
    }
}
