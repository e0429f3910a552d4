//! Copies on the CPU, row by row of the view.

use rayon::prelude::*;
use tensor::{Element, Shape, Tensor};

use super::View;

/// Elements, at least, that one task copies.
const CHUNK: usize = 1 << 14;

/// Columns that are copied for all rows of a task before the next ones are: neighbouring rows of a
/// transposed view read the same cache lines.
const COLUMNS: usize = 256;

/// The elements of a view of `x`, one after the other, as a tensor of the given shape.
pub(crate) fn copy<T: Element>(x: &Tensor, view: &View, shape: Shape) -> Tensor {
    let (outer, innermost) = view.split_innermost();
    let (width, x) = (innermost.extent, x.data::<T>());
    Tensor::build::<T>(shape, |out| {
        if out.is_empty() {
            return;
        }
        let rows = CHUNK.div_ceil(width);
        out.par_chunks_mut(rows * width).enumerate().for_each(|(task, out)| {
            let first = task * rows;
            let starts = (first..first + out.len() / width).map(|row| outer.offset(row));
            let starts: Vec<usize> = starts.collect();
            for column in (0..width).step_by(COLUMNS) {
                let columns = column..width.min(column + COLUMNS);
                for (row, &start) in out.chunks_exact_mut(width).zip(&starts) {
                    let from = &x[start + column * innermost.stride..];
                    copy_run(&mut row[columns.clone()], from, innermost.stride);
                }
            }
        });
    })
}

fn copy_run<T: Element>(out: &mut [T], from: &[T], stride: usize) {
    match stride {
        0 => out.fill(from[0]),
        1 => out.copy_from_slice(&from[..out.len()]),
        _ => out.iter_mut().zip(from.iter().step_by(stride)).for_each(|(out, &x)| *out = x),
    }
}
