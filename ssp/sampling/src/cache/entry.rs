//! What the index of a cache file says of each subject.

use serde::{Deserialize, Serialize};

use super::Statistics;
use super::digest::Digests;

/// Bytes of the header, before the first array.
pub(super) const HEADER: usize = 64;
/// Arrays start at multiples of this many bytes.
pub(super) const ALIGNMENT: u64 = 64;

/// A subject in the index of a cache file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub id: String,
    pub vendor: Option<String>,
    pub pathology: Option<String>,
    /// Phases, slices, rows, columns.
    pub extents: [usize; 4],
    pub spacing: [f32; 3],
    pub centre: Option<[f64; 2]>,
    pub motion_centre: Option<[f64; 2]>,
    pub statistics: Statistics,
    pub encoding: Encoding,
    /// Offset of the voxels in the file, in bytes.
    pub voxels: u64,
    pub frames: Vec<FrameEntry>,
    /// Of voxels and labels; they serve as checksums, too.
    pub digests: Digests,
    /// Digests of slices, by which copies under other names are found.
    pub slices: Vec<u64>,
    /// What the reader found doubtful.
    pub warnings: Vec<String>,
}

/// How voxels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encoding {
    /// `u16`: all intensities are whole numbers.
    Whole,
    /// `f32`.
    Real,
}

impl Encoding {
    pub fn bytes(self) -> usize {
        match self {
            Encoding::Whole => size_of::<u16>(),
            Encoding::Real => size_of::<f32>(),
        }
    }
}

/// A labelled phase in the index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FrameEntry {
    pub phase: usize,
    /// `ED`, `ES` or `-`.
    pub moment: String,
    /// Offset of the labels in the file, in bytes.
    pub labels: u64,
}

impl Entry {
    /// The bytes of the voxels in a file that they [fit](Self::fits) into.
    pub fn voxels_in<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        &file[self.voxels as usize..][..self.extents[0] * self.volume() * self.encoding.bytes()]
    }

    /// The labels of a frame in a file that they [fit](Self::fits) into.
    pub fn labels_in<'a>(&self, file: &'a [u8], frame: &FrameEntry) -> &'a [u8] {
        &file[frame.labels as usize..][..self.volume()]
    }

    /// Whether voxels and labels are those that were written.
    pub fn is_whole(&self, file: &[u8]) -> bool {
        let labels = self.frames.iter().map(|frame| self.labels_in(file, frame));
        Digests::of(self, self.voxels_in(file), labels) == self.digests
    }

    /// The number of voxels of one phase.
    pub fn volume(&self) -> usize {
        self.extents[1..].iter().product()
    }

    /// Whether all arrays are within the first `end` bytes, so that no later read can fail.
    pub fn fits(&self, end: u64) -> bool {
        let inside = |start: u64, extents: &[usize], bytes: usize| {
            let length = extents.iter().try_fold(bytes as u64, |n, &e| n.checked_mul(e as u64));
            let stop = length.and_then(|length| length.checked_add(start));
            start.is_multiple_of(ALIGNMENT)
                && start >= HEADER as u64
                && stop.is_some_and(|stop| stop <= end)
        };
        let frame = |frame: &FrameEntry| {
            frame.phase < self.extents[0] && inside(frame.labels, &self.extents[1..], 1)
        };
        inside(self.voxels, &self.extents, self.encoding.bytes()) && self.frames.iter().all(frame)
    }
}
