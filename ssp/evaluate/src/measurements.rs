//! Measurements of a frame in physical units.

use super::{SurfaceDistance, surface_distances};
use data::{CLASSES, Label};

/// Surface distances and volumes of LV, myocardium (MYO) and RV in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameMeasurements {
    /// Distances between predicted and true surfaces; none for a structure that is missing in either.
    pub distances: [Option<SurfaceDistance>; 3],
    /// Predicted volumes, ml.
    pub predicted_ml: [f64; 3],
    /// True volumes, ml.
    pub true_ml: [f64; 3],
}

impl FrameMeasurements {
    /// Measures two label volumes of `size` (slices, rows, columns) with voxels of `spacing` mm along these
    /// axes. A volume is the number of voxels times that of a voxel.
    pub fn of(prediction: &[u8], ground_truth: &[u8], size: [usize; 3], spacing: [f64; 3]) -> Self {
        let millilitres = spacing.iter().product::<f64>() / 1000.0;
        let volumes = |labels: &[u8]| {
            let mut counts = [0u64; CLASSES];
            labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
            Label::STRUCTURES.map(|label| counts[label as usize] as f64 * millilitres)
        };
        FrameMeasurements {
            distances: surface_distances(prediction, ground_truth, size, spacing),
            predicted_ml: volumes(prediction),
            true_ml: volumes(ground_truth),
        }
    }
}
