//! Copies of channel ranges.

use rayon::prelude::*;
use tensor::{Float, Shape, Tensor};

/// Pixels that one task copies.
const PIXELS: usize = 1 << 11;

/// The parts side by side.
pub fn join<T: Float>(parts: &[&Tensor], widths: &[usize], shape: Shape) -> Tensor {
    let parts: Vec<&[T]> = parts.iter().map(|part| part.data()).collect();
    let width = shape.last();
    Tensor::build::<T>(shape, |out| {
        if out.is_empty() {
            return;
        }
        out.par_chunks_mut(PIXELS * width).enumerate().for_each(|(chunk, out)| {
            for (pixel, mut out) in (chunk * PIXELS..).zip(out.chunks_exact_mut(width)) {
                for (part, &width) in parts.iter().zip(widths) {
                    let (here, rest) = out.split_at_mut(width);
                    here.copy_from_slice(&part[pixel * width..(pixel + 1) * width]);
                    out = rest;
                }
            }
        });
    })
}

/// The channels from `start` on, as many as `shape` has.
pub fn cut<T: Float>(joined: &Tensor, start: usize, shape: Shape) -> Tensor {
    let (from, width) = (joined.shape().last(), shape.last());
    Tensor::build::<T>(shape, |out| {
        if out.is_empty() {
            return;
        }
        let pixels = joined.data::<T>().par_chunks(PIXELS * from);
        out.par_chunks_mut(PIXELS * width).zip(pixels).for_each(|(out, joined)| {
            for (out, joined) in out.chunks_exact_mut(width).zip(joined.chunks_exact(from)) {
                out.copy_from_slice(&joined[start..start + width]);
            }
        });
    })
}
