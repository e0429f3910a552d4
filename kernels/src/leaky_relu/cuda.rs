//! A thread for each element; backward writes over the gradient it is given.

use tensor::gpu::{Gpu, Launch, Program, Source};
use tensor::{DType, Result, Tensor};

use crate::gpu::{changed, filled};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/leaky_relu/leaky_relu.cu", text: include_str!("leaky_relu.cu") }];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// `x` or `slope * x`.
pub fn forward(gpu: &dyn Gpu, x: &Tensor, slope: f64) -> Result<Tensor> {
    let (program, count) = (Program::new(SOURCES, x.dtype()), x.shape().elements());
    let (launch, rest) = (Launch::over(count), [slope.into(), count.into()]);
    // SAFETY: both have `count` elements, and each thread has one of its own.
    unsafe { filled(gpu, &program, "leaky_relu_forward", launch, &[x], x.shape(), &rest) }
}

/// `gradient` or `slope * gradient`, by the sign of `x`.
pub fn backward(gpu: &dyn Gpu, x: &Tensor, gradient: Tensor, slope: f64) -> Result<Tensor> {
    let (program, count) = (Program::new(SOURCES, x.dtype()), x.shape().elements());
    let (launch, rest) = (Launch::over(count), [slope.into(), count.into()]);
    // SAFETY: both have `count` elements, and each thread has one of its own.
    unsafe { changed(gpu, &program, "leaky_relu_backward", launch, &[x], gradient, &rest) }
}
