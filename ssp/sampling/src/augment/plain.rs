//! Prediction's geometry: slices onto the network's grid, and logits back.

use kernels::resample::{Filter, Padding, Sampling, resample};
use rayon::prelude::*;
use tensor::Tensor;

use super::draw::View;
use super::geometry::{Grid, Placement, sampling_matrix};
use super::view::{Renderer, Slice};
use crate::Result;

/// Slices onto `target` without augmentation: f32 `[slices, rows, columns, 1]`, standardised.
pub fn plain_views(slices: &[Slice], target: &Grid) -> Tensor {
    let [rows, columns] = target.size;
    Tensor::build::<f32>([slices.len(), rows, columns, 1], |images| {
        images.par_chunks_mut((rows * columns).max(1)).zip(slices).for_each_init(
            Renderer::default,
            |renderer, (image, slice)| {
                renderer.load(slice);
                renderer.image(slice, target, &View::PLAIN, image);
            },
        );
    })
}

/// Logits of plain views, `[slices, rows, columns, classes]` of `target`, onto the grid of the
/// slices: bicubic, by the inverse of the map that made the views, the border repeated outside.
///
/// # Errors
/// When `logits` are not of that shape, or a grid has no pixels.
pub fn onto_source(logits: &Tensor, source: &Grid, target: &Grid) -> Result<Tensor> {
    let back = sampling_matrix(source, target, &Placement::PLAIN).inverse()?;
    let sampling = Sampling { filter: Filter::Bicubic, padding: Padding::Border };
    Ok(resample(logits, &[back], source.size, sampling)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Pixels;

    #[test]
    fn a_smooth_slice_survives_the_way_there_and_back() {
        let grid = Grid { size: [60, 48], spacing: [1.4, 1.8] };
        let wave = |i: usize| ((i / 48) as f32 * 0.2).sin() * ((i % 48) as f32 * 0.15).cos();
        let pixels: Vec<f32> = (0..60 * 48).map(wave).collect();
        let slice = Slice {
            pixels: Pixels::Real(&pixels),
            labels: None,
            grid,
            mean_and_deviation: [0.0, 1.0],
            highest: 1.0,
            centre: Some([3.0, 4.0]),
            position: 0.0,
        };
        let target = Grid::square(96, 1.25);
        let views = plain_views(&[slice, slice], &target);
        assert_eq!(views.dims(), [2, 96, 96, 1]);
        let back = onto_source(&views, &grid, &target).unwrap();
        assert_eq!(back.dims(), [2, 60, 48, 1]);
        for image in back.data::<f32>().chunks(60 * 48) {
            for row in 4..56 {
                for column in 4..44 {
                    let i = row * 48 + column;
                    assert!((image[i] - pixels[i]).abs() < 0.02, "{row}, {column}");
                }
            }
        }
    }
}
