//! A warp for each row; backward overwrites the gradient that it is given.

use tensor::gpu::{Gpu, In, Out, Program, Real, Source};
use tensor::{DType, Result, Tensor};

use crate::gpu::{ROWS, warps};

const SOURCES: &[Source] =
    &[ROWS, Source { path: "kernels/src/softmax/softmax.cu", text: include_str!("softmax.cu") }];

tensor::kernels! {
    /// The kernels of `softmax.cu`.
    const KERNELS;

    softmax_forward => struct SoftmaxForward<'a> {
        x: In<'a, Real>,
        y: Out<'a, Real>,
        rows: usize,
        width: usize,
    }

    softmax_backward => struct SoftmaxBackward<'a> {
        x: In<'a, Real>,
        gradient: Out<'a, Real>,
        rows: usize,
        width: usize,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
}

/// The softmax of every row.
pub fn forward(gpu: &dyn Gpu, x: &Tensor) -> Result<Tensor> {
    let (program, [rows, width]) = (program(x.dtype()), rows(x));
    let mut y = Tensor::uninitialised(&x.device(), x.dtype(), x.shape())?;
    let args = SoftmaxForward { x: program.input(x)?, y: program.output(&mut y)?, rows, width };
    // SAFETY: both have `rows` times `width` elements; a warp for each row.
    unsafe { gpu.launch(&program, "softmax_forward", warps(rows), &args)? };
    Ok(y)
}

/// `p (g - Σ p g)`, row by row, the probabilities `p` computed again.
pub fn backward(gpu: &dyn Gpu, x: &Tensor, mut gradient: Tensor) -> Result<Tensor> {
    let (program, [rows, width]) = (program(x.dtype()), rows(x));
    let args = SoftmaxBackward {
        x: program.input(x)?,
        gradient: program.output(&mut gradient)?,
        rows,
        width,
    };
    // SAFETY: both have `rows` times `width` elements; a warp for each row.
    unsafe { gpu.launch(&program, "softmax_backward", warps(rows), &args)? };
    Ok(gradient)
}

fn rows(x: &Tensor) -> [usize; 2] {
    let width = x.shape().last();
    [x.shape().elements() / width.max(1), width]
}
