//! Sums in float64 over spans of fixed length, then over spans in order: so the order depends on the
//! shape alone.

use rayon::prelude::*;
use tensor::{Feature, Tensor};

use super::Sum;
use crate::reduce::cpu::sum_of_chunk;
use crate::strided::View;

/// Terms of one sum that one task adds.
const SPAN: usize = 1 << 12;

/// Sums that one task works on side by side: they stay in the first-level cache.
const COLUMNS: usize = 1 << 9;

/// All sums.
pub fn sum<T: Feature>(x: &Tensor, sum: &Sum) -> Tensor {
    let Sum { shape, kept, terms, scale } = sum;
    let (outputs, spans) = (shape.elements(), terms.elements().div_ceil(SPAN));
    let mut partial = vec![0.0; spans * outputs];
    if !partial.is_empty() {
        match sum.is_by_columns() {
            true => by_columns(x.data::<T>(), kept, terms, &mut partial),
            false => by_rows(x.data::<T>(), kept, terms, &mut partial),
        }
    }
    Tensor::build::<T>(*shape, |out| {
        out.par_iter_mut().with_min_len(COLUMNS).enumerate().for_each(|(output, out)| {
            let sums = partial.iter().skip(output).step_by(outputs);
            *out = T::from_f64(scale * sums.sum::<f64>());
        });
    })
}

/// The terms of a span.
fn span(index: usize, terms: &View) -> std::ops::Range<usize> {
    index * SPAN..terms.elements().min((index + 1) * SPAN)
}

/// Sums of columns: for each span of terms, rows of neighbouring sums.
fn by_columns<T: Feature>(x: &[T], kept: &View, terms: &View, partial: &mut [f64]) {
    let (outer, innermost) = kept.split_innermost();
    let (width, rows) = (innermost.extent, outer.elements());
    partial.par_chunks_mut(width).enumerate().for_each(|(index, sums)| {
        let start = outer.offset(index % rows);
        sums.par_chunks_mut(COLUMNS).enumerate().for_each(|(block, sums)| {
            for term in span(index / rows, terms) {
                let from = &x[start + block * COLUMNS + terms.offset(term)..];
                sums.iter_mut().zip(from).for_each(|(sum, x)| *sum += x.to_f64());
            }
        });
    });
}

/// Sums of rows: for each span of terms, runs of them that are neighbours in memory.
fn by_rows<T: Feature>(x: &[T], kept: &View, terms: &View, partial: &mut [f64]) {
    let (outer, innermost) = terms.split_innermost();
    let (run, outputs) = (innermost.extent, kept.elements());
    partial.par_iter_mut().enumerate().for_each(|(index, sum)| {
        let (start, span) = (kept.offset(index % outputs), span(index / outputs, terms));
        let mut term = span.start;
        while term < span.end {
            let (within, end) = (term % run, span.end.min(term - term % run + run));
            let from = start + outer.offset(term / run) + within;
            *sum += sum_of_chunk(&x[from..from + end - term]);
            term = end;
        }
    });
}
