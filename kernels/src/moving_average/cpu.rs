//! All parameters cut into chunks of equal length, so that small ones do not wait for large ones.

use rayon::prelude::*;
use tensor::Float;

use super::Pair;

/// Elements that one task updates.
const CHUNK: usize = 1 << 14;

/// Updates every pair; the parts of each are equally long.
pub fn update<T: Float>(pairs: Vec<Pair<T>>, momentum: f64) {
    let (keep, take) = (T::from_f64(momentum), T::from_f64(1.0 - momentum));
    let mut chunks = Vec::new();
    for Pair { average, value } in pairs {
        chunks.extend(average.chunks_mut(CHUNK).zip(value.chunks(CHUNK)));
    }
    chunks.into_par_iter().for_each(|(average, value)| {
        for (average, &value) in average.iter_mut().zip(value) {
            *average = keep * *average + take * value;
        }
    });
}
