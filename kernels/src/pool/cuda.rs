//! A thread for each image and channel forward, for each value backward.

use tensor::gpu::{Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{DType, Result, Shape, Tensor};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/pool/pool.cu", text: include_str!("pool.cu") }];

tensor::kernels! {
    /// The kernels of `pool.cu`.
    const KERNELS;

    pool_forward => struct PoolForward<'a> {
        x: In<'a, Real>,
        y: Out<'a, Real>,
        batch: usize,
        pixels: usize,
        channels: usize,
    }

    pool_backward => struct PoolBackward<'a> {
        gradient: In<'a, Real>,
        y: Out<'a, Real>,
        batch: usize,
        pixels: usize,
        channels: usize,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
}

/// Means over pixels, summed in float64.
pub fn forward(gpu: &dyn Gpu, x: &Tensor, size: [usize; 3]) -> Result<Tensor> {
    let (program, [batch, pixels, channels]) = (program(x.dtype()), size);
    let mut y = Tensor::uninitialised(&x.device(), x.dtype(), [batch, channels])?;
    let args =
        PoolForward { x: program.input(x)?, y: program.output(&mut y)?, batch, pixels, channels };
    // SAFETY: `x` has the elements of `size`; a thread for each mean.
    unsafe { gpu.launch(&program, "pool_forward", Launch::over(batch * channels), &args)? };
    Ok(y)
}

/// The gradient of each mean, shared equally among its pixels.
pub fn backward(gpu: &dyn Gpu, gradient: &Tensor, shape: Shape, pixels: usize) -> Result<Tensor> {
    let program = program(gradient.dtype());
    let mut y = Tensor::uninitialised(&gradient.device(), gradient.dtype(), shape)?;
    let args = PoolBackward {
        gradient: program.input(gradient)?,
        y: program.output(&mut y)?,
        batch: shape.dims()[0],
        pixels,
        channels: shape.last(),
    };
    // SAFETY: `shape` is `[batch, .., channels]` with `pixels` in between, and the gradient has one
    // element for each image and channel; a thread for each element of the result.
    unsafe { gpu.launch(&program, "pool_backward", Launch::over(shape.elements()), &args)? };
    Ok(y)
}
