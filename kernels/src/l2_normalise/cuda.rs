//! A warp for each row; backward overwrites the gradient that it is given.

use tensor::gpu::{Gpu, In, Out, Program, Real, Source};
use tensor::{DType, Result, Tensor};

use crate::gpu::{ROWS, warps};

const SOURCES: &[Source] = &[
    ROWS,
    Source {
        path: "kernels/src/l2_normalise/l2_normalise.cu",
        text: include_str!("l2_normalise.cu"),
    },
];

tensor::kernels! {
    /// The kernels of `l2_normalise.cu`.
    const KERNELS;

    l2_normalise_forward => struct L2NormaliseForward<'a> {
        x: In<'a, Real>,
        y: Out<'a, Real>,
        rows: usize,
        width: usize,
    }

    l2_normalise_backward => struct L2NormaliseBackward<'a> {
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

/// `x / max(|x|, shortest)`, row by row.
pub fn forward(gpu: &dyn Gpu, x: &Tensor) -> Result<Tensor> {
    let (program, [rows, width]) = (program(x.dtype()), rows(x));
    let mut y = Tensor::uninitialised(&x.device(), x.dtype(), x.shape())?;
    let args = L2NormaliseForward { x: program.input(x)?, y: program.output(&mut y)?, rows, width };
    // SAFETY: both have `rows` times `width` elements; a warp for each row.
    unsafe { gpu.launch(&program, "l2_normalise_forward", warps(rows), &args)? };
    Ok(y)
}

/// The part of the gradient that is orthogonal to the row, over its length.
pub fn backward(gpu: &dyn Gpu, x: &Tensor, mut gradient: Tensor) -> Result<Tensor> {
    let (program, [rows, width]) = (program(x.dtype()), rows(x));
    let args = L2NormaliseBackward {
        x: program.input(x)?,
        gradient: program.output(&mut gradient)?,
        rows,
        width,
    };
    // SAFETY: both have `rows` times `width` elements; a warp for each row.
    unsafe { gpu.launch(&program, "l2_normalise_backward", warps(rows), &args)? };
    Ok(gradient)
}

fn rows(x: &Tensor) -> [usize; 2] {
    let width = x.shape().last();
    [x.shape().elements() / width.max(1), width]
}
