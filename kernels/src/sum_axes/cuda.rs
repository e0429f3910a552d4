//! A thread or a warp for each span of each sum; where a sum has several, a second launch adds them
//! in order.

use tensor::gpu::{Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{DType, Result, Tensor};

use super::Sum;
use crate::gpu::{ROWS, warps};
use crate::strided::cuda::{Axes, STRIDED};

const SOURCES: &[Source] = &[
    ROWS,
    STRIDED,
    Source { path: "kernels/src/sum_axes/sum_axes.cu", text: include_str!("sum_axes.cu") },
];

/// Terms of one sum that a thread or a warp adds.
const SPAN: usize = 1 << 9;

/// Axes of the sums, and of their terms: those of a shape take turns, else they are merged.
const AXES: usize = 3;

tensor::kernels! {
    /// The kernels of `sum_axes.cu`.
    const KERNELS;

    sum_columns, sum_rows => struct Sums<'a> {
        x: In<'a, Real>,
        partial: Out<'a, f64>,
        y: Out<'a, Real>,
        scale: f64,
        kept: Axes<AXES>,
        terms: Axes<AXES>,
        outputs: usize,
        count: usize,
        spans: usize,
    }

    sum_spans => struct SumSpans<'a> {
        partial: In<'a, f64>,
        y: Out<'a, Real>,
        scale: f64,
        outputs: usize,
        spans: usize,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS).with("SPAN", SPAN as i64)
}

/// All sums.
pub(super) fn sum(gpu: &dyn Gpu, x: &Tensor, sum: &Sum) -> Result<Tensor> {
    let (outputs, count) = (sum.shape.elements(), sum.terms.elements());
    let (program, spans) = (program(x.dtype()), count.div_ceil(SPAN).max(1));
    let mut y = Tensor::uninitialised(&x.device(), x.dtype(), sum.shape)?;
    if outputs == 0 {
        return Ok(y);
    }
    let parts = if spans == 1 { 0 } else { outputs * spans };
    let mut partial = Tensor::uninitialised(&x.device(), DType::F64, [parts])?;
    let args = Sums {
        x: program.input(x)?,
        partial: program.output(&mut partial)?,
        y: program.output(&mut y)?,
        scale: sum.scale,
        kept: Axes::of(sum.kept.axes()),
        terms: Axes::of(sum.terms.axes()),
        outputs,
        count,
        spans,
    };
    let (kernel, launch) = match sum.is_by_columns() {
        true => ("sum_columns", Launch::over(outputs * spans)),
        false => ("sum_rows", warps(outputs * spans)),
    };
    // SAFETY: the views are of elements of `x`; there is a result for each of `outputs` sums, and a
    // part for each span of each sum where it has several. A thread or a warp for each span.
    unsafe { gpu.launch(&program, kernel, launch, &args)? };
    if spans == 1 {
        return Ok(y);
    }
    let args = SumSpans {
        partial: program.input(&partial)?,
        y: program.output(&mut y)?,
        scale: sum.scale,
        outputs,
        spans,
    };
    // SAFETY: there are `spans` parts of each of `outputs` sums; a warp for each sum.
    unsafe { gpu.launch(&program, "sum_spans", warps(outputs), &args)? };
    Ok(y)
}
