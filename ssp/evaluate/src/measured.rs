//! What of a frame has a unit.

use super::{SurfaceDistance, surface_distances};
use data::{CLASSES, Label};

/// Distances and volumes of LV, MYO and RV in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Between predicted and true surfaces; none of a structure that either has not.
    pub distances: [Option<SurfaceDistance>; 3],
    /// Predicted volumes, ml.
    pub predicted_ml: [f64; 3],
    /// True volumes, ml.
    pub true_ml: [f64; 3],
}

impl Measured {
    /// Of two label volumes of `size` (slices, rows, columns) with voxels of `spacing` mm along these.
    pub fn of(prediction: &[u8], truth: &[u8], size: [usize; 3], spacing: [f64; 3]) -> Self {
        let millilitres = spacing.iter().product::<f64>() / 1000.0;
        let volumes = |labels: &[u8]| {
            let mut counts = [0u64; CLASSES];
            labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
            Label::STRUCTURES.map(|label| counts[label as usize] as f64 * millilitres)
        };
        Measured {
            distances: surface_distances(prediction, truth, size, spacing),
            predicted_ml: volumes(prediction),
            true_ml: volumes(truth),
        }
    }
}
