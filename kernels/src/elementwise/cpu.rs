//! One pass over memory, split into chunks of fixed length.

use rayon::prelude::*;
use tensor::{Float, Tensor};

/// Elements that one task works on: enough to outweigh handing it out.
const CHUNK: usize = 1 << 14;

/// `f` of every element.
pub fn map<T: Float>(x: &Tensor, f: impl Fn(T) -> T + Sync) -> Tensor {
    Tensor::build::<T>(x.shape(), |out| {
        let pairs = out.par_chunks_mut(CHUNK).zip(x.data::<T>().par_chunks(CHUNK));
        pairs.for_each(|(out, x)| out.iter_mut().zip(x).for_each(|(out, &x)| *out = f(x)));
    })
}

/// `f` of every pair of elements of two tensors of equal shape.
pub fn zip<T: Float>(a: &Tensor, b: &Tensor, f: impl Fn(T, T) -> T + Sync) -> Tensor {
    Tensor::build::<T>(a.shape(), |out| {
        let (a, b) = (a.data::<T>().par_chunks(CHUNK), b.data::<T>().par_chunks(CHUNK));
        out.par_chunks_mut(CHUNK).zip(a).zip(b).for_each(|((out, a), b)| {
            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *out = f(a, b);
            }
        });
    })
}
