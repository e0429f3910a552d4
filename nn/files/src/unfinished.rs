//! Temporary files that a later process can recognise as left behind.
//!
//! A writer holds a lock on its temporary file, which the system releases however the process
//! ends. Another process that obtains the lock knows that the writer is gone, and removes the file.
//! The name holds the boot of the machine: a lock is certain to be seen on that machine only. A
//! file of another one must also have been unchanged for a day, since some network file systems
//! keep locks to each machine.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::faults::{Operation, point};

/// How the names of files begin that a process that was cut off had not finished writing.
pub const UNFINISHED: &str = ".unfinished-";

/// How long a file without a sign of this boot must have been unchanged.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Characters of the boot's identifier in a name.
const BOOT_LENGTH: usize = 8;

/// Makes a temporary file in `folder`, locked for as long as it is open. It is as open to others as
/// any file of the user, so that it can be renamed to its final name. `suffix` ends its name.
///
/// # Errors
/// When the file cannot be made.
pub fn unfinished(folder: &Path, suffix: &str) -> io::Result<NamedTempFile> {
    let prefix = boot().map_or(UNFINISHED.to_owned(), |boot| format!("{UNFINISHED}{boot}-"));
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(suffix);
    // Opened here, since the files of `tempfile` are private to their owner and name themselves in errors.
    let open = |path: &Path| {
        point(Operation::Create, path)?;
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    };
    loop {
        let file = builder.make_in(folder, open)?;
        match file.as_file().try_lock() {
            // Another process took the file for an abandoned one before it was locked.
            Err(std::fs::TryLockError::WouldBlock) => continue,
            Ok(()) if !same_file(file.as_file(), file.path()) => continue,
            // A file system without locks: nobody can obtain one, so nobody removes the file.
            Ok(()) | Err(std::fs::TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// Removes the temporary files in `folder` whose writers are certain to have ended. What cannot be
/// examined or removed stays: it does no harm.
pub fn remove_abandoned(folder: impl AsRef<Path>) {
    let Ok(entries) = folder.as_ref().read_dir() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let wait = match (name.strip_prefix(UNFINISHED), boot()) {
            (Some(rest), Some(boot)) if rest.starts_with(&format!("{boot}-")) => Duration::ZERO,
            (Some(_), _) => ABANDONED,
            (None, _) => continue,
        };
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = remove_if_abandoned(&entry.path(), wait);
        }
    }
}

/// The same in `folder` and all folders below it, links aside.
pub fn remove_abandoned_below(folder: impl AsRef<Path>) {
    let folder = folder.as_ref();
    remove_abandoned(folder);
    let Ok(entries) = folder.read_dir() else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_abandoned_below(entry.path());
        }
    }
}

fn remove_if_abandoned(path: &Path, wait: Duration) -> io::Result<()> {
    // An exclusive lock over NFS takes a file that is open for writing.
    let file = OpenOptions::new().write(true).open(path)?;
    let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
    if age < wait || file.try_lock().is_err() {
        return Ok(());
    }
    // Where an open file cannot be removed, it must be closed first; its writer, if a new one made
    // this very name, holds it open, and the removal fails.
    if cfg!(not(unix)) {
        drop(file);
    }
    std::fs::remove_file(path)
}

/// Whether a file still has the name under which it was made.
#[cfg(unix)]
pub fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata().map(identity), path.metadata().map(identity)) {
        (Ok(ours), Ok(there)) => ours == there,
        _ => false,
    }
}

/// Whether a file still has the name under which it was made.
#[cfg(not(unix))]
pub fn same_file(_: &File, path: &Path) -> bool {
    path.exists()
}

/// The first characters of what identifies this boot of this machine, where the system has such.
fn boot() -> Option<String> {
    let id = std::fs::read_to_string(PathBuf::from("/proc/sys/kernel/random/boot_id")).ok()?;
    let id: String = id.chars().filter(char::is_ascii_hexdigit).take(BOOT_LENGTH).collect();
    (id.len() == BOOT_LENGTH).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = folder.read_dir().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_is_being_written_stays_and_one_whose_writer_ended_goes() {
        let folder = tempfile::tempdir().unwrap();
        let written = unfinished(folder.path(), ".nii.gz").unwrap();
        let name = written.path().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name.starts_with(UNFINISHED) && name.ends_with(".nii.gz"));
        std::fs::write(folder.path().join("result.json"), "").unwrap();
        remove_abandoned(folder.path());
        assert_eq!(names(folder.path()), [name, "result.json".to_owned()]);
        // As the system closes the files of a process that is killed.
        let (file, path) = written.keep().unwrap();
        drop(file);
        assert!(path.exists());
        remove_abandoned(folder.path());
        let left = if boot().is_some() { 1 } else { 2 };
        assert_eq!(names(folder.path()).len(), left);
    }

    /// Whether a writer on another machine has ended cannot be known from a lock. Other programs' temporary
    /// files are never removed: the folder may be `/tmp`.
    #[test]
    fn a_file_of_another_machine_stays_for_a_day() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".unfinished-a1b2c3", ".tmpXyZ123", "mine.tmp"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        remove_abandoned(folder.path());
        assert_eq!(names(folder.path()).len(), 3);
        let before = std::time::SystemTime::now() - 2 * ABANDONED;
        for name in names(folder.path()) {
            let file = OpenOptions::new().write(true).open(folder.path().join(name)).unwrap();
            file.set_modified(before).unwrap();
        }
        remove_abandoned(folder.path());
        assert_eq!(names(folder.path()), [".tmpXyZ123", "mine.tmp"]);
    }

    /// Writers that make files while others clear up never lose one.
    #[test]
    fn clearing_up_takes_no_file_from_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..2 {
                let folder = folder.path();
                scope.spawn(move || {
                    for n in 0..100 {
                        let file = unfinished(folder, "").unwrap();
                        file.persist(folder.join(format!("{writer}-{n}"))).unwrap();
                    }
                });
                scope.spawn(move || (0..300).for_each(|_| remove_abandoned(folder)));
            }
        });
        assert_eq!(names(folder.path()).len(), 200);
    }
}
