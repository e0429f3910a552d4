//! The gradient of resampling: the transpose of the linear map.

use rayon::prelude::*;
use tensor::{Float, Tensor};

use super::cpu::{Positions, cubic, nearest_index};
use super::{Filter, Matrix, Padding, Sampling};

/// Adds the gradient of each target pixel to the source pixels that it was sampled from.
pub(super) fn adjoint<T: Float>(
    gradient: &Tensor,
    matrices: &[Matrix],
    source: [usize; 4],
    sampling: Sampling,
) -> Tensor {
    let [_, rows, columns, channels] = source;
    let [_, target_rows, target_columns, _] = gradient.shape().as_array().unwrap_or_default();
    let (pixels, size) = (rows * columns * channels, target_rows * target_columns * channels);
    let data = gradient.data::<T>();
    Tensor::build::<T>(source, |out| {
        out.par_chunks_mut(pixels.max(1)).enumerate().for_each(|(i, out)| {
            out.fill(T::default());
            let gradient = &data[i * size..][..size];
            let matrix = &matrices[i % matrices.len()];
            let target = [target_rows, target_columns];
            let positions = Positions::new(matrix, [rows, columns], target);
            for (pixel, gradient) in gradient.chunks_exact(channels).enumerate() {
                let at = positions.at(pixel / target_columns, pixel % target_columns);
                let [down, along] = [taps(at[0], rows, sampling), taps(at[1], columns, sampling)];
                for &(row, u) in down.iter().flatten() {
                    for &(column, v) in along.iter().flatten() {
                        let tap = &mut out[(row * columns + column) * channels..][..channels];
                        for (sum, &g) in tap.iter_mut().zip(gradient) {
                            *sum += T::from_f64(u * v) * g;
                        }
                    }
                }
            }
        });
    })
}

/// The pixels of one axis that a position reads, and their weights.
fn taps(position: f64, extent: usize, sampling: Sampling) -> [Option<(usize, f64)>; 4] {
    if sampling.filter == Filter::Nearest {
        let pixel = nearest_index(position, extent as f64, sampling.padding);
        return [usize::try_from(pixel).ok().map(|pixel| (pixel, 1.0)), None, None, None];
    }
    let weights = cubic(position - position.floor());
    std::array::from_fn(|k| {
        let pixel = position.floor() + k as f64 - 1.0;
        let last = extent as f64 - 1.0;
        let inside = (0.0..=last).contains(&pixel);
        (inside || sampling.padding == Padding::Border)
            .then(|| (pixel.clamp(0.0, last) as usize, weights[k]))
    })
}
