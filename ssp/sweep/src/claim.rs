//! What a process works on, no other does: files that it locks. The system lets go of them however
//! the process ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Error, Result};

/// The file that stands for a piece of work.
fn path(sweep: &Path, name: &str) -> PathBuf {
    sweep.join("claims").join(name.replace('/', "-"))
}

/// Takes a piece of work for as long as what is returned lives; none if another process has it.
///
/// # Errors
/// When there can be no such file, or the file system knows no locks.
pub fn claim(sweep: &Path, name: &str) -> Result<Option<File>> {
    let path = path(sweep, name);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    let file = File::create(&path).map_err(|e| Error::io(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Error::file(
            &path,
            format!(
                "cannot be locked ({error}): a sweep needs locks, and this file system has none; name a \
                 folder on another with --out"
            ),
        )),
    }
}

/// How long to wait for another process with what takes a moment.
const PATIENCE: Duration = Duration::from_millis(20);

/// Takes a piece of work that takes a moment, after whoever has it.
///
/// # Errors
/// As [`claim`].
pub fn wait_for(sweep: &Path, name: &str) -> Result<File> {
    loop {
        match claim(sweep, name)? {
            Some(held) => return Ok(held),
            None => std::thread::sleep(PATIENCE),
        }
    }
}

/// Whether a process is at work on it.
pub fn is_claimed(sweep: &Path, name: &str) -> bool {
    let file = File::open(path(sweep, name));
    // A shared lock: two that look at once do not take each other for one that works.
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
