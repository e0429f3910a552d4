//! Locks that keep two processes from doing the same work. The operating system releases them however a
//! process ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Error, Result};
use common::files::{create_dir_all, create_lock};

/// The lock file of a piece of work.
fn path(sweep: &Path, name: &str) -> PathBuf {
    sweep.join("claims").join(name.replace('/', "-"))
}

/// Locks a piece of work until the returned file is dropped; none if another process has locked it.
///
/// # Errors
/// When the file cannot be created, or the file system does not support locks.
pub fn claim(sweep: &Path, name: &str) -> Result<Option<File>> {
    let path = path(sweep, name);
    if let Some(folder) = path.parent() {
        create_dir_all(folder)?;
    }
    let file = create_lock(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Error::file(
            &path,
            format!(
                "cannot be locked ({error}): a sweep needs file locks, which this file system does not support; \
                 choose a folder on another one with --out"
            ),
        )),
    }
}

/// How often to try again to take the lock of a short piece of work.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Locks a short piece of work, waiting for other processes.
///
/// # Errors
/// As [`claim`].
pub fn wait_for(sweep: &Path, name: &str) -> Result<File> {
    loop {
        match claim(sweep, name)? {
            Some(lock) => return Ok(lock),
            None => std::thread::sleep(RETRY_INTERVAL),
        }
    }
}

/// Whether a process has locked a piece of work.
pub fn is_claimed(sweep: &Path, name: &str) -> bool {
    let file = File::open(path(sweep, name));
    // A shared lock, so that two processes that check at once do not see each other as workers.
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
