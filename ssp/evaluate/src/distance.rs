//! Distances between the surfaces of a predicted and a true structure, in millimetres.
//!
//! The surface of a structure consists of its voxels with at least one of the six face neighbours outside the
//! structure or the volume. Let d(a, B) be the distance from the centre of voxel a to the nearest voxel centre of
//! the surface B.
//!
//! - HD95 is the larger of the 95th percentiles of d(p, T) and d(t, P) over the voxels p of the predicted surface
//!   P and t of the true surface T, with linear interpolation (Maier-Hein et al., *Nature Methods* 21, 2024).
//! - ASSD is the mean of all d(p, T) and d(t, P).
//!
//! The definitions are those of MONAI's `compute_hausdorff_distance(percentile=95)` and
//! `compute_average_surface_distance(symmetric=True)`. Slices are about 10 mm apart, so one slice too many or too
//! few at base or apex gives a distance of about that.

use super::quantile;
use data::Label;

/// Distances between the predicted and the true surface of a structure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurfaceDistance {
    /// 95th percentile of the Hausdorff distance, mm.
    pub hd95: f64,
    /// Average symmetric surface distance, mm.
    pub assd: f64,
}

/// Distances of LV, MYO and RV between two label volumes of `size` (slices, rows, columns) with voxels of
/// `spacing` mm along these axes; none for a structure that is missing in either.
pub fn surface_distances(
    prediction: &[u8],
    ground_truth: &[u8],
    size: [usize; 3],
    spacing: [f64; 3],
) -> [Option<SurfaceDistance>; 3] {
    Label::STRUCTURES.map(|label| {
        let surfaces = [prediction, ground_truth].map(|labels| surface(labels, label as u8, size));
        distance(&surfaces, spacing)
    })
}

/// Indices of the surface voxels of a structure.
fn surface(labels: &[u8], label: u8, [slices, rows, columns]: [usize; 3]) -> Vec<[usize; 3]> {
    let within = |slice: usize, row: usize, column: usize| {
        let inside = slice < slices && row < rows && column < columns;
        inside && labels[(slice * rows + row) * columns + column] == label
    };
    let mut found = Vec::new();
    for slice in 0..slices {
        for row in 0..rows {
            for column in 0..columns {
                if !within(slice, row, column) {
                    continue;
                }
                // An index below 0 wraps around, and is outside too.
                let neighbours = |by: usize| {
                    within(slice.wrapping_add(by), row, column)
                        && within(slice, row.wrapping_add(by), column)
                        && within(slice, row, column.wrapping_add(by))
                };
                if !(neighbours(1) && neighbours(usize::MAX)) {
                    found.push([slice, row, column]);
                }
            }
        }
    }
    found
}

fn distance(surfaces: &[Vec<[usize; 3]>; 2], spacing: [f64; 3]) -> Option<SurfaceDistance> {
    let [predicted, ground_truth] = surfaces;
    if predicted.is_empty() || ground_truth.is_empty() {
        return None;
    }
    let (mut from, mut to) = ([usize::MAX; 3], [0; 3]);
    for voxel in surfaces.iter().flatten() {
        from = std::array::from_fn(|axis| from[axis].min(voxel[axis]));
        to = std::array::from_fn(|axis| to[axis].max(voxel[axis] + 1));
    }
    let bounds = BoundingBox { from, size: std::array::from_fn(|axis| to[axis] - from[axis]) };
    let mut all = Vec::with_capacity(predicted.len() + ground_truth.len());
    let mut hd95 = 0.0f64;
    for (ones, others) in [(predicted, ground_truth), (ground_truth, predicted)] {
        let nearest = bounds.squared_distances(others, spacing);
        let mut directed: Vec<f64> =
            ones.iter().map(|&voxel| nearest[bounds.index(voxel)].sqrt()).collect();
        directed.sort_by(f64::total_cmp);
        hd95 = hd95.max(quantile(&directed, 0.95));
        all.extend(directed);
    }
    Some(SurfaceDistance { hd95, assd: all.iter().sum::<f64>() / all.len() as f64 })
}

/// The bounding box of both surfaces.
struct BoundingBox {
    from: [usize; 3],
    size: [usize; 3],
}

impl BoundingBox {
    fn index(&self, voxel: [usize; 3]) -> usize {
        let [slice, row, column] = std::array::from_fn(|axis| voxel[axis] - self.from[axis]);
        (slice * self.size[1] + row) * self.size[2] + column
    }

    /// The exact squared distance of every voxel of the box to the nearest of `voxels`, by lower envelopes of
    /// parabolas, axis by axis (Felzenszwalb and Huttenlocher, *Theory of Computing* 8, 2012).
    fn squared_distances(&self, voxels: &[[usize; 3]], spacing: [f64; 3]) -> Vec<f64> {
        let mut squared = vec![f64::INFINITY; self.size.iter().product()];
        voxels.iter().for_each(|&voxel| squared[self.index(voxel)] = 0.0);
        let mut envelope = Envelope::default();
        for axis in (0..3).rev() {
            let stride: usize = self.size[axis + 1..].iter().product();
            let length = self.size[axis];
            for start in 0..squared.len() {
                if (start / stride).is_multiple_of(length) {
                    envelope.line(&mut squared, start, stride, length, spacing[axis]);
                }
            }
        }
        squared
    }
}

/// The lower envelope of parabolas along a line: centre and height of each, and where it starts to be the lowest.
#[derive(Default)]
struct Envelope {
    parabolas: Vec<(f64, f64)>,
    starts: Vec<f64>,
}

impl Envelope {
    /// Replaces each value f(p) of a line by the lowest f(q) + (p - q)², q over the line.
    fn line(&mut self, all: &mut [f64], start: usize, stride: usize, length: usize, spacing: f64) {
        self.parabolas.clear();
        self.starts.clear();
        for step in 0..length {
            let (at, height) = (step as f64 * spacing, all[start + step * stride]);
            if height.is_infinite() {
                continue;
            }
            let mut begin = f64::NEG_INFINITY;
            while let Some(&(before, low)) = self.parabolas.last() {
                let meets = (height + at * at - low - before * before) / (2.0 * (at - before));
                if meets > *self.starts.last().unwrap_or(&f64::NEG_INFINITY) {
                    begin = meets;
                    break;
                }
                self.parabolas.pop();
                self.starts.pop();
            }
            self.parabolas.push((at, height));
            self.starts.push(begin);
        }
        let mut lowest = 0;
        if self.parabolas.is_empty() {
            return;
        }
        for step in 0..length {
            let at = step as f64 * spacing;
            while self.starts.get(lowest + 1).is_some_and(|&begin| begin <= at) {
                lowest += 1;
            }
            let (centre, height) = self.parabolas[lowest];
            all[start + step * stride] = height + (at - centre) * (at - centre);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 3] = [6, 14, 12];
    const SPACING: [f64; 3] = [8.0, 1.5, 1.25];

    /// Ellipsoids: a cavity in its wall, and another cavity next to it, shifted by some pixels.
    fn heart(shift: f64) -> Vec<u8> {
        let mut labels = Vec::new();
        for place in 0..SIZE.iter().product() {
            let [z, y, x] = [place / 168, place / 12 % 14, place % 12].map(|at| at as f64);
            let inside = |[cy, cx]: [f64; 2], [rz, ry, rx]: [f64; 3]| {
                ((z - 2.5) / rz).powi(2) + ((y - cy) / ry).powi(2) + ((x - cx) / rx).powi(2) <= 1.0
            };
            labels.push(if inside([6.0, 9.5 + shift], [1.6, 3.1, 1.7]) {
                3
            } else if inside([6.0 + shift, 4.5], [2.1, 3.1, 2.2]) {
                1
            } else {
                2 * u8::from(inside([6.0 + shift, 4.5], [2.6, 4.6, 3.6]))
            });
        }
        labels
    }

    /// By numpy 2.4.6 and scipy 1.17.1: `mask ^ binary_erosion(mask)`, `distance_transform_edt` with
    /// `sampling`, `percentile`.
    #[test]
    fn agrees_with_scipy() {
        let (mut prediction, ground_truth) = (heart(1.0), heart(0.0));
        prediction[..14 * 12].fill(0);
        let found = surface_distances(&prediction, &ground_truth, SIZE, SPACING);
        let wanted = [
            (1.5, 0.5384615384615384),
            (2.489560105552567, 0.7429221490232926),
            (1.25, 0.4166666666666667),
        ];
        for (found, (hd95, assd)) in found.into_iter().zip(wanted) {
            let found = found.unwrap();
            assert!((found.hd95 - hd95).abs() < 1e-12, "{found:?}, and not {hd95}");
            assert!((found.assd - assd).abs() < 1e-12, "{found:?}, and not {assd}");
        }
    }

    /// Every voxel against every other.
    #[test]
    fn nearest_voxels_are_found() {
        let labels = heart(0.0);
        let places = surface(&labels, 2, SIZE);
        let whole = BoundingBox { from: [0; 3], size: SIZE };
        let found = whole.squared_distances(&places, SPACING);
        for (index, found) in found.into_iter().enumerate() {
            let at = [index / 168, index / 12 % 14, index % 12];
            let squared = |place: &[usize; 3]| -> f64 {
                let along = |axis: usize| (at[axis] as f64 - place[axis] as f64) * SPACING[axis];
                (0..3).map(|axis| along(axis).powi(2)).sum()
            };
            let nearest = places.iter().map(squared).fold(f64::INFINITY, f64::min);
            assert!((found - nearest).abs() < 1e-9 * nearest.max(1.0), "{found} and {nearest}");
        }
    }

    #[test]
    fn equal_volumes_have_distance_0_and_missing_structures_none() {
        let ground_truth = heart(0.0);
        let same = surface_distances(&ground_truth, &ground_truth, SIZE, SPACING);
        assert_eq!(same, [Some(SurfaceDistance { hd95: 0.0, assd: 0.0 }); 3]);
        let none = surface_distances(&vec![0; ground_truth.len()], &ground_truth, SIZE, SPACING);
        assert_eq!(none, [None; 3]);
    }
}
