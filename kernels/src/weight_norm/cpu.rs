//! Row by row; the gradient of the direction is written over that of the weight.

use rayon::prelude::*;
use tensor::{Float, Tensor};

use crate::inner::inner;

/// Elements, at least, that one task works on.
const CHUNK: usize = 1 << 14;

/// The length of every row of the direction.
pub fn lengths<T: Float>(direction: &Tensor, width: usize) -> Vec<f64> {
    let rows = direction.data::<T>().par_chunks(width).with_min_len(CHUNK.div_ceil(width));
    rows.map(|v| inner(v, v).sqrt()).collect()
}

/// `g v / |v|`.
pub fn forward<T: Float>(
    magnitude: &Tensor,
    direction: &Tensor,
    lengths: &[f64],
    width: usize,
) -> Tensor {
    Tensor::build::<T>(direction.shape(), |out| {
        let rows = out.par_chunks_mut(width).zip(direction.data::<T>().par_chunks(width));
        let rows = rows.zip(magnitude.data::<T>().par_iter().zip(lengths));
        rows.with_min_len(CHUNK.div_ceil(width)).for_each(|((out, v), (g, length))| {
            let scale = g.to_f64() / length;
            out.iter_mut().zip(v).for_each(|(out, v)| *out = T::from_f64(scale * v.to_f64()));
        });
    })
}

/// The component of the gradient along the row: `gradient · v / |v|`.
pub fn of_magnitude<T: Float>(gradient: &Tensor, direction: &Tensor, width: usize) -> Tensor {
    Tensor::build::<T>([direction.dims()[0], 1], |out| {
        let rows = gradient.data::<T>().par_chunks(width).zip(direction.data().par_chunks(width));
        let rows = out.par_iter_mut().zip(rows).with_min_len(CHUNK.div_ceil(width));
        rows.for_each(|(out, (gradient, v))| {
            *out = T::from_f64(inner(gradient, v) / inner(v, v).sqrt());
        });
    })
}

/// The component of the gradient orthogonal to the row, times `g / |v|`.
pub fn of_direction<T: Float>(
    gradient: Tensor,
    magnitude: &Tensor,
    direction: &Tensor,
    width: usize,
) -> Tensor {
    let mut buffer = gradient.into_buffer::<T>();
    let rows = buffer.as_mut_slice::<T>().par_chunks_mut(width);
    let rows = rows.zip(direction.data::<T>().par_chunks(width)).zip(magnitude.data::<T>());
    rows.with_min_len(CHUNK.div_ceil(width)).for_each(|((gradient, v), g)| {
        let square = inner(v, v);
        let (along, scale) = (inner(gradient, v) / square, g.to_f64() / square.sqrt());
        for (gradient, v) in gradient.iter_mut().zip(v) {
            *gradient = T::from_f64(scale * (gradient.to_f64() - along * v.to_f64()));
        }
    });
    Tensor::from_buffer::<T>(buffer, direction.shape())
}
