//! Rows one by one, each vectorised.

use rayon::prelude::*;
use tensor::Tensor;

use crate::exponential::{Exponential, softmax_in_place};
use crate::simd::{self, Simd, Vectorised};

/// Elements, at least, that one task works on.
const CHUNK: usize = 1 << 14;

/// The softmax of every row.
pub fn forward<T: Exponential>(x: &Tensor) -> Tensor {
    let width = x.shape().last();
    let chunk = CHUNK.next_multiple_of(width);
    Tensor::build::<T>(x.shape(), |out| {
        let pairs = out.par_chunks_mut(chunk).zip(x.data::<T>().par_chunks(chunk));
        pairs.for_each(|(out, x)| {
            out.copy_from_slice(x);
            simd::run(Rows { rows: out, width });
        });
    })
}

/// `p (g - Σ p g)`, row by row, the probabilities `p` computed again.
pub fn backward<T: Exponential>(x: &Tensor, gradient: Tensor) -> Tensor {
    let width = x.shape().last();
    let mut out = forward::<T>(x).into_buffer::<T>();
    let pairs = out.as_mut_slice::<T>().par_chunks_mut(width);
    pairs.zip(gradient.data::<T>().par_chunks(width)).with_min_len(CHUNK / width + 1).for_each(
        |(p, g)| {
            let inner: T = p.iter().zip(g).map(|(&p, &g)| p * g).sum();
            p.iter_mut().zip(g).for_each(|(p, &g)| *p = *p * (g - inner));
        },
    );
    Tensor::from_buffer::<T>(out, x.shape())
}

struct Rows<'a, T> {
    rows: &'a mut [T],
    width: usize,
}

impl<T: Exponential> Vectorised<T> for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T>>(self) {
        for row in self.rows.chunks_exact_mut(self.width) {
            softmax_in_place(row);
        }
    }
}
