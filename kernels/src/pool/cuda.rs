//! A thread for each image and channel forward, for each value backward.

use tensor::gpu::{Gpu, Launch, Program, Source};
use tensor::{DType, Result, Shape, Tensor};

use crate::gpu::filled;

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/pool/pool.cu", text: include_str!("pool.cu") }];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// Means over pixels, summed in float64.
pub fn forward(gpu: &dyn Gpu, x: &Tensor, size: [usize; 3]) -> Result<Tensor> {
    let [batch, _, channels] = size;
    let (program, launch) = (Program::new(SOURCES, x.dtype()), Launch::over(batch * channels));
    // SAFETY: `x` has the elements of `size`, and each thread has a mean of its own.
    unsafe {
        filled(
            gpu,
            &program,
            "pool_forward",
            launch,
            &[x],
            [batch, channels],
            &size.map(Into::into),
        )
    }
}

/// Every pixel gets an equal share.
pub fn backward(gpu: &dyn Gpu, gradient: &Tensor, shape: Shape, pixels: usize) -> Result<Tensor> {
    let (program, launch) =
        (Program::new(SOURCES, gradient.dtype()), Launch::over(shape.elements()));
    let size = [shape.dims()[0], pixels, shape.last()].map(Into::into);
    // SAFETY: the gradient has one for each image and channel, and each thread an element of its own.
    unsafe { filled(gpu, &program, "pool_backward", launch, &[gradient], shape, &size) }
}
