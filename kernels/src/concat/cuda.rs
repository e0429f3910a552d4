//! A launch for each part, a thread for each value.

use std::ops::Range;

use tensor::gpu::{Address, Gpu, Launch, Program, Source};
use tensor::{Buffer, DType, Result, Shape, Tensor};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/concat/concat.cu", text: include_str!("concat.cu") }];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// A run of so many of every so many values.
struct Runs {
    address: Address,
    width: usize,
    start: usize,
}

/// Copies `width` values for each of `places`.
///
/// # Safety
/// Both hold so many runs, and those written do not overlap.
unsafe fn copy(
    gpu: &dyn Gpu,
    dtype: DType,
    places: usize,
    width: usize,
    from: Runs,
    to: Runs,
) -> Result<()> {
    let sizes = [places, width, from.width, from.start, to.width, to.start].map(Into::into);
    let arguments = [&[from.address.into(), to.address.into()], &sizes[..]].concat();
    let launch = Launch::over(places * width);
    // SAFETY: as the caller has it.
    unsafe { gpu.launch(&Program::new(SOURCES, dtype), "concat_runs", launch, &arguments) }
}

/// The parts side by side, `widths` of each for every place.
pub fn join(gpu: &dyn Gpu, parts: &[&Tensor], widths: &[usize], shape: Shape) -> Result<Tensor> {
    let (dtype, width) = (parts[0].dtype(), widths.iter().sum::<usize>());
    let joined = Buffer::stale_on(&parts[0].device(), dtype, shape.elements())?;
    let places = shape.elements() / width.max(1);
    let mut start = 0;
    for (part, &own) in parts.iter().zip(widths) {
        let from = Runs { address: part.address()?, width: own, start: 0 };
        let to = Runs { address: joined.address(), width, start };
        // SAFETY: the part has `own` values for each place, and its runs begin where the last end.
        unsafe { copy(gpu, dtype, places, own, from, to)? };
        start += own;
    }
    Ok(Tensor::over(joined, shape, dtype))
}

/// The `run` of every `width` values.
pub fn cut(
    gpu: &dyn Gpu,
    joined: &Tensor,
    width: usize,
    run: Range<usize>,
    shape: Shape,
) -> Result<Tensor> {
    let (dtype, own) = (joined.dtype(), run.len());
    let part = Buffer::stale_on(&joined.device(), dtype, shape.elements())?;
    let from = Runs { address: joined.address()?, width, start: run.start };
    let to = Runs { address: part.address(), width: own, start: 0 };
    let places = shape.elements() / own.max(1);
    // SAFETY: `joined` has `width` values for each place, of which the run is a part.
    unsafe { copy(gpu, dtype, places, own, from, to)? };
    Ok(Tensor::over(part, shape, dtype))
}
