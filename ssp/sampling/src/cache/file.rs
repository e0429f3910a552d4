//! The cache on disk: a header of 64 bytes, the voxels and labels of each subject, and an index.
//!
//! | bytes | header |
//! |---|---|
//! | 0..8 | `CINECACH` |
//! | 8..12 | format version |
//! | 12..16 | `0x01020304` in the byte order of the machine that wrote the file |
//! | 16..24, 24..32 | offset and length of the index, which is JSON and ends the file |
//! | 32..40 | checksum of the index |
//! | 40..48 | checksum of the header so far |
//!
//! The index holds a checksum of each subject's voxels and labels. Voxels and labels are in the machine's byte order, each array aligned to 64 bytes. A file is
//! written under a temporary name, flushed to disk and then renamed, so that a whole one appears
//! at once or not at all.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::Failure;
use super::entry::{ALIGNMENT, Entry, HEADER};
use super::prepare::Prepared;
#[cfg(unix)]
use super::sigbus::Watch;
use crate::{Error, Result};
use common::files::{sync, unfinished};

const MAGIC: &[u8; 8] = b"CINECACH";
const VERSION: u32 = 3;
const BYTE_ORDER: u32 = 0x0102_0304;

/// What the end of the file says about all that comes before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Index {
    /// The key under which the file was built.
    pub key: String,
    /// Subjects, in the order of the sources.
    pub subjects: Vec<Entry>,
    /// Subjects that could not be read.
    pub failures: Vec<Failure>,
    /// Whether reading again would fail in the same way: not after an operating-system error.
    pub settled: bool,
}

/// Maps a file and reads its index.
///
/// # Errors
/// The outer: an operating-system failure. The inner: why the file is not a whole cache of this
/// program, this version and this machine's byte order.
pub(super) fn open(path: &Path) -> std::io::Result<std::result::Result<(Mapped, Index), String>> {
    let file = File::open(path)?;
    // SAFETY: the map stays valid while the file keeps its length. Files of the cache are never
    // changed once they have their name: a new build is renamed over it and leaves this one as is.
    // If another program cuts the file short, reading ends this process; see `sigbus`.
    let map = unsafe { Mmap::map(&file)? };
    #[cfg(unix)]
    let map = Mapped { _watch: Watch::new(&map, path), map };
    #[cfg(not(unix))]
    let map = Mapped { map };
    let index = read_index(&map.map).and_then(|index| {
        let damaged = index.subjects.par_iter().find_any(|subject| !subject.is_whole(&map.map));
        match damaged {
            Some(subject) => Err(format!("has damaged voxels or labels of subject {}", subject.id)),
            None => Ok(index),
        }
    });
    Ok(index.map(|index| (map, index)))
}

/// A mapped file.
pub(super) struct Mapped {
    /// Given up before the map is.
    #[cfg(unix)]
    _watch: Watch,
    pub map: Mmap,
}

fn read_index(bytes: &[u8]) -> std::result::Result<Index, String> {
    let header = bytes.get(..HEADER).ok_or("is too short for a cache")?;
    if &header[..8] != MAGIC {
        return Err("is not a cache".into());
    }
    let word = |at: usize| u64::from_ne_bytes(std::array::from_fn(|i| header[at + i]));
    let half = |at: usize| u32::from_ne_bytes(std::array::from_fn(|i| header[at + i]));
    if half(12) != BYTE_ORDER || half(8) != VERSION {
        return Err("was written by another version, or on another kind of machine".into());
    }
    if word(40) != checksum(&header[..40]) {
        return Err("has a damaged header".into());
    }
    let (start, length) = (word(16), word(24));
    let range = range(start, length, bytes.len()).ok_or("is cut short, or has grown")?;
    let index = &bytes[range];
    if word(32) != checksum(index) {
        return Err("has a damaged index".into());
    }
    let index: Index = serde_json::from_slice(index).map_err(|e| format!("index: {e}"))?;
    match index.subjects.iter().find(|subject| !subject.fits(start)) {
        Some(subject) => Err(format!("has no room for subject {}", subject.id)),
        None => Ok(index),
    }
}

/// The last `length` bytes from `start`, if that is just where the file ends.
fn range(start: u64, length: u64, file: usize) -> Option<Range<usize>> {
    (start.checked_add(length)? == file as u64).then_some(start as usize..file)
}

/// 64 bits of BLAKE3.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    u64::from_le_bytes(std::array::from_fn(|i| hash.as_bytes()[i]))
}

/// Writes a cache under a temporary name.
pub(super) struct Writer {
    /// What the file will be.
    path: PathBuf,
    unfinished: NamedTempFile,
    file: BufWriter<File>,
    position: u64,
}

impl Writer {
    pub(super) fn new(path: &Path) -> Result<Self> {
        let folder = path.parent().unwrap_or(path);
        let begun = unfinished(folder, "").and_then(|file| Ok((file.as_file().try_clone()?, file)));
        let (file, unfinished) = begun.map_err(|e| Error::io(path, e))?;
        let file = BufWriter::with_capacity(1 << 20, file);
        let mut writer = Writer { path: path.into(), unfinished, file, position: 0 };
        writer.write(&[0; HEADER])?;
        Ok(writer)
    }

    /// Appends a subject's voxels and labels, and says where they are.
    pub(super) fn append(&mut self, subject: Prepared) -> Result<Entry> {
        let Prepared { mut entry, voxels, labels } = subject;
        entry.voxels = self.write(voxels.bytes())?;
        for (frame, labels) in entry.frames.iter_mut().zip(&labels) {
            frame.labels = self.write(labels)?;
        }
        Ok(entry)
    }

    /// Appends an array at the next aligned place.
    fn write(&mut self, bytes: &[u8]) -> Result<u64> {
        let start = self.position.next_multiple_of(ALIGNMENT);
        let padding = (start - self.position) as usize;
        let write = |file: &mut BufWriter<File>| {
            file.write_all(&[0; ALIGNMENT as usize][..padding])?;
            file.write_all(bytes)
        };
        write(&mut self.file).map_err(|e| Error::io(&self.path, e))?;
        self.position = start + bytes.len() as u64;
        Ok(start)
    }

    /// Ends the file with its index and begins it with its header; it is on disk when this
    /// returns, still under its temporary name.
    pub(super) fn finish(mut self, index: &Index) -> Result<NamedTempFile> {
        let json = serde_json::to_vec(index).map_err(|e| Error::file(&self.path, e.to_string()))?;
        let start = self.write(&json)?;
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_ne_bytes());
        header.extend_from_slice(&BYTE_ORDER.to_ne_bytes());
        for word in [start, json.len() as u64, checksum(&json)] {
            header.extend_from_slice(&word.to_ne_bytes());
        }
        header.extend_from_slice(&checksum(&header).to_ne_bytes());
        let end = |file: &mut BufWriter<File>| {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&header)?;
            file.flush()
        };
        end(&mut self.file).map_err(|e| Error::io(&self.path, e))?;
        sync(&self.unfinished, &self.path)?;
        Ok(self.unfinished)
    }
}
