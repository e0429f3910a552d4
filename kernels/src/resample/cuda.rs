//! A thread for each value of the result. Positions are computed in float64, each operation rounded
//! by itself, so that nearest neighbours are those of the CPU, at ties too.

use tensor::gpu::{Gpu, In, Launch, Memory, Out, Pointee, Program, Real, Source};
use tensor::{DType, Result, Tensor};

use super::{Filter, Matrix, Padding, Sampling};
use crate::gpu::gpu_of;

/// Positions and taps, for kernels that sample.
pub(crate) const RESAMPLE: Source =
    Source { path: "kernels/src/resample/resample.cuh", text: include_str!("resample.cuh") };

const SOURCES: &[Source] = &[
    RESAMPLE,
    Source { path: "kernels/src/resample/resample.cu", text: include_str!("resample.cu") },
];

tensor::kernels! {
    /// The kernels of `resample.cu`.
    const KERNELS;

    resample_forward => struct ResampleForward<'a> {
        x: In<'a, Real>,
        maps: In<'a, Map>,
        y: Out<'a, Real>,
        rows: usize,
        columns: usize,
        channels: usize,
        target_rows: usize,
        target_columns: usize,
        map_step: usize,
        to_nearest: i64,
        border: i64,
        count: usize,
    }

    resample_labels => struct ResampleLabels<'a> {
        x: In<'a, u8>,
        maps: In<'a, Map>,
        y: Out<'a, u8>,
        rows: usize,
        columns: usize,
        target_rows: usize,
        target_columns: usize,
        map_step: usize,
        count: usize,
    }

    resample_backward => struct ResampleBackward<'a> {
        gradient: In<'a, Real>,
        maps: In<'a, Map>,
        backs: In<'a, Map>,
        out: Out<'a, Real>,
        rows: usize,
        columns: usize,
        channels: usize,
        target_rows: usize,
        target_columns: usize,
        map_step: usize,
        to_nearest: i64,
        border: i64,
        count: usize,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
}

/// A map in device memory, as [`map`] writes it.
#[derive(Clone, Copy)]
struct Map;

impl Pointee for Map {
    const CUDA: &'static str = "Map";
}

/// A [`Matrix`] as kernels read it: its last row is known.
pub(crate) fn map(matrix: &Matrix) -> [f64; 6] {
    let [[a, b, c], [d, e, f], _] = matrix.0;
    [a, b, c, d, e, f]
}

/// Maps on the device of `like`.
fn maps(matrices: impl Iterator<Item = [f64; 6]>, like: &Tensor) -> Result<Memory> {
    let maps: Vec<f64> = matrices.flatten().collect();
    Memory::from_host(&gpu_of("resample", like)?, bytemuck::cast_slice(&maps))
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
    let (program, [target_rows, target_columns]) = (program(x.dtype()), target);
    let shape = [images, target_rows, target_columns, channels];
    let count = shape.iter().product();
    let maps = maps(matrices.iter().map(map), x)?;
    let mut y = Tensor::uninitialised(&x.device(), x.dtype(), shape)?;
    let args = ResampleForward {
        x: program.input(x)?,
        maps: In::within(&maps, 0),
        y: program.output(&mut y)?,
        rows,
        columns,
        channels,
        target_rows,
        target_columns,
        map_step: step(matrices),
        to_nearest: (sampling.filter == Filter::Nearest).into(),
        border: (sampling.padding == Padding::Border).into(),
        count,
    };
    // SAFETY: there is a map for every image or one for all, and source and target are of these
    // extents; a thread for each of the target's `count` values.
    unsafe { gpu.launch(&program, "resample_forward", Launch::over(count), &args)? };
    Ok(y)
}

/// The gradient of each source pixel, from those of the target pixels that read it.
pub(super) fn backward(
    gradient: &Tensor,
    matrices: &[Matrix],
    source: [usize; 4],
    sampling: Sampling,
) -> Result<Tensor> {
    let (gpu, program) = (&*gpu_of("resample", gradient)?, program(gradient.dtype()));
    let [_, target_rows, target_columns, _] = gradient.shape().as_array().unwrap_or_default();
    let [_, rows, columns, channels] = source;
    let count = source.iter().product();
    let there = maps(matrices.iter().map(map), gradient)?;
    // Where the map has no inverse, the kernel visits all pixels of the target.
    let back = |matrix: &Matrix| matrix.inverse().map_or([f64::NAN; 6], |back| map(&back));
    let back = maps(matrices.iter().map(back), gradient)?;
    let mut out = Tensor::uninitialised(&gradient.device(), gradient.dtype(), source)?;
    let args = ResampleBackward {
        gradient: program.input(gradient)?,
        maps: In::within(&there, 0),
        backs: In::within(&back, 0),
        out: program.output(&mut out)?,
        rows,
        columns,
        channels,
        target_rows,
        target_columns,
        map_step: step(matrices),
        to_nearest: (sampling.filter == Filter::Nearest).into(),
        border: (sampling.padding == Padding::Border).into(),
        count,
    };
    // SAFETY: there are two maps for every image or two for all, and source and target are of these
    // extents; a thread for each of the source's `count` values.
    unsafe { gpu.launch(&program, "resample_backward", Launch::over(count), &args)? };
    Ok(out)
}

/// Labels of the nearest pixels.
pub(super) fn labels(
    gpu: &dyn Gpu,
    labels: &Tensor,
    matrices: &[Matrix],
    [images, rows, columns]: [usize; 3],
    [target_rows, target_columns]: [usize; 2],
) -> Result<Tensor> {
    // Labels are always u8, independent of the dtype of images.
    let program = program(DType::F32);
    let shape = [images, target_rows, target_columns];
    let count = shape.iter().product();
    let maps = maps(matrices.iter().map(map), labels)?;
    let mut y = Tensor::uninitialised(&labels.device(), DType::U8, shape)?;
    let args = ResampleLabels {
        x: program.input(labels)?,
        maps: In::within(&maps, 0),
        y: program.output(&mut y)?,
        rows,
        columns,
        target_rows,
        target_columns,
        map_step: step(matrices),
        count,
    };
    // SAFETY: as for `forward`.
    unsafe { gpu.launch(&program, "resample_labels", Launch::over(count), &args)? };
    Ok(y)
}
