//! Sums in float64 over chunks of fixed length, then over chunks in order.

use rayon::prelude::*;
use tensor::Feature;

/// Elements that one task sums.
const CHUNK: usize = 1 << 14;

/// Sums kept side by side, so that additions do not wait for each other.
const LANES: usize = 16;

/// The sum of all values.
pub fn sum<T: Feature>(values: &[T]) -> f64 {
    let partial: Vec<f64> = values.par_chunks(CHUNK).map(sum_of_chunk).collect();
    partial.iter().sum()
}

pub fn sum_of_chunk<T: Feature>(values: &[T]) -> f64 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for values in whole {
        sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += x.to_f64());
    }
    sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += x.to_f64());
    sums.iter().sum()
}
