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

tensor::kernels! {
    /// The kernels of `sum_axes.cu`.
    const KERNELS;

    sum_columns, sum_rows => struct SumAxes<'a> {
        x: In<'a, Real>,
        partial: Out<'a, f64>,
        y: Out<'a, Real>,
        kept: Axes,
        terms: Axes,
        outputs: usize,
        count: usize,
        spans: usize,
        scale: f64,
    }

    sum_spans => struct SumSpans<'a> {
        partial: In<'a, f64>,
        y: Out<'a, Real>,
        outputs: usize,
        spans: usize,
        scale: f64,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS).define("SPAN", SPAN as i64)
}

/// All sums.
pub(super) fn sum(gpu: &dyn Gpu, x: &Tensor, sum: &Sum) -> Result<Tensor> {
    let mut y = Tensor::uninitialised(&x.device(), x.dtype(), sum.shape)?;
    let (outputs, spans) = (sum.shape.elements(), sum.terms.elements().div_ceil(SPAN).max(1));
    match (outputs, spans) {
        (0, _) => {}
        (_, 1) => sums_of_spans(gpu, x, sum, None, Some(&mut y))?,
        _ => {
            let mut partial = Tensor::uninitialised(&x.device(), DType::F64, [outputs, spans])?;
            sums_of_spans(gpu, x, sum, Some(&mut partial), None)?;
            totals(gpu, &partial, sum, &mut y)?;
        }
    }
    Ok(y)
}

/// The sums of all spans: into `y`, where each sum has but one, else into `partial`.
fn sums_of_spans(
    gpu: &dyn Gpu,
    x: &Tensor,
    sum: &Sum,
    partial: Option<&mut Tensor>,
    y: Option<&mut Tensor>,
) -> Result<()> {
    let (program, outputs) = (program(x.dtype()), sum.shape.elements());
    let spans = partial.as_ref().map_or(1, |partial| partial.shape().last());
    let args = SumAxes {
        x: program.input(x)?,
        partial: program.optional_output(partial)?,
        y: program.optional_output(y)?,
        kept: Axes::new(sum.kept.axes()),
        terms: Axes::new(sum.terms.axes()),
        outputs,
        count: sum.terms.elements(),
        spans,
        scale: sum.scale,
    };
    let (kernel, launch) = match sum.is_by_columns() {
        true => ("sum_columns", Launch::over(outputs * spans)),
        false => ("sum_rows", warps(outputs * spans)),
    };
    // SAFETY: both views are of `x`. With one span `y` has an element for each sum, with several
    // `partial` has one for each span of each sum; a thread or a warp for each.
    unsafe { gpu.launch(&program, kernel, launch, &args) }
}

/// The sums of their spans.
fn totals(gpu: &dyn Gpu, partial: &Tensor, sum: &Sum, y: &mut Tensor) -> Result<()> {
    let (program, outputs) = (program(y.dtype()), y.shape().elements());
    let args = SumSpans {
        partial: program.input(partial)?,
        y: program.output(y)?,
        outputs,
        spans: partial.shape().last(),
        scale: sum.scale,
    };
    // SAFETY: `partial` is `[outputs, spans]`, the result has `outputs` elements; a warp for each.
    unsafe { gpu.launch(&program, "sum_spans", warps(outputs), &args) }
}
