//! Row by row; backward takes the lengths again and writes over the gradient it is given.

use rayon::prelude::*;
use tensor::{Feature, Tensor};

use crate::inner::inner;

/// Rows shorter than this are divided by it (PyTorch's `normalize`).
const SHORTEST: f64 = 1e-12;

/// Elements, at least, that one task works on.
const CHUNK: usize = 1 << 14;

/// `x / max(|x|, shortest)`, row by row.
pub fn forward<T: Feature>(x: &Tensor, width: usize) -> Tensor {
    let width = width.max(1);
    Tensor::build::<T>(x.shape(), |out| {
        let rows = out.par_chunks_mut(width).zip(x.data::<T>().par_chunks(width));
        rows.with_min_len(CHUNK.div_ceil(width)).for_each(|(out, x)| {
            let scale = 1.0 / inner(x, x).sqrt().max(SHORTEST);
            out.iter_mut().zip(x).for_each(|(out, x)| *out = T::from_f64(scale * x.to_f64()));
        });
    })
}

/// What of the gradient is across the row, over its length: to grow along itself changes nothing.
pub fn backward<T: Feature>(x: &Tensor, gradient: Tensor, width: usize) -> Tensor {
    let width = width.max(1);
    let mut buffer = gradient.into_buffer::<T>();
    let rows =
        buffer.as_mut_slice::<T>().par_chunks_mut(width).zip(x.data::<T>().par_chunks(width));
    rows.with_min_len(CHUNK.div_ceil(width)).for_each(|(gradient, x)| {
        let length = inner(x, x).sqrt();
        let scale = 1.0 / length.max(SHORTEST);
        let along = match length > SHORTEST {
            true => inner(gradient, x) * scale * scale,
            false => 0.0,
        };
        for (g, x) in gradient.iter_mut().zip(x) {
            *g = T::from_f64(scale * (g.to_f64() - along * x.to_f64()));
        }
    });
    Tensor::from_buffer::<T>(buffer, x.shape())
}
