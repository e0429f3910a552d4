//! Label maps: read with every value checked, written on the grid that they were made for.

use std::path::Path;

use ::nifti::writer::WriterOptions;
use ndarray::{ArrayView, IxDyn, ShapeBuilder};

use super::header::Header;
use super::{geometry, read};
use crate::{Error, Result};

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
/// As [`read`], and for the first voxel that is no label.
pub fn read_labels(path: impl AsRef<Path>, highest: u8) -> Result<LabelVolume> {
    let path = path.as_ref();
    let volume = read(path)?;
    let mut labels = Vec::with_capacity(volume.voxels.len());
    for (index, &value) in volume.voxels.iter().enumerate() {
        let label = value.round();
        // A scale slope may leave a whole number a rounding away from one.
        if (value - label).abs() > 1e-3 || !(0.0..=f32::from(highest)).contains(&label) {
            let [i, j, k, _] = volume.header.dims;
            let place = [index % i, index / i % j, index / (i * j) % k].map(|at| at.to_string());
            return Err(Error::file(
                path,
                format!(
                    "voxel ({}) holds {value}; labels here are whole numbers from 0 to {highest}",
                    place.join(", ")
                ),
            ));
        }
        labels.push(label as u8);
    }
    Ok(LabelVolume { labels, header: volume.header })
}

impl LabelVolume {
    /// Labels of one phase, the first axis fastest.
    pub fn phase(&self, phase: usize) -> &[u8] {
        let size = self.header.voxels_per_phase();
        &self.labels[phase * size..(phase + 1) * size]
    }

    /// These labels on the grid of an image. Grids of one shape are taken for the same; otherwise
    /// both files must tell that one grid is the other one moved by whole voxels, and no label may
    /// fall outside the image. Returns what was done where that was not plain.
    ///
    /// # Errors
    /// If the grids do not fit; the line names both.
    pub fn on_grid_of(self, image: &Header) -> std::result::Result<(Self, Option<String>), String> {
        let (own, other) = (self.header.dims, image.dims);
        if own[..3] == other[..3] {
            let moved = shift(&self.header, image).is_none_or(|shift| shift != [0, 0, 0]);
            let both = self.header.affine.is_some() && image.affine.is_some();
            let remark = (both && moved).then(|| {
                "labels and image differ in orientation; voxels are paired as stored".to_string()
            });
            return Ok((self, remark));
        }
        let refuse = |why: &str| {
            format!(
                "labels of {} voxels do not fit the image of {}{why}",
                self.header.shape(),
                image.shape()
            )
        };
        let shift = shift(&self.header, image)
            .ok_or_else(|| refuse(", and the files do not tell how one lies in the other"))?;
        let mut header = image.clone();
        header.dims[3] = own[3];
        let mut labels = vec![0; header.voxels_per_phase() * own[3]];
        for (index, &label) in self.labels.iter().enumerate().filter(|(_, label)| **label != 0) {
            let at = [index % own[0], index / own[0] % own[1], index / (own[0] * own[1]) % own[2]];
            let to: [i64; 3] = std::array::from_fn(|axis| at[axis] as i64 + shift[axis]);
            if (0..3).any(|axis| to[axis] < 0 || to[axis] >= other[axis] as i64) {
                return Err(refuse(": some labels lie outside it"));
            }
            let [i, j, k] = to.map(|at| at as usize);
            let phase = index / self.header.voxels_per_phase();
            labels[((phase * other[2] + k) * other[1] + j) * other[0] + i] = label;
        }
        let remark = format!(
            "labels of {} voxels were moved by {} voxels onto the image of {}",
            self.header.shape(),
            shift.map(|by| by.to_string()).join(", "),
            image.shape()
        );
        Ok((LabelVolume { labels, header }, Some(remark)))
    }
}

/// By how many voxels the origin of `from` lies from that of `to`, if both tell, their axes are the
/// same and the shift is whole.
fn shift(from: &Header, to: &Header) -> Option<[i64; 3]> {
    let (a, b) = (from.affine?, to.affine?);
    let steps = geometry::column_lengths(&b);
    let mut shift = [0; 3];
    for axis in 0..3 {
        let differ = (0..3).any(|row| (a[row][axis] - b[row][axis]).abs() > 0.01 * steps[axis]);
        if differ {
            return None;
        }
        // Columns of a rotation are at right angles, so the shift along one is a projection.
        let along: f64 = (0..3).map(|row| (a[row][3] - b[row][3]) * b[row][axis]).sum();
        let voxels = along / (steps[axis] * steps[axis]);
        if (voxels - voxels.round()).abs() > 0.05 {
            return None;
        }
        shift[axis] = voxels.round() as i64;
    }
    Some(shift)
}

/// Writes a label map as gzipped NIfTI-1 (uint8, no scale slope) on the grid of `source`, whose
/// header is kept: geometry, qform, sform, units, description. The file appears whole or not at all.
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
        return Err(Error::file(
            path,
            format!("{} labels are no whole number of phases of {size} voxels", labels.len()),
        ));
    }
    let mut header = source.raw.clone();
    header.intent_code = INTENT_LABEL;
    (header.intent_p1, header.intent_p2, header.intent_p3) = (0.0, 0.0, 0.0);
    header.intent_name = [0; 16];
    // The image's display range would leave labels black.
    (header.cal_min, header.cal_max) = (0.0, 0.0);
    let [i, j, k, _] = source.dims;
    let mut shape = vec![i, j, k];
    if labels.len() > size {
        shape.push(labels.len() / size);
    }
    let array = ArrayView::from_shape(IxDyn(&shape).f(), labels)
        .map_err(|error| Error::file(path, error.to_string()))?;

    // A folder of its own beside the target: the same file system, and gone whatever happens.
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new()
        .prefix(".labels-")
        .tempdir_in(parent)
        .map_err(|error| Error::io(parent, error))?;
    let unfinished = folder.path().join("labels.nii.gz");
    WriterOptions::new(&unfinished)
        .reference_header(&header)
        .write_nifti(&array)
        .map_err(|error| Error::file(path, format!("cannot be written: {error}")))?;
    std::fs::rename(&unfinished, path).map_err(|error| Error::io(path, error))
}
