//! A launch for each part, a thread for each value.

use std::ops::Range;

use tensor::gpu::{Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{DType, Result, Shape, Tensor};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/concat/concat.cu", text: include_str!("concat.cu") }];

tensor::kernels! {
    /// The kernel of `concat.cu`.
    const KERNELS;

    concat_runs => struct ConcatRuns<'a> {
        from: In<'a, Real>,
        to: Out<'a, Real>,
        places: usize,
        width: usize,
        from_width: usize,
        from_start: usize,
        to_width: usize,
        to_start: usize,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
}

/// The parts side by side, `widths` of each for every place.
pub fn join(gpu: &dyn Gpu, parts: &[&Tensor], widths: &[usize], shape: Shape) -> Result<Tensor> {
    let (dtype, width) = (parts[0].dtype(), widths.iter().sum::<usize>());
    let program = program(dtype);
    let mut joined = Tensor::uninitialised(&parts[0].device(), dtype, shape)?;
    let places = shape.elements() / width.max(1);
    let mut start = 0;
    for (part, &own) in parts.iter().zip(widths) {
        let args = ConcatRuns {
            from: program.input(part)?,
            to: program.output(&mut joined)?,
            places,
            width: own,
            from_width: own,
            from_start: 0,
            to_width: width,
            to_start: start,
        };
        // SAFETY: the part has `own` values for each place, and the result `width`, of which those of
        // the part begin where the previous part ends.
        unsafe { gpu.launch(&program, "concat_runs", Launch::over(places * own), &args)? };
        start += own;
    }
    Ok(joined)
}

/// The `run` of every `width` values.
pub fn cut(
    gpu: &dyn Gpu,
    joined: &Tensor,
    width: usize,
    run: Range<usize>,
    shape: Shape,
) -> Result<Tensor> {
    let (program, own) = (program(joined.dtype()), run.len());
    let mut part = Tensor::uninitialised(&joined.device(), joined.dtype(), shape)?;
    let places = shape.elements() / own.max(1);
    let args = ConcatRuns {
        from: program.input(joined)?,
        to: program.output(&mut part)?,
        places,
        width: own,
        from_width: width,
        from_start: run.start,
        to_width: own,
        to_start: 0,
    };
    // SAFETY: `joined` has `width` values for each place, of which the run is a part, and the result
    // has as many as the run.
    unsafe { gpu.launch(&program, "concat_runs", Launch::over(places * own), &args)? };
    Ok(part)
}
