//! Label maps: every value is checked on reading; they are written on the grid of their image.

use std::path::Path;

use ::nifti::writer::WriterOptions;
use ndarray::{ArrayView, IxDyn, ShapeBuilder};

use super::alignment::Alignment;
use super::header::Header;
use super::volume::read;
use super::voxels::reserved;
use crate::{Error, Result};
use common::files::{persist, sync, unfinished};

/// `NIFTI_INTENT_LABEL`: voxels are indices of labels.
const INTENT_LABEL: i16 = 1002;

/// A label map as stored.
#[derive(Clone, Debug)]
pub struct LabelVolume {
    /// `i * j * k * phases` labels in the file's numbering, the first axis fastest.
    pub labels: Vec<u8>,
    /// Shape, spacing and orientation.
    pub header: Header,
}

/// Reads a label map, and checks that every voxel is a whole number from 0 to `highest`.
///
/// # Errors
/// As [`read`], and for the first voxel that is not a label.
pub fn read_labels(path: impl AsRef<Path>, highest: u8) -> Result<LabelVolume> {
    let path = path.as_ref();
    let volume = read(path)?;
    let mut labels = reserved(volume.voxels.len()).map_err(|what| Error::file(path, what))?;
    for (index, &value) in volume.voxels.iter().enumerate() {
        let label = value.round();
        // A scale slope may move a whole number by a rounding error.
        if (value - label).abs() > 1e-3 || !(0.0..=f32::from(highest)).contains(&label) {
            let [i, j, k, _] = position(index, volume.header.dims);
            return Err(Error::file(
                path,
                format!(
                    "voxel ({i}, {j}, {k}) holds {value}; labels are whole numbers from 0 to {highest} (1 LV, \
                     2 myocardium, 3 RV, or 1 RV and 3 LV as in ACDC); renumber others, and give labels \
                     instead of probabilities"
                ),
            ));
        }
        labels.push(label as u8);
    }
    Ok(LabelVolume { labels, header: volume.header })
}

/// The indices i, j, k and the phase of a voxel.
fn position(index: usize, [i, j, k, phases]: [usize; 4]) -> [usize; 4] {
    [index % i, index / i % j, index / (i * j) % k, index / (i * j * k) % phases]
}

impl LabelVolume {
    /// Labels of one phase, the first axis fastest.
    pub fn phase(&self, phase: usize) -> &[u8] {
        let size = self.header.voxels_per_phase();
        &self.labels[phase * size..(phase + 1) * size]
    }

    /// These labels on the grid of another file, and how the two grids were aligned; see [`Alignment`].
    /// `names` are those of the two files in messages.
    ///
    /// # Errors
    /// If the grids cannot be reconciled, or a label falls outside; the line names both.
    pub fn on_grid_of(
        mut self,
        other: &Header,
        names: [&str; 2],
    ) -> std::result::Result<(Self, Alignment), String> {
        let mut alignment = Alignment::of(&self.header, other, names)?;
        if alignment.is_identity() {
            return Ok((self, alignment));
        }
        self.labels = alignment.apply(&self.labels).ok_or_else(|| {
            format!(
                "some {} of {} voxels are outside the {} of {}",
                names[0],
                self.header.shape(),
                names[1],
                other.shape()
            )
        })?;
        alignment.diagnostics.notes.extend(alignment.describe(names[0]));
        let phases = self.header.dims[3];
        self.header = other.clone();
        self.header.dims[3] = phases;
        Ok((self, alignment))
    }
}

/// Writes a label map as gzipped NIfTI-1 (uint8, no scale slope) on the grid of `source`, whose
/// header is kept: geometry, qform, sform, units, description. The file is renamed into place when
/// it is complete.
///
/// `labels` holds one or more phases of `source`'s grid, the first axis fastest; `path` ends in
/// `.nii.gz`.
///
/// # Errors
/// If `labels` is not a whole number of phases, or the file cannot be written.
pub fn write_labels(path: impl AsRef<Path>, source: &Header, labels: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let size = source.voxels_per_phase();
    if labels.is_empty() || !labels.len().is_multiple_of(size) {
        let count = labels.len();
        let what = format!("{count} labels are not a whole number of phases of {size} voxels");
        return Err(Error::file(path, what));
    }
    let mut header = source.raw.clone();
    header.intent_code = INTENT_LABEL;
    (header.intent_p1, header.intent_p2, header.intent_p3) = (0.0, 0.0, 0.0);
    header.intent_name = [0; 16];
    // With the image's display range, viewers would show labels in black.
    (header.cal_min, header.cal_max) = (0.0, 0.0);
    let [i, j, k, _] = source.dims;
    let mut shape = vec![i, j, k];
    if labels.len() > size {
        shape.push(labels.len() / size);
    }
    let array = ArrayView::from_shape(IxDyn(&shape).f(), labels)
        .map_err(|error| Error::file(path, error.to_string()))?;

    // Beside the target, on the same file system; removed on any failure.
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = unfinished(parent, ".nii.gz").map_err(|error| Error::io(parent, error))?;
    WriterOptions::new(unfinished.path())
        .reference_header(&header)
        .write_nifti(&array)
        .map_err(|error| Error::file(path, format!("cannot be written: {error}")))?;
    sync(&unfinished, path)?;
    persist(unfinished, path)
}
