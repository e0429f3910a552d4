//! Sums of spans of fixed length, a block for each, then one block over spans: the order of the sum
//! depends on the number of elements alone.

use tensor::gpu::{Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{DType, Result, Shape, Tensor};

use crate::gpu::ROWS;

const SOURCES: &[Source] =
    &[ROWS, Source { path: "kernels/src/reduce/reduce.cu", text: include_str!("reduce.cu") }];

/// Elements that a block sums.
const SPAN: usize = 1 << 13;

tensor::kernels! {
    /// The kernels of `reduce.cu`.
    const KERNELS;

    reduce_spans => struct ReduceSpans<'a> {
        x: In<'a, Real>,
        sums: Out<'a, f64>,
        count: usize,
    }

    reduce_total => struct ReduceTotal<'a> {
        sums: In<'a, f64>,
        y: Out<'a, Real>,
        scale: f64,
        spans: usize,
    }

    reduce_backward => struct ReduceBackward<'a> {
        gradient: In<'a, Real>,
        y: Out<'a, Real>,
        scale: f64,
        count: usize,
    }

    reduce_accumulate => struct ReduceAccumulate<'a> {
        total: Out<'a, f64>,
        x: In<'a, Real>,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS).define("SPAN", SPAN as i64)
}

/// `scale` times the sum of all elements, as a scalar.
pub fn sum(gpu: &dyn Gpu, x: &Tensor, scale: f64) -> Result<Tensor> {
    let (program, count) = (program(x.dtype()), x.shape().elements());
    let spans = count.div_ceil(SPAN).max(1);
    let mut sums = Tensor::uninitialised(&x.device(), DType::F64, [spans])?;
    let args = ReduceSpans { x: program.input(x)?, sums: program.output(&mut sums)?, count };
    let launch = Launch::blocks(spans, Launch::THREADS);
    // SAFETY: `x` has `count` elements; a block for each span and its sum.
    unsafe { gpu.launch(&program, "reduce_spans", launch, &args)? };
    total(gpu, &sums, x.dtype(), scale)
}

/// `scale` times the sum of numbers in float64, as a scalar of a dtype.
pub(crate) fn total(gpu: &dyn Gpu, sums: &Tensor, dtype: DType, scale: f64) -> Result<Tensor> {
    let (program, spans) = (program(dtype), sums.shape().elements());
    let mut y = Tensor::uninitialised(&sums.device(), dtype, Shape::SCALAR)?;
    let args = ReduceTotal { sums: program.input(sums)?, y: program.output(&mut y)?, scale, spans };
    // SAFETY: there are `spans` sums, and one result of the one block.
    unsafe { gpu.launch(&program, "reduce_total", Launch::blocks(1, Launch::THREADS), &args)? };
    Ok(y)
}

/// Adds one number to a total.
pub fn accumulate(gpu: &dyn Gpu, total: &mut Tensor, x: &Tensor) -> Result<()> {
    let program = program(x.dtype());
    let args = ReduceAccumulate { total: program.output(total)?, x: program.input(x)? };
    // SAFETY: each is one element; one thread adds.
    unsafe { gpu.launch(&program, "reduce_accumulate", Launch::blocks(1, 32), &args) }
}

/// The gradient of the sum, times `scale`, for every element.
pub fn backward(gpu: &dyn Gpu, gradient: &Tensor, shape: Shape, scale: f64) -> Result<Tensor> {
    let (program, count) = (program(gradient.dtype()), shape.elements());
    let mut y = Tensor::uninitialised(&gradient.device(), gradient.dtype(), shape)?;
    let args = ReduceBackward {
        gradient: program.input(gradient)?,
        y: program.output(&mut y)?,
        scale,
        count,
    };
    // SAFETY: the gradient is one element, the result has `count`; a thread for each.
    unsafe { gpu.launch(&program, "reduce_backward", Launch::over(count), &args)? };
    Ok(y)
}
