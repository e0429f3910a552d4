//! A thread for each value of the result. Positions are computed in float64, each operation rounded
//! by itself, so that nearest neighbours are those of the CPU, at ties too.

use tensor::gpu::{Address, Argument, Gpu, Launch, Program, Source};
use tensor::{Buffer, DType, Result, Tensor};

use super::{Filter, Matrix, Padding, Sampling};
use crate::gpu::{filled, gpu_of};

/// Positions and taps, for kernels that sample.
pub(crate) const RESAMPLE: Source =
    Source { path: "kernels/src/resample/resample.cuh", text: include_str!("resample.cuh") };

const SOURCES: &[Source] = &[
    RESAMPLE,
    Source { path: "kernels/src/resample/resample.cu", text: include_str!("resample.cu") },
];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// A [`Matrix`] as kernels read it: its last row is known.
pub(crate) fn map(matrix: &Matrix) -> [f64; 6] {
    let [[a, b, c], [d, e, f], _] = matrix.0;
    [a, b, c, d, e, f]
}

/// Matrices where `like` lies.
fn maps(matrices: impl Iterator<Item = [f64; 6]>, like: &Tensor) -> Result<Tensor> {
    let maps: Vec<f64> = matrices.flatten().collect();
    Tensor::from_slice(&maps, [maps.len()])?.to(&like.device())
}

fn step(matrices: &[Matrix]) -> usize {
    usize::from(matrices.len() > 1)
}

/// Samples of `x`, for a target of `[rows, columns]`.
pub(super) fn forward(
    gpu: &dyn Gpu,
    x: &Tensor,
    matrices: &[Matrix],
    [images, rows, columns, channels]: [usize; 4],
    target: [usize; 2],
    sampling: Sampling,
) -> Result<Tensor> {
    let program = Program::new(SOURCES, x.dtype());
    let shape = [images, target[0], target[1], channels];
    let count = shape.iter().product();
    let maps = maps(matrices.iter().map(map), x)?;
    let rest = arguments([rows, columns, channels], target, matrices, sampling, count);
    let launch = Launch::over(count);
    // SAFETY: there is a map for every image, and pixels are looked at within the source only.
    unsafe { filled(gpu, &program, "resample_forward", launch, &[x, &maps], shape, &rest) }
}

/// The gradient of each source pixel, from those of the target pixels that read it.
pub(super) fn backward(
    gradient: &Tensor,
    matrices: &[Matrix],
    source: [usize; 4],
    sampling: Sampling,
) -> Result<Tensor> {
    let gpu = &*gpu_of("resample", gradient)?;
    let program = Program::new(SOURCES, gradient.dtype());
    let [_, target_rows, target_columns, _] = gradient.shape().as_array().unwrap_or_default();
    let [_, rows, columns, channels] = source;
    let count = source.iter().product();
    let there = maps(matrices.iter().map(map), gradient)?;
    // Where there is no way back, all pixels of the target are looked at.
    let back = |matrix: &Matrix| matrix.inverse().map_or([f64::NAN; 6], |back| map(&back));
    let back = maps(matrices.iter().map(back), gradient)?;
    let target = [target_rows, target_columns];
    let rest = arguments([rows, columns, channels], target, matrices, sampling, count);
    let (launch, inputs) = (Launch::over(count), [gradient, &there, &back]);
    // SAFETY: as forward; the result has the source's shape.
    unsafe { filled(gpu, &program, "resample_backward", launch, &inputs, source, &rest) }
}

fn arguments(
    source: [usize; 3],
    target: [usize; 2],
    matrices: &[Matrix],
    sampling: Sampling,
    count: usize,
) -> Vec<Argument> {
    let to_nearest = usize::from(sampling.filter == Filter::Nearest);
    let border = usize::from(sampling.padding == Padding::Border);
    let rest = [step(matrices), to_nearest, border, count];
    source.into_iter().chain(target).chain(rest).map(Argument::from).collect()
}

/// Labels of the nearest pixels.
pub(super) fn labels(
    gpu: &dyn Gpu,
    labels: &Tensor,
    matrices: &[Matrix],
    [images, rows, columns]: [usize; 3],
    target: [usize; 2],
) -> Result<Tensor> {
    // Labels are bytes whatever images are stored in.
    let program = Program::new(SOURCES, DType::F32);
    let count = images * target[0] * target[1];
    let out = Buffer::stale_on(&labels.device(), DType::U8, count)?;
    let maps = maps(matrices.iter().map(map), labels)?;
    let addresses: [Address; 3] = [labels.address()?, maps.address()?, out.address()];
    let numbers = [rows, columns, target[0], target[1], step(matrices), count];
    let arguments: Vec<Argument> =
        addresses.map(Argument::from).into_iter().chain(numbers.map(Argument::from)).collect();
    // SAFETY: as forward, for bytes.
    unsafe { gpu.launch(&program, "resample_labels", Launch::over(count), &arguments)? };
    Ok(Tensor::over(out, [images, target[0], target[1]], DType::U8))
}
