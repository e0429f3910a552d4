//! Sums over taps without tensor cores: tiles of 64 output pixels by 64 channels, in any precision.

use tensor::gpu::{Acc, Gpu, In, Launch, Out, Program, Real, Source as File};
use tensor::{DType, Result, Tensor};

use super::{ARGUMENTS, Images, Input, Kind, MeasuredTiles, Taps, TileStatistics, Weights};

const FILES: &[File] = &[
    ARGUMENTS,
    File { path: "kernels/src/gpu/tile.cuh", text: include_str!("../../gpu/tile.cuh") },
    File { path: "kernels/src/taps/cuda/portable.cu", text: include_str!("portable.cu") },
];

tensor::kernel_struct! {
    /// Weights by tap, input and output channel.
    struct WeightSteps<'a> {
        first: In<'a, Acc>,
        tap_step: usize,
        input_step: usize,
        output_step: usize,
    }
}

tensor::kernels! {
    /// The kernels of `portable.cu`.
    const KERNELS;

    taps_sum => struct TapsSum<'a> {
        first: Input<'a>,
        second: Input<'a>,
        weights: WeightSteps<'a>,
        bias: In<'a, Acc>,
        y: Out<'a, Real>,
        statistics: TileStatistics<'a>,
        images: Images,
        outputs: usize,
    }

    taps_weight_spans => struct TapsWeightSpans<'a> {
        first: Input<'a>,
        second: Input<'a>,
        gradient: In<'a, Real>,
        y: Out<'a, Acc>,
        span: usize,
        images: Images,
        outputs: usize,
    }
}

/// Pixels and channels of a tile.
const TILE: usize = 64;

/// Pixels over which a block sums the gradient of a weight, at least.
const SPAN: usize = 1 << 12;

/// The program of a kind.
pub fn program(kind: Kind, dtype: DType) -> Program {
    kind.specialised(FILES, dtype).with_kernels(KERNELS)
}

/// The sum over taps, and the statistics of tiles if `measure`.
pub fn sum(
    taps: &Taps,
    gpu: &dyn Gpu,
    inputs: &[Tensor],
    weights: Weights,
    bias: Option<&Tensor>,
    outputs: usize,
    measure: bool,
) -> Result<(Tensor, Option<MeasuredTiles>)> {
    let (dtype, device) = (inputs[0].dtype(), inputs[0].device());
    let (program, [out_rows, out_columns]) = (program(taps.kind, dtype), taps.output);
    let shape = [taps.batch, out_rows, out_columns, outputs];
    let mut result = Tensor::uninitialised(&device, dtype, shape)?;
    let tiles = taps.pixels().div_ceil(TILE);
    let mut measured = measure.then(|| MeasuredTiles::new(&device, tiles, outputs)).transpose()?;
    let [first, second] = Input::pair(&program, inputs)?;
    let [tap_step, input_step, output_step] = weights.steps;
    let args = TapsSum {
        first,
        second,
        weights: WeightSteps {
            first: program.input_from(weights.tensor, weights.first)?,
            tap_step,
            input_step,
            output_step,
        },
        bias: program.optional_input(bias)?,
        y: program.output(&mut result)?,
        statistics: TileStatistics::of(&program, measured.as_mut())?,
        images: taps.images(),
        outputs,
    };
    let launch = Launch {
        blocks: [tiles.max(1) as u32, outputs.div_ceil(TILE) as u32, 1],
        threads: [Launch::THREADS, 1, 1],
        shared: 0,
    };
    // SAFETY: inputs and result are of the extents in `images`; the weights have a matrix of all input
    // channels by `outputs` for every tap, at these steps; the bias has `outputs` elements; there are
    // statistics of `outputs` channels for each block along x.
    unsafe { gpu.launch(&program, "taps_sum", launch, &args)? };
    Ok((result, measured))
}

/// Parts of the gradient of the weights, `[parts, kernel, kernel, inputs, outputs]`, and how many.
pub fn weights(
    taps: &Taps,
    gpu: &dyn Gpu,
    inputs: &[Tensor],
    gradient: &Tensor,
) -> Result<(Tensor, usize)> {
    let (dtype, device, outputs) = (gradient.dtype(), gradient.device(), gradient.shape().last());
    let kernel = taps.kind.kernel;
    let channels: usize = inputs.iter().map(|input| input.shape().last()).sum();
    let rows = kernel * kernel * channels;
    let [across, down] = [rows, outputs].map(|n| n.div_ceil(TILE));
    let (span, spans) = super::spans(taps.pixels(), SPAN, across * down);
    let program = program(taps.kind, dtype);
    let mut parts = Tensor::uninitialised(&device, dtype.accumulator(), [spans, rows, outputs])?;
    let [first, second] = Input::pair(&program, inputs)?;
    let args = TapsWeightSpans {
        first,
        second,
        gradient: program.input(gradient)?,
        y: program.output(&mut parts)?,
        span,
        images: taps.images(),
        outputs,
    };
    let launch = Launch {
        blocks: [across as u32, down as u32, spans as u32],
        threads: [Launch::THREADS, 1, 1],
        shared: 0,
    };
    // SAFETY: inputs and gradient are of the extents in `images`; there is a part, of all taps and
    // channels, for each block along z.
    unsafe { gpu.launch(&program, "taps_weight_spans", launch, &args)? };
    Ok((parts, spans))
}
