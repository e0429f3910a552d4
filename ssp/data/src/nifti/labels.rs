//! Label maps: every value is checked on reading; they are written on the grid of their image.

use std::path::Path;

use ::nifti::writer::WriterOptions;
use ndarray::{ArrayView, IxDyn, ShapeBuilder};

use super::header::Header;
use super::volume::read;
use crate::{Error, Result};
use common::files::unfinished;

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
    let mut labels = Vec::with_capacity(volume.voxels.len());
    for (index, &value) in volume.voxels.iter().enumerate() {
        let label = value.round();
        // A scale slope may move a whole number by a rounding error.
        if (value - label).abs() > 1e-3 || !(0.0..=f32::from(highest)).contains(&label) {
            let [i, j, k, _] = position(index, volume.header.dims);
            return Err(Error::file(
                path,
                format!(
                    "voxel ({i}, {j}, {k}) holds {value}; labels are whole numbers from 0 to {highest}"
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

    /// These labels on the grid of an image, and a note if anything had to be resolved. Grids of one
    /// shape are taken to be the same. Otherwise both affines must be known and differ by a shift of
    /// whole voxels, and every label must fall inside the image.
    ///
    /// # Errors
    /// If the grids do not fit; the line names both.
    pub fn on_grid_of(self, image: &Header) -> std::result::Result<(Self, Option<String>), String> {
        let shift = self.header.geometry.voxel_shift(&image.geometry);
        if self.header.dims[..3] == image.dims[..3] {
            let known = self.header.geometry.affine.is_some() && image.geometry.affine.is_some();
            let note = (known && shift != Some([0, 0, 0])).then(|| {
                "labels and image differ in orientation; voxels are paired as stored".to_string()
            });
            return Ok((self, note));
        }
        let sizes = format!("labels of {} voxels", self.header.shape());
        let refuse = |why| format!("{sizes} do not fit the image of {}{why}", image.shape());
        let shift = shift.ok_or_else(|| {
            refuse(", and their orientations do not say how to move one onto the other")
        })?;
        let moved =
            self.moved(shift, image).ok_or_else(|| refuse(": some labels are outside it"))?;
        let by = shift.map(|by| by.to_string()).join(", ");
        let note = format!("{sizes} were moved by {by} voxels onto the image of {}", image.shape());
        Ok((moved, Some(note)))
    }

    /// Labels moved onto an image's grid; none if one falls outside.
    fn moved(&self, shift: [i64; 3], image: &Header) -> Option<LabelVolume> {
        let mut header = image.clone();
        header.dims[3] = self.header.dims[3];
        let [width, height, depth, phases] = header.dims;
        let mut labels = vec![0; width * height * depth * phases];
        for (index, &label) in self.labels.iter().enumerate().filter(|(_, label)| **label != 0) {
            let [i, j, k, phase] = position(index, self.header.dims);
            let target = |axis: usize, from: usize| {
                let to = usize::try_from(from as i64 + shift[axis]).ok()?;
                (to < image.dims[axis]).then_some(to)
            };
            let (i, j, k) = (target(0, i)?, target(1, j)?, target(2, k)?);
            labels[((phase * depth + k) * height + j) * width + i] = label;
        }
        Some(LabelVolume { labels, header })
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
    unfinished.persist(path).map_err(|refused| Error::io(path, refused.error))?;
    Ok(())
}
