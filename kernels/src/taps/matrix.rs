//! Products of matrices of features as sums over one tap: a row is a pixel.

use super::Plan;
use super::forward::convolve_by_outputs;
use super::pack::{Packed, Weights};
use super::stage::{Layout, Source};
use super::weight_gradient::weight_gradient;
use crate::simd::Loadable;

/// `x` times a matrix of parameters, plus a bias: `x` is `[rows, inputs]`, `output` becomes `[rows, outputs]`.
pub fn product<T: Loadable>(
    x: &[T],
    [inputs, outputs]: [usize; 2],
    weights: Weights<'_, T::Acc>,
    bias: Option<&[T::Acc]>,
    output: &mut [T],
) {
    let plan = Plan::convolution(1, 1, [1, x.len() / inputs]);
    let layout = Layout::new(&plan, &[inputs]);
    let packed = Packed::new::<T>(&plan, layout.blocks(), outputs, weights);
    let source = Source { data: x, channels: inputs, activation: None };
    convolve_by_outputs(&plan, &layout, source, &packed, bias, output);
}

/// The transpose of `a` times `b`, both of as many rows: `sums` becomes `[columns of a, columns of b]`.
pub fn product_over_rows<T: Loadable>(
    a: &[T],
    b: &[T],
    [of_a, of_b]: [usize; 2],
    sums: &mut [T::Acc],
) {
    // Two images if that is possible, since pairs of images are multiplied at once.
    let rows = a.len() / of_a;
    let images = if rows.is_multiple_of(T::GROUP) { T::GROUP } else { 1 };
    let plan = Plan::convolution(1, 1, [1, rows / images]);
    let layout = Layout::new(&plan, &[of_a]);
    let source = Source { data: a, channels: of_a, activation: None };
    weight_gradient(&plan, &layout, &[source], b, of_b, sums, false);
}
