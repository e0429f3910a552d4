//! A thread for each element; backward writes over the gradient it is given.

use tensor::gpu::{Gpu, Launch, Program, Source};
use tensor::{DType, Result, Tensor};

use crate::gpu::{changed, filled};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/gelu/gelu.cu", text: include_str!("gelu.cu") }];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// `x Φ(x)`.
pub fn forward(gpu: &dyn Gpu, x: &Tensor) -> Result<Tensor> {
    let (program, count) = (Program::new(SOURCES, x.dtype()), x.shape().elements());
    let (launch, rest) = (Launch::over(count), [count.into()]);
    // SAFETY: both have `count` elements, and each thread has one of its own.
    unsafe { filled(gpu, &program, "gelu_forward", launch, &[x], x.shape(), &rest) }
}

/// `gradient (Φ(x) + x φ(x))`.
pub fn backward(gpu: &dyn Gpu, x: &Tensor, gradient: Tensor) -> Result<Tensor> {
    let (program, count) = (Program::new(SOURCES, x.dtype()), x.shape().elements());
    let (launch, rest) = (Launch::over(count), [count.into()]);
    // SAFETY: both have `count` elements, and each thread has one of its own.
    unsafe { changed(gpu, &program, "gelu_backward", launch, &[x], gradient, &rest) }
}
