//! A thread or a warp for each span of each sum; where a sum has several, a second launch adds them
//! in order.

use tensor::gpu::{Argument, Gpu, Launch, Program, Source};
use tensor::{Buffer, DType, Result, Tensor};

use super::Sum;
use crate::gpu::{ROWS, filled, warps};
use crate::strided::cuda::{STRIDED, columns};

const SOURCES: &[Source] = &[
    ROWS,
    STRIDED,
    Source { path: "kernels/src/sum_axes/sum_axes.cu", text: include_str!("sum_axes.cu") },
];

/// Terms of one sum that a thread or a warp adds.
const SPAN: usize = 1 << 9;

/// Axes of the sums, and of their terms: those of a shape take turns, else they are merged.
const AXES: usize = 3;

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with("SPAN", SPAN as i64)
}

/// All sums.
pub(super) fn sum(gpu: &dyn Gpu, x: &Tensor, sum: &Sum) -> Result<Tensor> {
    let (outputs, count) = (sum.shape.elements(), sum.terms.elements());
    let spans = count.div_ceil(SPAN).max(1);
    let y = Buffer::stale_on(&x.device(), x.dtype(), outputs)?;
    let y = Tensor::over(y, sum.shape, x.dtype());
    if outputs == 0 {
        return Ok(y);
    }
    let parts = if spans == 1 { 0 } else { outputs * spans };
    let partial = Buffer::stale_on(&x.device(), DType::F64, parts)?;
    let partial = Tensor::over(partial, [parts], DType::F64);
    sum_of_spans(gpu, x, sum, spans, &partial, &y)?;
    if spans == 1 { Ok(y) } else { total(gpu, &partial, sum, spans, x.dtype()) }
}

/// The sums of all spans into `partial`; where each sum has but one, into `y`.
fn sum_of_spans(
    gpu: &dyn Gpu,
    x: &Tensor,
    sum: &Sum,
    spans: usize,
    partial: &Tensor,
    y: &Tensor,
) -> Result<()> {
    let (outputs, count) = (sum.shape.elements(), sum.terms.elements());
    let places = [x, partial, y].map(Tensor::address);
    let mut arguments: Vec<Argument> = Vec::new();
    for place in places {
        arguments.push(place?.into());
    }
    arguments.push(sum.scale.into());
    arguments.extend([outputs, count, spans].map(Argument::from));
    for view in [&sum.kept, &sum.terms] {
        arguments.extend(columns::<AXES>(view.axes()).concat().into_iter().map(Argument::from));
    }
    let (kernel, launch) = match sum.is_by_columns() {
        true => ("sum_columns", Launch::over(outputs * spans)),
        false => ("sum_rows", warps(outputs * spans)),
    };
    // SAFETY: the views are of elements of `x`; `partial` has a place for each span of each sum, and
    // `y` one for each sum. Each thread or warp writes one place.
    unsafe { gpu.launch(&program(x.dtype()), kernel, launch, &arguments) }
}

/// The sums of their spans.
fn total(gpu: &dyn Gpu, partial: &Tensor, sum: &Sum, spans: usize, dtype: DType) -> Result<Tensor> {
    let outputs = sum.shape.elements();
    let rest = [sum.scale.into(), outputs.into(), spans.into()];
    let (program, launch) = (program(dtype), warps(outputs));
    // SAFETY: there are so many spans for each sum, and each warp writes one sum.
    unsafe { filled(gpu, &program, "sum_spans", launch, &[partial], sum.shape, &rest) }
}
