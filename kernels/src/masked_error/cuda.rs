//! Spans of fixed length, a block for each, then one block over spans. The number of hidden pixels
//! stays on the device, so that nobody waits for it.

use tensor::gpu::{Argument, Gpu, Launch, Program, Source};
use tensor::{Buffer, DType, Result, Shape, Tensor};

use crate::gpu::{ROWS, filled_as, gpu_of};

const SOURCES: &[Source] = &[
    ROWS,
    Source {
        path: "kernels/src/masked_error/masked_error.cu",
        text: include_str!("masked_error.cu"),
    },
];

/// Values that a block sums.
const SPAN: usize = 1 << 13;

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with("SPAN", SPAN as i64)
}

/// What backward needs.
pub(super) struct Kept {
    output: Tensor,
    target: Tensor,
    mask: Tensor,
    /// Twice one over the number of hidden pixels, in float64.
    slope: Tensor,
    channels: usize,
}

/// The error, and what its gradient needs.
pub(super) fn forward(
    gpu: &dyn Gpu,
    [output, target, mask]: [&Tensor; 3],
    channels: usize,
) -> Result<(Tensor, Kept)> {
    let (program, count) = (program(output.dtype()), output.shape().elements());
    let device = output.device();
    let spans = count.div_ceil(SPAN).max(1);
    let double = |count: usize| -> Result<Tensor> {
        Ok(Tensor::over(Buffer::stale_on(&device, DType::F64, count)?, [count], DType::F64))
    };
    let (squares, hidden, slope) = (double(spans)?, double(spans)?, double(1)?);
    let mut arguments = Vec::new();
    for tensor in [output, target, mask, &squares, &hidden] {
        arguments.push(tensor.address()?.into());
    }
    arguments.extend([count, channels.max(1)].map(Argument::from));
    let launch = Launch::blocks(spans, Launch::THREADS);
    // SAFETY: values and mask are of `count` elements and pixels; each block has its own sums.
    unsafe { gpu.launch(&program, "masked_error_spans", launch, &arguments)? };
    let (launch, rest) =
        (Launch::blocks(1, Launch::THREADS), [slope.address()?.into(), spans.into()]);
    let (name, sums) = ("masked_error_total", [&squares, &hidden]);
    // SAFETY: there are so many sums, and one error and slope.
    let error = unsafe {
        let dtype = target.dtype();
        filled_as(dtype, gpu, &program, name, launch, &sums, Shape::SCALAR, &rest)?
    };
    let [output, target, mask] = [output, target, mask].map(Tensor::clone);
    Ok((error, Kept { output, target, mask, slope, channels }))
}

/// What the error is differentiated with respect to.
#[derive(Clone, Copy)]
pub(super) enum Argued {
    Output,
    Target,
}

/// The gradient with respect to output or target.
pub(super) fn backward(kept: &Kept, gradient: &Tensor, argued: Argued) -> Result<Tensor> {
    let Kept { output, target, mask, slope, channels } = kept;
    let gpu = &*gpu_of("masked_error", output)?;
    let (program, count) = (program(output.dtype()), output.shape().elements());
    let inputs = [output, target, mask, gradient, slope];
    let rest = [count.into(), (*channels).max(1).into()];
    let (name, like) = match argued {
        Argued::Output => ("masked_error_of_output", output),
        Argued::Target => ("masked_error_of_target", target),
    };
    let (launch, shape, dtype) = (Launch::over(count), like.shape(), like.dtype());
    // SAFETY: values and mask are of `count` elements and pixels, gradient and slope are one.
    unsafe { filled_as(dtype, gpu, &program, name, launch, &inputs, shape, &rest) }
}
