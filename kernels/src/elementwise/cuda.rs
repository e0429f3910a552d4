//! A thread for each element.

use tensor::gpu::{Gpu, Launch, Program, Source};
use tensor::{DType, Result, Tensor};

use crate::gpu::filled;

const SOURCES: &[Source] = &[Source {
    path: "kernels/src/elementwise/elementwise.cu",
    text: include_str!("elementwise.cu"),
}];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// `add`, `sub` or `mul`, by the kernel's name, of tensors that are alike.
pub fn zip(gpu: &dyn Gpu, kernel: &str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (program, count) = (Program::new(SOURCES, a.dtype()), a.shape().elements());
    let launch = Launch::over(count);
    // SAFETY: all three have `count` elements, and each thread has one of its own.
    unsafe { filled(gpu, &program, kernel, launch, &[a, b], a.shape(), &[count.into()]) }
}

/// `scale * x + offset`.
pub fn affine(gpu: &dyn Gpu, x: &Tensor, scale: f64, offset: f64) -> Result<Tensor> {
    let (program, count) = (Program::new(SOURCES, x.dtype()), x.shape().elements());
    let (launch, rest) = (Launch::over(count), [scale.into(), offset.into(), count.into()]);
    // SAFETY: both have `count` elements, and each thread has one of its own.
    unsafe { filled(gpu, &program, "affine", launch, &[x], x.shape(), &rest) }
}
