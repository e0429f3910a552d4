//! A subject made ready for the cache: checked, shifted, packed.

use super::digest::{self, Digests};
use super::entry::{Encoding, Entry, FrameEntry};
use super::{Loaded, Statistics};
use crate::augment::enclosing_circle;
use crate::centre_of_motion;
use crate::{Error, Result};
use data::{CLASSES, Stack, Subject};

/// A subject as it will be written.
pub(super) struct Prepared {
    /// Its place in the file is not known yet.
    pub entry: Entry,
    pub voxels: Voxels,
    /// One array for each of the entry's frames.
    pub labels: Vec<Vec<u8>>,
}

/// Shifted intensities.
pub(super) enum Voxels {
    Whole(Vec<u16>),
    Real(Vec<f32>),
}

impl Voxels {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Voxels::Whole(voxels) => bytemuck::cast_slice(voxels),
            Voxels::Real(voxels) => bytemuck::cast_slice(voxels),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Voxels::Whole(_) => Encoding::Whole,
            Voxels::Real(_) => Encoding::Real,
        }
    }
}

impl Prepared {
    /// Checks a subject and packs it.
    ///
    /// # Errors
    /// Says what about the subject makes no sense.
    pub(super) fn new(loaded: Loaded) -> Result<Self> {
        let Loaded { subject, warnings } = loaded;
        check(&subject).map_err(Error::Data)?;
        let Subject { id, stack, mut frames, vendor, pathology } = subject;
        frames.sort_by_key(|frame| frame.phase);
        let (rows, columns) = (stack.rows, stack.columns);
        let all: Vec<u8> = frames.iter().flat_map(|frame| &frame.labels).copied().collect();
        let centre = enclosing_circle(&all, [rows, columns]).map(|circle| circle.centre);
        drop(all);
        let motion_centre = centre_of_motion(&stack);
        let extents = [stack.phases, stack.slices, rows, columns];
        let spacing = stack.spacing;
        let slices = digest::slices(&stack);
        let (voxels, statistics) = shift(stack.voxels);
        if statistics.highest <= 0.0 {
            let what = format!("every voxel has the same intensity, {}", statistics.lowest);
            return Err(Error::Data(what));
        }
        let mut entry = Entry {
            id,
            vendor,
            pathology,
            extents,
            spacing,
            centre,
            motion_centre,
            statistics,
            encoding: voxels.encoding(),
            voxels: 0,
            frames: frames
                .iter()
                .map(|frame| FrameEntry {
                    phase: frame.phase,
                    moment: frame.cardiac_phase.name().into(),
                    labels: 0,
                })
                .collect(),
            digests: Digests::default(),
            slices,
            warnings,
        };
        let labels: Vec<_> = frames.into_iter().map(|frame| frame.labels).collect();
        entry.digests = Digests::of(&entry, voxels.bytes(), labels.iter().map(Vec::as_slice));
        Ok(Prepared { entry, voxels, labels })
    }
}

/// Whether arrays have the lengths that the extents say, and values that mean something.
fn check(subject: &Subject) -> std::result::Result<(), String> {
    let Stack { voxels, phases, slices, rows, columns, spacing } = &subject.stack;
    let volume = slices * rows * columns;
    let extents = format!("{phases} phases of {slices} slices of {rows} x {columns}");
    if voxels.len() != phases * volume || voxels.is_empty() {
        return Err(format!("{} voxels, which are not {extents}", voxels.len()));
    }
    if let Some(wrong) = spacing.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
        return Err(format!("a spacing of {wrong} mm; takes a number above 0"));
    }
    if let Some(wrong) = voxels.iter().find(|v| !v.is_finite()) {
        return Err(format!("an intensity of {wrong}; takes finite numbers"));
    }
    for (i, frame) in subject.frames.iter().enumerate() {
        let phase = frame.phase;
        if phase >= *phases || subject.frames[..i].iter().any(|other| other.phase == phase) {
            return Err(format!("labels of phase {phase}, which is taken or not of {extents}"));
        }
        if frame.labels.len() != volume {
            return Err(format!("{} labels of phase {phase} of {extents}", frame.labels.len()));
        }
        if let Some(wrong) = frame.labels.iter().find(|&&label| usize::from(label) >= CLASSES) {
            return Err(format!("a label {wrong} in phase {phase}; takes 0 to {}", CLASSES - 1));
        }
    }
    Ok(())
}

/// Shifts the lowest intensity of the whole stack to 0 and packs the rest; the statistics are of
/// the shifted intensities.
fn shift(mut voxels: Vec<f32>) -> (Voxels, Statistics) {
    let lowest = voxels.iter().copied().fold(f32::INFINITY, f32::min);
    voxels.iter_mut().for_each(|v| *v -= lowest);
    let highest = voxels.iter().copied().fold(0.0, f32::max);
    let count = voxels.len() as f64;
    let mean = voxels.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let squares = voxels.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>();
    let statistics = Statistics {
        mean,
        deviation: (squares / (count - 1.0).max(1.0)).sqrt(),
        lowest: lowest.into(),
        highest: highest.into(),
    };
    let whole = highest <= f32::from(u16::MAX) && voxels.iter().all(|v| v.fract() == 0.0);
    if whole {
        return (Voxels::Whole(voxels.iter().map(|&v| v as u16).collect()), statistics);
    }
    (Voxels::Real(voxels), statistics)
}
