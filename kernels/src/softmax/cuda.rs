//! A warp for each row; backward writes over the gradient it is given.

use tensor::gpu::{Gpu, Program, Source};
use tensor::{DType, Result, Tensor};

use crate::gpu::{ROWS, changed, filled, warps};

const SOURCES: &[Source] =
    &[ROWS, Source { path: "kernels/src/softmax/softmax.cu", text: include_str!("softmax.cu") }];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// The softmax of every row.
pub fn forward(gpu: &dyn Gpu, x: &Tensor) -> Result<Tensor> {
    let (program, [rows, width]) = (Program::new(SOURCES, x.dtype()), rows(x));
    let (launch, rest) = (warps(rows), [rows.into(), width.into()]);
    // SAFETY: both have `rows` times `width` elements, and each warp has a row of its own.
    unsafe { filled(gpu, &program, "softmax_forward", launch, &[x], x.shape(), &rest) }
}

/// `p (g - Σ p g)`, row by row, the probabilities `p` computed again.
pub fn backward(gpu: &dyn Gpu, x: &Tensor, gradient: Tensor) -> Result<Tensor> {
    let (program, [rows, width]) = (Program::new(SOURCES, x.dtype()), rows(x));
    let (launch, rest) = (warps(rows), [rows.into(), width.into()]);
    // SAFETY: both have `rows` times `width` elements, and each warp has a row of its own.
    unsafe { changed(gpu, &program, "softmax_backward", launch, &[x], gradient, &rest) }
}

fn rows(x: &Tensor) -> [usize; 2] {
    let width = x.shape().last();
    [x.shape().elements() / width.max(1), width]
}
