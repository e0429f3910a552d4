//! Sums over taps without tensor cores: tiles of 64 output pixels by 64 channels, in any precision.

use tensor::gpu::{Address, Argument, Gpu, Launch, Program, Source as File};
use tensor::{Buffer, DType, Result, Tensor};

use super::{Kind, Taps, TileMoments, Weights, sources};

const FILES: &[File] = &[
    File { path: "kernels/src/gpu/tile.cuh", text: include_str!("../../gpu/tile.cuh") },
    File { path: "kernels/src/taps/cuda/portable.cu", text: include_str!("portable.cu") },
];

/// Pixels and channels of a tile.
const TILE: usize = 64;

/// Pixels over which a block sums the gradient of a weight, at least.
const SPAN: usize = 1 << 12;

/// The program of a kind.
pub fn program(kind: Kind, dtype: DType) -> Program {
    kind.specialised(FILES, dtype)
}

/// The sum over taps, and the moments of tiles if `measure`.
pub fn sum(
    taps: &Taps,
    gpu: &dyn Gpu,
    inputs: &[Tensor],
    weights: Weights,
    bias: Option<&Tensor>,
    outputs: usize,
    measure: bool,
) -> Result<(Tensor, Option<TileMoments>)> {
    let (dtype, device) = (inputs[0].dtype(), inputs[0].device());
    let [out_rows, out_columns] = taps.output;
    let result = Buffer::stale_on(&device, dtype, taps.pixels() * outputs)?;
    let tiles = taps.pixels().div_ceil(TILE);
    let moments = measure.then(|| TileMoments::new(&device, tiles, outputs)).transpose()?;
    let mut arguments = sources(inputs)?;
    arguments.push(weights.first.into());
    arguments.extend(weights.steps.map(Argument::from));
    arguments.push(bias.map_or(Ok(Address::NULL), Tensor::address)?.into());
    arguments.push(result.address().into());
    arguments.extend(TileMoments::arguments(moments.as_ref()));
    arguments.extend(taps.extents(outputs));
    let launch = Launch {
        blocks: [tiles.max(1) as u32, outputs.div_ceil(TILE) as u32, 1],
        threads: [Launch::THREADS, 1, 1],
        shared: 0,
    };
    // SAFETY: tensors are of the extents that the arguments say; each thread writes pixels of its
    // own, and each block moments of its own.
    unsafe { gpu.launch(&program(taps.kind, dtype), "taps_sum", launch, &arguments)? };
    let shape = [taps.batch, out_rows, out_columns, outputs];
    Ok((Tensor::over(result, shape, dtype), moments))
}

/// Parts of the gradient of the weights, `[parts, kernel, kernel, inputs, outputs]`, and how many.
pub fn weights(
    taps: &Taps,
    gpu: &dyn Gpu,
    inputs: &[Tensor],
    gradient: &Tensor,
) -> Result<(Buffer, usize)> {
    let (dtype, device, outputs) = (gradient.dtype(), gradient.device(), gradient.shape().last());
    let kernel = taps.kind.kernel;
    let channels: usize = inputs.iter().map(|input| input.shape().last()).sum();
    let rows = kernel * kernel * channels;
    let [across, down] = [rows, outputs].map(|n| n.div_ceil(TILE));
    let (span, spans) = super::spans(taps.pixels(), SPAN, across * down);
    let parts = Buffer::stale_on(&device, dtype.wide(), spans * rows * outputs)?;
    let mut arguments = sources(inputs)?;
    arguments.extend([gradient.address()?, parts.address()].map(Argument::from));
    arguments.push(span.into());
    arguments.extend(taps.extents(outputs));
    let launch = Launch {
        blocks: [across as u32, down as u32, spans as u32],
        threads: [Launch::THREADS, 1, 1],
        shared: 0,
    };
    // SAFETY: tensors are of the extents that the arguments say; each thread writes elements of its
    // own, in the part of its span.
    unsafe { gpu.launch(&program(taps.kind, dtype), "taps_weight_spans", launch, &arguments)? };
    Ok((parts, spans))
}
