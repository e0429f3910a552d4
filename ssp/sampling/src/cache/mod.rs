//! The cache: every slice of every phase of a set of subjects, written once and memory-mapped.
//!
//! Slices are on the source grid, oriented as the readers deliver them. The lowest intensity of
//! each subject's *whole stack* is shifted to 0: the study speaks of "the image", which is the 4D
//! file, and keeps mean and deviation of that same stack; a shift per slice or phase would undo
//! the brightness that they have in relation to each other. Intensities that are then whole
//! numbers up to 65535, as scanners store them, take 16 bits, others 32; nothing is rounded but
//! the shift of others itself.

mod digest;
mod entry;
mod file;
mod fingerprints;
mod key;
mod prepare;
mod resident;
#[cfg(unix)]
mod sigbus;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use kernels::views::{self, Place};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tensor::{Device, Tensor};

use self::entry::{Encoding, Entry, FrameEntry};
use self::file::{Index, Mapped, Writer};
use self::prepare::Prepared;
use self::resident::Resident;
use crate::augment::{Grid, Pixels, Slice};
use crate::{Error, Result};
use common::files::{create_dir_all, persist, remove_abandoned};
use data::{CardiacPhase, Subject};

pub use self::digest::Digests;
pub use self::key::Key;

/// Subjects per thread that are read before any is written: two keep threads busy where subjects
/// differ in size.
const PER_THREAD: usize = 2;

/// What is known of a subject's intensities, over its whole 4D stack.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Mean, after the shift.
    pub mean: f64,
    /// Standard deviation, with n - 1.
    pub deviation: f64,
    /// Lowest intensity as stored in the source: the shift.
    pub lowest: f64,
    /// Highest intensity, after the shift.
    pub highest: f64,
}

/// A subject that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The subject's id.
    pub id: String,
    /// One line.
    pub reason: String,
}

/// A subject as it was read, and what was doubtful about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The subject.
    pub subject: Subject,
    /// One line each.
    pub warnings: Vec<String>,
}

impl From<Subject> for Loaded {
    fn from(subject: Subject) -> Self {
        Loaded { subject, warnings: vec![] }
    }
}

/// A set of subjects, memory-mapped.
pub struct Cache {
    path: PathBuf,
    file: Mapped,
    subjects: Vec<Entry>,
    resident: Resident,
}

impl Cache {
    /// Opens the cache of `key` in `folder`, or builds it from the subjects that `read` reads, one
    /// for each of `ids`, in parallel and with at most two packed subjects per thread in memory.
    /// `progress(done, total)` is called after each.
    ///
    /// A subject that cannot be read is left out and returned among the failures; what to make of
    /// it is the caller's decision. Failures are remembered with the cache, unless an operating
    /// system error was among them, which may pass: then the next call builds again. A file that
    /// is torn, damaged, foreign or of another version is built again as well. Two processes may build
    /// the same cache at once: each writes its own file, and the first to finish gives the name.
    /// Temporary files of processes that were killed are removed from `folder`.
    ///
    /// # Errors
    /// When `folder` or a file in it cannot be made, written or mapped.
    pub fn open_or_build<L: Into<Loaded>>(
        folder: &Path,
        key: &Key,
        ids: &[String],
        read: impl Fn(usize) -> Result<L> + Sync,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<(Self, Vec<Failure>)> {
        let read = |index| read(index).map(Into::into);
        let opened = Self::opened_or_built(folder, key, ids, read, progress);
        opened.map_err(|error| name_the_variable(folder, error))
    }

    fn opened_or_built(
        folder: &Path,
        key: &Key,
        ids: &[String],
        read: impl Fn(usize) -> Result<Loaded> + Sync,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<(Self, Vec<Failure>)> {
        let path = folder.join(key.file_name());
        let warn = |why: &str| tracing::warn!("{} {why}; it is built again", path.display());
        let ignore = |_: &str| {};
        remove_abandoned(folder);
        if let Some((cache, failures, true)) = Self::open(&path, key, &warn)? {
            return Ok((cache, failures));
        }
        create_dir_all(folder)?;
        let built = build(&path, key, ids, read, progress)?;
        key.refuse_changed()?;
        // Another process may have finished meanwhile: its file is in use, and as good.
        if let Ok(Some((cache, failures, true))) = Self::open(&path, key, &ignore) {
            return Ok((cache, failures));
        }
        let persisted = persist(built, &path);
        match Self::open(&path, key, &ignore)? {
            // Windows refuses to replace a file that is mapped: then another process was faster.
            Some((cache, failures, _)) if cfg!(windows) || persisted.is_ok() => {
                Ok((cache, failures))
            }
            _ => {
                persisted?;
                Err(Error::file(
                    &path,
                    "was damaged right after it was written; run the command again, and check the disk if that recurs",
                ))
            }
        }
    }

    /// The cache, its failures and whether they are settled; none if it must be built. `report`
    /// receives what is wrong with the file that is there.
    fn open(
        path: &Path,
        key: &Key,
        report: &dyn Fn(&str),
    ) -> Result<Option<(Self, Vec<Failure>, bool)>> {
        let (file, index) = match file::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path, error)),
            Ok(Err(why)) => {
                report(&why);
                return Ok(None);
            }
            Ok(Ok(found)) => found,
        };
        if index.key != key.as_str() {
            return Ok(None);
        }
        let Index { subjects, failures, settled, .. } = index;
        let resident = Resident::default();
        let cache = Cache { path: path.to_path_buf(), file, subjects, resident };
        Ok(Some((cache, failures, settled)))
    }

    /// The path of the cache file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All bytes of the cache in the memory of a device, copied when first asked for, once for all
    /// samplers; slices lie there where [`CachedSubject::place`] says. None for the host, and none
    /// where the device has not the memory for it and as much again for the network.
    ///
    /// # Errors
    /// When the device fails.
    pub fn resident(&self, device: &Device) -> Result<Option<Tensor>> {
        self.resident.to_device(device, &self.file.map)
    }

    /// Number of subjects.
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether no subject could be read.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// A subject by index, in the order of the ids that the cache was built from.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn subject(&self, index: usize) -> CachedSubject<'_> {
        CachedSubject { entry: &self.subjects[index], bytes: &self.file.map }
    }

    /// All subjects, in order.
    pub fn subjects(&self) -> impl ExactSizeIterator<Item = CachedSubject<'_>> {
        (0..self.len()).map(|index| self.subject(index))
    }

    /// Index of the subject with this id.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.subjects.iter().position(|subject| subject.id == id)
    }
}

/// Users who never chose a folder for caches do not know what to do about one that is full.
fn name_the_variable(folder: &Path, error: Error) -> Error {
    let within = |path: &Path| match (std::path::absolute(path), std::path::absolute(folder)) {
        (Ok(path), Ok(folder)) => path.starts_with(folder),
        _ => false,
    };
    match error {
        Error::Io { path, source } if within(&path) => Error::file(
            path,
            format!(
                "prepared images cannot be kept: {source}; make room, or name another folder with the \
                 environment variable CINE_CACHE"
            ),
        ),
        other => other,
    }
}

/// Reads all subjects, a few at a time, and writes them to a temporary file beside `path` in their order, so
/// that equal sources give equal bytes.
fn build(
    path: &Path,
    key: &Key,
    ids: &[String],
    read: impl Fn(usize) -> Result<Loaded> + Sync,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<tempfile::NamedTempFile> {
    let done = AtomicUsize::new(0);
    let prepare = |index: usize| {
        let prepared = read(index).and_then(Prepared::new);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, ids.len());
        (index, prepared)
    };
    let mut writer = Writer::new(path)?;
    let mut index =
        Index { key: key.as_str().into(), subjects: vec![], failures: vec![], settled: true };
    let indices: Vec<usize> = (0..ids.len()).collect();
    for few in indices.chunks(PER_THREAD * rayon::current_num_threads()) {
        let prepared: Vec<_> = few.par_iter().map(|&index| prepare(index)).collect();
        for (i, outcome) in prepared {
            match outcome {
                Ok(subject) => index.subjects.push(writer.append(subject)?),
                Err(error) => {
                    index.settled &= !matches!(error, Error::Io { .. });
                    index.failures.push(Failure { id: ids[i].clone(), reason: error.to_string() });
                }
            }
        }
    }
    writer.finish(&index)
}

/// A subject of a cache; its slices and labels are read where they lie.
#[derive(Clone, Copy)]
pub struct CachedSubject<'a> {
    entry: &'a Entry,
    bytes: &'a [u8],
}

impl<'a> CachedSubject<'a> {
    /// Unique within its source.
    pub fn id(&self) -> &'a str {
        &self.entry.id
    }

    /// Scanner vendor, if the source names one.
    pub fn vendor(&self) -> Option<&'a str> {
        self.entry.vendor.as_deref()
    }

    /// Diagnosis or group, if the source names one.
    pub fn pathology(&self) -> Option<&'a str> {
        self.entry.pathology.as_deref()
    }

    /// Number of cardiac phases.
    pub fn phases(&self) -> usize {
        self.entry.extents[0]
    }

    /// Number of slices of each phase.
    pub fn slices(&self) -> usize {
        self.entry.extents[1]
    }

    /// Distance between neighbouring rows, columns and slices in millimetres.
    pub fn spacing(&self) -> [f32; 3] {
        self.entry.spacing
    }

    /// Rows and columns of the slices, and their spacing.
    pub fn grid(&self) -> Grid {
        let [_, _, rows, columns] = self.entry.extents;
        let [down, along, _] = self.entry.spacing.map(f64::from);
        Grid { size: [rows, columns], spacing: [down, along] }
    }

    /// What the reader found doubtful about it, one line each.
    pub fn warnings(&self) -> &'a [String] {
        &self.entry.warnings
    }

    /// Digests of what training sees of it.
    pub fn digests(&self) -> &'a Digests {
        &self.entry.digests
    }

    /// Digests of those of its slices that are recognised in another file, whatever the file's name,
    /// kind or padding: rising, each once. Equal slices have equal digests.
    pub fn slice_digests(&self) -> &'a [u64] {
        &self.entry.slices
    }

    /// Intensities over the whole stack.
    pub fn statistics(&self) -> Statistics {
        self.entry.statistics
    }

    /// Centre of the smallest circle around the labels of all frames and slices, (row, column) in
    /// pixels; none for an unlabelled subject.
    pub fn centre(&self) -> Option<[f64; 2]> {
        self.entry.centre
    }

    /// Centre of what moves over the phases, (row, column) in pixels, found without labels by
    /// [`centre_of_motion`](crate::centre_of_motion); none of a single phase, or where
    /// nothing moves.
    pub fn motion_centre(&self) -> Option<[f64; 2]> {
        self.entry.motion_centre
    }

    /// The phases that carry labels, rising, and the moment that each is.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = (usize, CardiacPhase)> + use<'a> {
        self.entry.frames.iter().map(|frame| (frame.phase, moment(frame)))
    }

    /// The labelled phases that training and evaluation use: end-diastole and end-systole; of a
    /// subject that has neither, whatever is labelled.
    pub fn study_frames(&self) -> Vec<(usize, CardiacPhase)> {
        let ends: Vec<_> =
            self.frames().filter(|(_, moment)| *moment != CardiacPhase::Other).collect();
        if ends.is_empty() { self.frames().collect() } else { ends }
    }

    /// Labels of a whole phase, `slices * rows * columns`; none if it carries none.
    pub fn labels(&self, phase: usize) -> Option<&'a [u8]> {
        let frame = self.entry.frames.iter().find(|frame| frame.phase == phase)?;
        Some(self.entry.labels_in(self.bytes, frame))
    }

    /// The position of one slice of one phase in the cache.
    ///
    /// # Panics
    /// When `phase` or `slice` is not below the numbers of either.
    pub fn place(&self, phase: usize, slice: usize) -> Place {
        let [phases, slices, rows, columns] = self.entry.extents;
        assert!(phase < phases && slice < slices, "slice {slice} of phase {phase}");
        let (plane, width) = (rows * columns, self.entry.encoding.bytes());
        let frame = self.entry.frames.iter().find(|frame| frame.phase == phase);
        Place {
            size: [rows, columns],
            encoding: match self.entry.encoding {
                Encoding::Whole => views::Encoding::Whole,
                Encoding::Real => views::Encoding::Real,
            },
            pixels: self.entry.voxels as usize + (phase * slices + slice) * plane * width,
            labels: frame.map(|frame| frame.labels as usize + slice * plane),
        }
    }

    /// One slice of one phase.
    ///
    /// # Panics
    /// When `phase` or `slice` is not below the numbers of either.
    pub fn slice(&self, phase: usize, slice: usize) -> Slice<'a> {
        let place = self.place(phase, slice);
        let plane = place.size[0] * place.size[1];
        let bytes = &self.bytes[place.pixels..][..plane * place.encoding.bytes()];
        let Statistics { mean, deviation, highest, .. } = self.entry.statistics;
        Slice {
            pixels: match place.encoding {
                views::Encoding::Whole => Pixels::Whole(bytemuck::cast_slice(bytes)),
                views::Encoding::Real => Pixels::Real(bytemuck::cast_slice(bytes)),
            },
            labels: place.labels.map(|labels| &self.bytes[labels..][..plane]),
            grid: self.grid(),
            mean_and_deviation: [mean, deviation],
            highest,
            centre: self.entry.centre,
            position: slice as f64 / self.slices() as f64,
        }
    }
}

fn moment(frame: &FrameEntry) -> CardiacPhase {
    let named = [CardiacPhase::EndDiastole, CardiacPhase::EndSystole];
    named.into_iter().find(|m| m.name() == frame.moment).unwrap_or(CardiacPhase::Other)
}

#[cfg(test)]
mod tests;
