//! The content of files, as hashes, and what spares a later start from reading all files again.
//!
//! The hash of a file is remembered beside the caches with the file's size, times of change, inode
//! and device, and believed only where all of them are as they were. The time of change of the inode
//! (ctime) is what no program can set back. A file that was changed just before it was hashed could
//! change once more within the same tick of the clock; it is hashed again. Systems without these
//! values hash every file at every start.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use blake3::Hasher;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use common::files::write_atomically;

/// How much older than the reading of a file its last change must be: more than the coarsest clock
/// of a file system, 2 s of FAT.
const MARGIN: Duration = Duration::from_secs(3);

/// What a file system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    length: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    /// Device, inode, and nanoseconds since 1970 of the change of the inode; none where there are none.
    inode: Option<(u64, u64, i128)>,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        let modified = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |time| time.as_nanos());
        Ok(Stamp { length: metadata.len(), modified, inode: inode(&metadata) })
    }

    /// Whether the file had been unchanged for a while at a time, in nanoseconds since 1970.
    fn is_settled_at(self, time: u128) -> bool {
        let latest = i128::try_from(time.saturating_sub(MARGIN.as_nanos())).unwrap_or(0);
        self.inode.is_some_and(|(.., changed)| changed < latest)
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> Option<(u64, u64, i128)> {
    use std::os::unix::fs::MetadataExt;
    let changed = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
    Some((metadata.dev(), metadata.ino(), changed))
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> Option<(u64, u64, i128)> {
    None
}

/// A file by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    pub stamp: Stamp,
    /// Nanoseconds since 1970 just before it was read.
    read: u128,
    /// Hash of the content.
    pub content: String,
}

/// The fingerprints of files, in their order; those that are remembered in the file `memory` are
/// taken from there where they still hold, and the file is brought up to date.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn fingerprints(paths: &[PathBuf], memory: &Path) -> Result<Vec<Fingerprint>> {
    let remembered = recall(memory).filter(|all| all.len() == paths.len());
    let fingerprint = |(index, path): (usize, &PathBuf)| {
        let stamp = Stamp::of(path)?;
        let earlier = remembered.as_ref().map(|all| &all[index]);
        match earlier.filter(|f| f.stamp == stamp && stamp.is_settled_at(f.read)) {
            Some(earlier) => Ok(earlier.clone()),
            None => hashed(path),
        }
    };
    let found: Vec<_> = paths.par_iter().enumerate().map(fingerprint).collect::<Result<_>>()?;
    if remembered.as_ref() != Some(&found) {
        remember(&found, memory);
    }
    Ok(found)
}

fn hashed(path: &Path) -> Result<Fingerprint> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stamp = Stamp::of(path)?;
    let mut hasher = Hasher::new();
    let read = File::open(path).and_then(|file| hasher.update_reader(file).map(|_| ()));
    read.map_err(|e| Error::io(path, e))?;
    let content = hasher.finalize().to_hex().to_string();
    Ok(Fingerprint { stamp, read: now.as_nanos(), content })
}

/// What a file of fingerprints holds: one line with the hash of the rest, which is JSON. None if it
/// is not there or damaged.
fn recall(memory: &Path) -> Option<Vec<Fingerprint>> {
    let text = std::fs::read_to_string(memory).ok()?;
    let (hash, json) = text.split_once('\n')?;
    (hash == blake3::hash(json.as_bytes()).to_hex().as_str()).then_some(())?;
    serde_json::from_str(json).ok()
}

/// Without this file, all files are read at the next start: no reason to fail.
fn remember(fingerprints: &[Fingerprint], memory: &Path) {
    let Ok(json) = serde_json::to_string(fingerprints) else { return };
    let text = format!("{}\n{json}", blake3::hash(json.as_bytes()).to_hex());
    if let Some(folder) = memory.parent() {
        let _ = common::files::create_dir_all(folder);
    }
    let _ = write_atomically(memory, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contents of two files, and how often a reading is spared.
    #[test]
    fn a_hash_is_believed_only_of_a_file_that_had_settled() {
        let folder = tempfile::tempdir().unwrap();
        let (file, memory) = (folder.path().join("a.nii"), folder.path().join("memory"));
        std::fs::write(&file, "one").unwrap();
        let paths = [file.clone()];
        let look = || fingerprints(&paths, &memory).unwrap().remove(0);
        let first = look();
        assert_eq!(first.content, blake3::hash(b"one").to_hex().as_str());
        assert_ne!(look().read, first.read, "changed just now: read again");

        // As if it had been read long after its last change.
        let later = first.read + 2 * MARGIN.as_nanos();
        let planted = Fingerprint { read: later, content: "believed".into(), ..look() };
        remember(std::slice::from_ref(&planted), &memory);
        assert_eq!(look().content, if cfg!(unix) { "believed" } else { &*first.content });

        // The same length, and the time of change set back.
        let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
        remember(&[planted], &memory);
        std::fs::write(&file, "two").unwrap();
        File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        assert_eq!(look().content, blake3::hash(b"two").to_hex().as_str());
    }

    #[test]
    fn damaged_fingerprints_are_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (file, memory) = (folder.path().join("a.nii"), folder.path().join("memory"));
        std::fs::write(&file, "one").unwrap();
        let look = || fingerprints(std::slice::from_ref(&file), &memory).unwrap().remove(0).content;
        let wanted = look();
        let whole = std::fs::read(&memory).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&memory, &bytes).unwrap();
            assert!(recall(&memory).is_none(), "byte {at}");
            assert_eq!(look(), wanted);
            assert!(recall(&memory).is_some(), "rewritten");
        }
        std::fs::remove_file(&memory).unwrap();
        std::fs::create_dir(&memory).unwrap();
        assert_eq!(look(), wanted, "what cannot be written is done without");
    }
}
