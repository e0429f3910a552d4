//! Spans of fixed length, a block for each, then one block over spans. The number of hidden pixels
//! stays on the device, which avoids a synchronisation.

use tensor::gpu::{Acc, Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{DType, Result, Shape, Tensor};

use crate::gpu::{ROWS, gpu_of};

const SOURCES: &[Source] = &[
    ROWS,
    Source {
        path: "kernels/src/masked_error/masked_error.cu",
        text: include_str!("masked_error.cu"),
    },
];

tensor::kernels! {
    /// The kernels of `masked_error.cu`.
    const KERNELS;

    masked_error_spans => struct MaskedErrorSpans<'a> {
        output: In<'a, Real>,
        target: In<'a, Acc>,
        mask: In<'a, u8>,
        squares: Out<'a, f64>,
        hidden: Out<'a, f64>,
        count: usize,
        channels: usize,
    }

    masked_error_total => struct MaskedErrorTotal<'a> {
        squares: In<'a, f64>,
        hidden: In<'a, f64>,
        y: Out<'a, Acc>,
        slope: Out<'a, f64>,
        spans: usize,
    }

    masked_error_of_output => struct MaskedErrorOfOutput<'a> {
        output: In<'a, Real>,
        target: In<'a, Acc>,
        mask: In<'a, u8>,
        gradient: In<'a, Acc>,
        slope: In<'a, f64>,
        y: Out<'a, Real>,
        count: usize,
        channels: usize,
    }

    masked_error_of_target => struct MaskedErrorOfTarget<'a> {
        output: In<'a, Real>,
        target: In<'a, Acc>,
        mask: In<'a, u8>,
        gradient: In<'a, Acc>,
        slope: In<'a, f64>,
        y: Out<'a, Acc>,
        count: usize,
        channels: usize,
    }
}

/// Values that a block sums.
const SPAN: usize = 1 << 13;

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS).define("SPAN", SPAN as i64)
}

/// Saved for the backward pass.
pub(super) struct Saved {
    output: Tensor,
    target: Tensor,
    mask: Tensor,
    /// 2 / (number of hidden pixels), in float64.
    slope: Tensor,
    channels: usize,
}

/// The error, and what is saved for the backward pass.
pub(super) fn forward(
    gpu: &dyn Gpu,
    [output, target, mask]: [&Tensor; 3],
    channels: usize,
) -> Result<(Tensor, Saved)> {
    let (program, count) = (program(output.dtype()), output.shape().elements());
    let device = output.device();
    let spans = count.div_ceil(SPAN).max(1);
    let double = |count: usize| Tensor::uninitialised(&device, DType::F64, [count]);
    let (mut squares, mut hidden, mut slope) = (double(spans)?, double(spans)?, double(1)?);
    let args = MaskedErrorSpans {
        output: program.input(output)?,
        target: program.input(target)?,
        mask: program.input(mask)?,
        squares: program.output(&mut squares)?,
        hidden: program.output(&mut hidden)?,
        count,
        channels: channels.max(1),
    };
    let launch = Launch::blocks(spans, Launch::THREADS);
    // SAFETY: output and target have `count` elements, the mask one for each `channels` of them; a
    // block for each span and its sums.
    unsafe { gpu.launch(&program, "masked_error_spans", launch, &args)? };
    let mut error = Tensor::uninitialised(&device, target.dtype(), Shape::SCALAR)?;
    let args = MaskedErrorTotal {
        squares: program.input(&squares)?,
        hidden: program.input(&hidden)?,
        y: program.output(&mut error)?,
        slope: program.output(&mut slope)?,
        spans,
    };
    let launch = Launch::blocks(1, Launch::THREADS);
    // SAFETY: there are `spans` sums of each, and one error and slope of the one block.
    unsafe { gpu.launch(&program, "masked_error_total", launch, &args)? };
    let [output, target, mask] = [output, target, mask].map(Tensor::clone);
    Ok((error, Saved { output, target, mask, slope, channels }))
}

/// The gradient with respect to the output.
pub(super) fn of_output(saved: &Saved, gradient: &Tensor) -> Result<Tensor> {
    let Saved { output, target, mask, slope, channels } = saved;
    let gpu = &*gpu_of("masked_error", output)?;
    let (program, count) = (program(output.dtype()), output.shape().elements());
    let mut y = Tensor::uninitialised(&output.device(), output.dtype(), output.shape())?;
    let args = MaskedErrorOfOutput {
        output: program.input(output)?,
        target: program.input(target)?,
        mask: program.input(mask)?,
        gradient: program.input(gradient)?,
        slope: program.input(slope)?,
        y: program.output(&mut y)?,
        count,
        channels: (*channels).max(1),
    };
    // SAFETY: output, target and result have `count` elements, the mask one for each `channels` of
    // them; a thread for each.
    unsafe { gpu.launch(&program, "masked_error_of_output", Launch::over(count), &args)? };
    Ok(y)
}

/// The gradient with respect to the target.
pub(super) fn of_target(saved: &Saved, gradient: &Tensor) -> Result<Tensor> {
    let Saved { output, target, mask, slope, channels } = saved;
    let gpu = &*gpu_of("masked_error", output)?;
    let (program, count) = (program(output.dtype()), output.shape().elements());
    let mut y = Tensor::uninitialised(&target.device(), target.dtype(), target.shape())?;
    let args = MaskedErrorOfTarget {
        output: program.input(output)?,
        target: program.input(target)?,
        mask: program.input(mask)?,
        gradient: program.input(gradient)?,
        slope: program.input(slope)?,
        y: program.output(&mut y)?,
        count,
        channels: (*channels).max(1),
    };
    // SAFETY: as for `of_output`.
    unsafe { gpu.launch(&program, "masked_error_of_target", Launch::over(count), &args)? };
    Ok(y)
}
