//! All parameters cut into chunks of equal length, so that small ones do not wait for large ones.

use rayon::prelude::*;
use tensor::Float;

use super::Pair;

/// Elements that one task updates.
const CHUNK: usize = 1 << 14;

/// Updates every pair; the parts of each are equally long.
pub fn update<T: Float>(pairs: Vec<Pair>, momentum: f64) {
    let (keep, take) = (T::from_f64(momentum), T::from_f64(1.0 - momentum));
    let mut chunks = Vec::new();
    for Pair { average, value } in pairs {
        let average = average.as_mut_slice::<T>().chunks_mut(CHUNK);
        chunks.extend(average.zip(value.data::<T>().chunks(CHUNK)));
    }
    chunks.into_par_iter().for_each(|(average, value)| {
        for (average, &value) in average.iter_mut().zip(value) {
            *average = keep * *average + take * value;
        }
    });
}
