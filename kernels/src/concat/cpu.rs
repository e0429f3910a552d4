//! Copies of runs: what each part holds for one place of the axes before the joined one.

use std::ops::Range;

use rayon::prelude::*;
use tensor::{Element, Shape, Tensor};

/// Places that one task copies.
const PLACES: usize = 1 << 11;

/// The parts side by side, `widths` of each for every place.
pub fn join<T: Element>(parts: &[&Tensor], widths: &[usize], shape: Shape) -> Tensor {
    let parts: Vec<&[T]> = parts.iter().map(|part| part.data()).collect();
    let width: usize = widths.iter().sum();
    Tensor::build::<T>(shape, |out| {
        if out.is_empty() {
            return;
        }
        out.par_chunks_mut(PLACES * width).enumerate().for_each(|(chunk, out)| {
            for (place, mut out) in (chunk * PLACES..).zip(out.chunks_exact_mut(width)) {
                for (part, &width) in parts.iter().zip(widths) {
                    let (here, rest) = out.split_at_mut(width);
                    here.copy_from_slice(&part[place * width..(place + 1) * width]);
                    out = rest;
                }
            }
        });
    })
}

/// The `run` of every `width` values.
pub fn cut<T: Element>(joined: &Tensor, width: usize, run: Range<usize>, shape: Shape) -> Tensor {
    Tensor::build::<T>(shape, |out| {
        if out.is_empty() {
            return;
        }
        let places = joined.data::<T>().par_chunks(PLACES * width);
        out.par_chunks_mut(PLACES * run.len()).zip(places).for_each(|(out, joined)| {
            for (out, joined) in out.chunks_exact_mut(run.len()).zip(joined.chunks_exact(width)) {
                out.copy_from_slice(&joined[run.clone()]);
            }
        });
    })
}
