//! Gaussian smoothing, separable, both directions in one pass over the image.

use crate::simd::{self, Scalar, Simd, Vectorised};

/// Columns summed together, so that sums stay in registers over all taps.
const LANES: usize = 32;

/// Half the sum of `erf` differences over each pixel's width: a Gaussian of `sigma` pixels,
/// integrated over pixels and cut where `4 sigma` ends. Symmetric, of odd length, not
/// renormalised; `sigma` of 0 is the identity.
pub fn smoothing_kernel(sigma: f64) -> Vec<f64> {
    if sigma <= 0.0 {
        return vec![1.0];
    }
    let tail = ((4.0 * sigma).max(0.5) + 0.5) as i64;
    let t = std::f64::consts::FRAC_1_SQRT_2 / sigma;
    let integral = |u: i64| {
        let u = u as f64;
        0.5 * (libm::erf(t * (u + 0.5)) - libm::erf(t * (u - 0.5)))
    };
    (-tail..=tail).map(|u| integral(u).max(0.0)).collect()
}

/// Smooths an image of `columns` columns with the [`smoothing_kernel`] of `sigma` (rows, columns)
/// in pixels, zeros outside, into `out`; each value becomes `scale * v + offset` on the way.
pub fn blur<T: Scalar>(
    image: &[T],
    columns: usize,
    sigma: [f64; 2],
    [scale, offset]: [T; 2],
    out: &mut [T],
) {
    let kernels =
        sigma.map(|s| smoothing_kernel(s).into_iter().map(T::from_f64).collect::<Vec<T>>());
    simd::run(Blur { image, columns, kernels, scale, offset, out });
}

struct Blur<'a, T> {
    image: &'a [T],
    columns: usize,
    kernels: [Vec<T>; 2],
    scale: T,
    offset: T,
    out: &'a mut [T],
}

impl<T: Scalar> Vectorised<T> for Blur<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T>>(self) {
        let Blur { image, columns, kernels: [down, along], scale, offset, out } = self;
        let rows = image.len() / columns.max(1);
        let (tall, wide) = (down.len() / 2, along.len() / 2);
        // One row smoothed downwards, with zeros to its left and right, and rounded
        // up to whole lanes.
        let mut line = vec![T::default(); columns.next_multiple_of(LANES) + 2 * wide];
        for (row, out) in out.chunks_exact_mut(columns.max(1)).enumerate() {
            let first = row.saturating_sub(tall);
            let last = (row + tall + 1).min(rows);
            let weights = &down[first + tall - row..];
            let source = &image[first * columns..last * columns];
            vertical(source, columns, weights, &mut line[wide..wide + columns]);
            horizontal(&line, &along, [scale, offset], out);
        }
    }
}

/// Weighted sum of the rows of `source`.
#[inline(always)]
fn vertical<T: Scalar>(source: &[T], columns: usize, weights: &[T], out: &mut [T]) {
    for (block, out) in out.chunks_mut(LANES).enumerate() {
        let start = block * LANES;
        let mut sums = [T::default(); LANES];
        for (row, &weight) in source.chunks_exact(columns).zip(weights) {
            let row = &row[start..start + out.len()];
            match row.as_array::<LANES>() {
                Some(row) => accumulate(&mut sums, weight, row),
                None => {
                    for (sum, &value) in sums.iter_mut().zip(row) {
                        *sum += weight * value;
                    }
                }
            }
        }
        out.copy_from_slice(&sums[..out.len()]);
    }
}

/// Weighted sum of shifts of `line`.
#[inline(always)]
fn horizontal<T: Scalar>(line: &[T], weights: &[T], [scale, offset]: [T; 2], out: &mut [T]) {
    for (block, out) in out.chunks_mut(LANES).enumerate() {
        let mut sums = [T::default(); LANES];
        for (k, &weight) in weights.iter().enumerate() {
            if let Some(shifted) = line[block * LANES + k..].first_chunk::<LANES>() {
                accumulate(&mut sums, weight, shifted);
            }
        }
        for (out, &sum) in out.iter_mut().zip(&sums) {
            *out = scale * sum + offset;
        }
    }
}

#[inline(always)]
fn accumulate<T: Scalar>(sums: &mut [T; LANES], weight: T, values: &[T; LANES]) {
    for i in 0..LANES {
        sums[i] += weight * values[i];
    }
}
