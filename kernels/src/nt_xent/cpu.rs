//! Similarities by a matrix product, then one pass over each row of them that leaves their
//! gradient in their place.

use rayon::prelude::*;
use tensor::{Buffer, Tensor};

use super::{NtXent, Positives};
use crate::exponential::{Exponential, softmax_in_place};
use crate::matrix::{Matrix, add_product, product};
use crate::simd::{self, Simd, Vectorised};

/// Lower bound on the norm that a row is divided by (as PyTorch's `cosine_similarity`).
const SHORTEST: f64 = 1e-8;

/// What backward needs.
pub struct Saved {
    rows: usize,
    width: usize,
    temperature: f64,
    /// Features divided by their norms.
    unit: Buffer,
    /// Length of every row of features.
    lengths: Vec<f64>,
    /// Derivatives of the loss with respect to the similarities over the temperature.
    slopes: Buffer,
}

/// The loss, and what its gradient needs.
pub fn forward<T: Exponential>(
    features: &Tensor,
    [rows, width]: [usize; 2],
    positives: &Positives,
    settings: &NtXent,
) -> (f64, Saved) {
    let temperature = settings.temperature;
    let mut unit = Buffer::uninitialised::<T>(rows * width);
    let lengths = normalise(features.data::<T>(), width, unit.as_mut_slice(), rows);
    let mut slopes = Buffer::uninitialised::<T>(rows * rows);
    let matrix = Matrix::new(unit.as_slice::<T>(), rows, width);
    product(matrix, matrix.transposed(), slopes.as_mut_slice::<T>());
    let similarities = slopes.as_mut_slice::<T>().par_chunks_mut(rows).zip(&positives.0);
    let losses: Vec<f64> = similarities
        .enumerate()
        .map(|(row, (similarities, positives))| {
            simd::run(Row { row, similarities, positives, temperature })
        })
        .collect();
    let loss = losses.iter().sum::<f64>() / rows as f64;
    (loss, Saved { rows, width, temperature, unit, lengths, slopes })
}

/// Writes every row divided by its norm; returns the norms.
fn normalise<T: Exponential>(
    features: &[T],
    width: usize,
    unit: &mut [T],
    rows: usize,
) -> Vec<f64> {
    let row = |row: usize| &features[row * width..(row + 1) * width];
    let length = |x: &[T]| x.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>().sqrt();
    let lengths: Vec<f64> = (0..rows).into_par_iter().map(|i| length(row(i))).collect();
    for (i, &length) in lengths.iter().enumerate() {
        let out = &mut unit[i * width..(i + 1) * width];
        for (out, x) in out.iter_mut().zip(row(i)) {
            *out = T::from_f64(x.to_f64() / length.max(SHORTEST));
        }
    }
    lengths
}

/// One row: its similarities are replaced by the derivatives of the loss.
struct Row<'a, T> {
    row: usize,
    similarities: &'a mut [T],
    positives: &'a [usize],
    temperature: f64,
}

impl<T: Exponential> Vectorised<T> for Row<'_, T> {
    /// The loss of the row.
    type Output = f64;

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T>>(self) -> f64 {
        let Row { row, similarities, positives, temperature } = self;
        let (rows, count) = (similarities.len() as f64, positives.len() as f64);
        let sharpen = T::from_f64(1.0 / temperature);
        similarities.iter_mut().for_each(|s| *s = *s * sharpen);
        let of_positives = positives.iter().map(|&j| similarities[j].to_f64()).sum::<f64>() / count;
        similarities[row] = T::from_f64(f64::NEG_INFINITY);
        let log_sum = softmax_in_place(similarities);
        similarities[row] = T::default();
        let share = T::from_f64(1.0 / count);
        positives.iter().for_each(|&j| similarities[j] = similarities[j] - share);
        let mean = T::from_f64(1.0 / rows);
        similarities.iter_mut().for_each(|s| *s = *s * mean);
        log_sum - of_positives
    }
}

/// The gradient with respect to the features. A similarity belongs to two rows, and only what is
/// across a row changes its direction.
pub fn backward<T: Exponential>(saved: Saved, gradient: f64) -> Tensor {
    let Saved { rows, width, temperature, unit, lengths, slopes } = saved;
    let unit = unit.as_slice::<T>();
    let slopes = Matrix::new(slopes.as_slice::<T>(), rows, rows);
    let directions = Matrix::new(unit, rows, width);
    Tensor::build::<T>([rows, width], |out| {
        product(slopes, directions, out);
        add_product(slopes.transposed(), directions, out);
        let factor = gradient / temperature;
        let each = out.chunks_mut(width.max(1)).zip(unit.chunks(width.max(1))).zip(&lengths);
        each.for_each(|((out, unit), &length)| {
            let along = match length > SHORTEST {
                true => out.iter().zip(unit).map(|(g, u)| g.to_f64() * u.to_f64()).sum(),
                false => 0.0,
            };
            let factor = factor / length.max(SHORTEST);
            for (g, u) in out.iter_mut().zip(unit) {
                *g = T::from_f64(factor * (g.to_f64() - along * u.to_f64()));
            }
        });
    })
}
