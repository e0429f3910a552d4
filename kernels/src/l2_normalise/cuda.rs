//! A warp for each row; backward writes over the gradient it is given.

use tensor::gpu::{Gpu, Program, Source};
use tensor::{DType, Result, Tensor};

use crate::gpu::{ROWS, changed, filled, warps};

const SOURCES: &[Source] = &[
    ROWS,
    Source {
        path: "kernels/src/l2_normalise/l2_normalise.cu",
        text: include_str!("l2_normalise.cu"),
    },
];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// `x / max(|x|, shortest)`, row by row.
pub fn forward(gpu: &dyn Gpu, x: &Tensor) -> Result<Tensor> {
    let (program, [rows, width]) = (Program::new(SOURCES, x.dtype()), rows(x));
    let (launch, rest) = (warps(rows), [rows.into(), width.into()]);
    // SAFETY: both have `rows` times `width` elements, and each warp has a row of its own.
    unsafe { filled(gpu, &program, "l2_normalise_forward", launch, &[x], x.shape(), &rest) }
}

/// What of the gradient is across the row, over its length.
pub fn backward(gpu: &dyn Gpu, x: &Tensor, gradient: Tensor) -> Result<Tensor> {
    let (program, [rows, width]) = (Program::new(SOURCES, x.dtype()), rows(x));
    let (launch, rest) = (warps(rows), [rows.into(), width.into()]);
    // SAFETY: both have `rows` times `width` elements, and each warp has a row of its own.
    unsafe { changed(gpu, &program, "l2_normalise_backward", launch, &[x], gradient, &rest) }
}

fn rows(x: &Tensor) -> [usize; 2] {
    let width = x.shape().last();
    [x.shape().elements() / width.max(1), width]
}
