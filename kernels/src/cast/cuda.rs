//! A thread for each element.

use tensor::gpu::{Gpu, Launch, Program, Source};
use tensor::{DType, Result, Tensor};

use crate::gpu::filled;

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/cast/cast.cu", text: include_str!("cast.cu") }];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    [DType::BF16, DType::F32, DType::F64].into_iter().map(|from| program(from, dtype)).collect()
}

fn program(from: DType, to: DType) -> Program {
    Program::new(SOURCES, to).with("FROM", 8 * from.bytes() as i64)
}

/// Every value, rounded to the nearest of the new dtype.
pub fn convert(gpu: &dyn Gpu, x: &Tensor, dtype: DType) -> Result<Tensor> {
    let (program, count) = (program(x.dtype(), dtype), x.shape().elements());
    let launch = Launch::over(count);
    // SAFETY: both have `count` elements, and each thread has one of its own.
    unsafe { filled(gpu, &program, "cast", launch, &[x], x.shape(), &[count.into()]) }
}
