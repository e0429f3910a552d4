//! Sums of spans of fixed length, a block for each, then one block over spans: the order of the sum
//! depends on the number of elements alone.

use tensor::gpu::{Gpu, Launch, Program, Source};
use tensor::{Buffer, DType, Result, Shape, Tensor};

use crate::gpu::{ROWS, filled};

const SOURCES: &[Source] =
    &[ROWS, Source { path: "kernels/src/reduce/reduce.cu", text: include_str!("reduce.cu") }];

/// Elements that a block sums.
const SPAN: usize = 1 << 13;

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with("SPAN", SPAN as i64)
}

/// `scale` times the sum of all elements, as a scalar.
pub fn sum(gpu: &dyn Gpu, x: &Tensor, scale: f64) -> Result<Tensor> {
    let (program, count) = (program(x.dtype()), x.shape().elements());
    let spans = count.div_ceil(SPAN).max(1);
    let sums = Buffer::stale_on(&x.device(), DType::F64, spans)?;
    let launch = Launch::blocks(spans, Launch::THREADS);
    let arguments = [x.address()?.into(), sums.address().into(), count.into()];
    // SAFETY: `x` has `count` elements, and each block has a sum of its own.
    unsafe { gpu.launch(&program, "reduce_spans", launch, &arguments)? };
    total(gpu, &Tensor::over(sums, [spans], DType::F64), x.dtype(), scale)
}

/// `scale` times the sum of numbers in float64, as a scalar of a dtype.
pub(crate) fn total(gpu: &dyn Gpu, sums: &Tensor, dtype: DType, scale: f64) -> Result<Tensor> {
    let (program, count) = (program(dtype), sums.shape().elements());
    let (launch, rest) = (Launch::blocks(1, Launch::THREADS), [scale.into(), count.into()]);
    // SAFETY: there are so many sums, and one element of the result.
    unsafe { filled(gpu, &program, "reduce_total", launch, &[sums], Shape::SCALAR, &rest) }
}

/// Adds one number to a total.
pub fn accumulate(gpu: &dyn Gpu, total: &mut Tensor, x: &Tensor) -> Result<()> {
    let arguments = [total.memory_mut()?.address().into(), x.address()?.into()];
    let program = program(x.dtype());
    // SAFETY: each is one element, and one thread adds.
    unsafe { gpu.launch(&program, "reduce_accumulate", Launch::blocks(1, 32), &arguments) }
}

/// Every element's share of the gradient of the sum.
pub fn backward(gpu: &dyn Gpu, gradient: &Tensor, shape: Shape, scale: f64) -> Result<Tensor> {
    let (program, count) = (program(gradient.dtype()), shape.elements());
    let (launch, rest) = (Launch::over(count), [scale.into(), count.into()]);
    // SAFETY: the gradient is one element, the result has `count`, one for each thread.
    unsafe { filled(gpu, &program, "reduce_backward", launch, &[gradient], shape, &rest) }
}
