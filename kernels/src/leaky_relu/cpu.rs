//! One pass over memory each way; backward writes over the gradient it is given.

use rayon::prelude::*;
use tensor::{Float, Tensor};

/// Elements that one task works on.
const CHUNK: usize = 1 << 14;

/// `x` or `slope * x`.
pub fn forward<T: Float>(x: &Tensor, slope: f64) -> Tensor {
    let slope = T::from_f64(slope);
    Tensor::build::<T>(x.shape(), |out| {
        let pairs = out.par_chunks_mut(CHUNK).zip(x.data::<T>().par_chunks(CHUNK));
        pairs.for_each(|(out, x)| {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = if x > T::default() { x } else { slope * x };
            }
        });
    })
}

/// `gradient` or `slope * gradient`, by the sign of `x`.
pub fn backward<T: Float>(x: &Tensor, gradient: Tensor, slope: f64) -> Tensor {
    let slope = T::from_f64(slope);
    let mut buffer = gradient.into_buffer::<T>();
    let pairs =
        buffer.as_mut_slice::<T>().par_chunks_mut(CHUNK).zip(x.data::<T>().par_chunks(CHUNK));
    pairs.for_each(|(gradient, x)| {
        for (gradient, &x) in gradient.iter_mut().zip(x) {
            *gradient = if x > T::default() { *gradient } else { slope * *gradient };
        }
    });
    Tensor::from_buffer::<T>(buffer, x.shape())
}
