//! Sums over taps on tensor cores, of features in bf16: implicit matrix products, with float32 sums.
//!
//! What differs between the network's layers is compiled into the kernels (the taps, how many output
//! channels a block has); what differs between its resolutions is the tile, a rectangle of pixels in
//! each of a few images, and an argument.

use tensor::gpu::{Acc, Gpu, In, Launch, Out, Program, Real, Source as File};
use tensor::{DType, Result, Tensor};

use super::{ARGUMENTS, Images, Input, Kind, MeasuredTiles, Taps, TileStatistics, Weights};

const CORE: File = File {
    path: "kernels/src/gpu/tensor_core.cuh",
    text: include_str!("../../gpu/tensor_core.cuh"),
};
const PATCH: File =
    File { path: "kernels/src/taps/cuda/patch.cuh", text: include_str!("patch.cuh") };
const SUM: &[File] = &[
    CORE,
    ARGUMENTS,
    PATCH,
    File { path: "kernels/src/taps/cuda/sum.cu", text: include_str!("sum.cu") },
];
const WEIGHTS: &[File] = &[
    CORE,
    ARGUMENTS,
    PATCH,
    File { path: "kernels/src/taps/cuda/weights.cu", text: include_str!("weights.cu") },
];

tensor::kernels! {
    /// The kernels of `sum.cu`.
    const SUM_KERNELS;

    taps_pack => struct TapsPack<'a> {
        weights: In<'a, Acc>,
        packed: Out<'a, Real>,
        tap_step: usize,
        input_step: usize,
        output_step: usize,
        first_channels: usize,
        second_channels: usize,
        outputs: usize,
    }

    taps_sum => struct TapsSum<'a> {
        first: Input<'a>,
        second: Input<'a>,
        packed: In<'a, Real>,
        bias: In<'a, Acc>,
        y: Out<'a, Real>,
        statistics: TileStatistics<'a>,
        images: Images,
        outputs: usize,
        tile_rows: usize,
        tile_columns: usize,
    }
}

tensor::kernels! {
    /// The kernel of `weights.cu`.
    const WEIGHTS_KERNELS;

    taps_weight_parts => struct TapsWeightParts<'a> {
        first: Input<'a>,
        second: Input<'a>,
        direct: Input<'a>,
        parts: Out<'a, Acc>,
        bias_parts: Out<'a, Acc>,
        span: usize,
        images: Images,
        tile_rows: usize,
        tile_columns: usize,
    }
}

/// Between neighbouring rows of a matrix in shared memory, so that they are in different banks.
const SKEW: usize = 8;

/// Every program of a kind.
pub fn programs(kind: Kind) -> Vec<Program> {
    let mut programs = Vec::new();
    for outputs in [16, 32, 64] {
        programs.push(Layout::of(kind, outputs).program(kind));
        if !kind.transposed {
            programs.extend([16, 64].map(|inputs| Span::of(kind, inputs, outputs).program(kind)));
        }
    }
    programs
}

/// Rows and columns of a tile of `pixels` cells, for images of `cells`. Small images share a tile.
fn tile(pixels: usize, cells: [usize; 2], step: usize) -> [usize; 2] {
    /// Narrower tiles read more pixels around them than in them.
    const LEAST: [usize; 2] = [4, 8];
    let least = LEAST[usize::from(step > 1)];
    let [rows, columns] = cells.map(|cells| cells.next_power_of_two().max(least));
    let columns = columns.min(16);
    [rows.min(pixels / columns).min(16), columns]
}

/// Pixels of the patch that a tile reads.
fn patch(kind: Kind, pixels: usize, [rows, columns]: [usize; 2]) -> usize {
    let reach = |cells: usize| match kind.transposed {
        true => cells - 1 + kind.kernel.div_ceil(kind.stride),
        false => (cells - 1) * kind.stride + kind.kernel,
    };
    pixels / (rows * columns) * reach(rows) * reach(columns)
}

/// How many tiles cover a batch of images of `cells`.
fn tiles(pixels: usize, batch: usize, cells: [usize; 2], [rows, columns]: [usize; 2]) -> usize {
    let images = pixels / (rows * columns);
    batch.div_ceil(images) * cells[0].div_ceil(rows) * cells[1].div_ceil(columns)
}

/// What a block of the forward kernel computes.
#[derive(Clone, Copy)]
struct Layout {
    warps_down: usize,
    warps_across: usize,
    /// Output channels of a warp.
    wide: usize,
    /// Input channels that are loaded at a time.
    chunk: usize,
}

impl Layout {
    /// Pixels of a warp.
    const HIGH: usize = 64;

    fn of(kind: Kind, outputs: usize) -> Self {
        // At stride 2 a tile reads four times as many pixels as it has.
        let apart = kind.stride > 1 && !kind.transposed;
        let chunk = if kind.kernel > 2 || apart { 16 } else { 32 };
        let (warps_down, warps_across, wide) = match (apart, outputs) {
            (true, ..=32) => (2, 2, 16),
            (true, _) => (2, 2, 32),
            (false, ..=16) => (4, 1, 16),
            (false, ..=32) => (4, 1, 32),
            (false, _) => (4, 1, 64),
        };
        Layout { warps_down, warps_across, wide, chunk }
    }

    fn pixels(self) -> usize {
        Self::HIGH * self.warps_down
    }

    fn columns(self) -> usize {
        self.wide * self.warps_across
    }

    fn threads(self) -> u32 {
        32 * (self.warps_down * self.warps_across) as u32
    }

    fn program(self, kind: Kind) -> Program {
        kind.specialised(SUM, DType::BF16)
            .with_kernels(SUM_KERNELS)
            .define("WARPS_DOWN", self.warps_down as i64)
            .define("WARPS_ACROSS", self.warps_across as i64)
            .define("WIDE", self.wide as i64)
            .define("CHUNK", self.chunk as i64)
    }

    /// Bytes of shared memory: two tables, then two stages of patch and weights, which the results
    /// replace in the end, with partial sums for their statistics.
    fn shared(self, kind: Kind, patch: usize) -> usize {
        let taps = kind.kernel * kind.kernel;
        let row = self.columns() + SKEW;
        let stage = patch * (self.chunk + SKEW) + taps * self.chunk * row;
        let results = 2 * self.pixels() * row + 3 * 4 * self.threads() as usize;
        4 * (patch + self.pixels()).next_multiple_of(4) + (2 * 2 * stage).max(results)
    }
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
    let (device, kind) = (inputs[0].device(), taps.kind);
    let layout = Layout::of(kind, outputs);
    let program = layout.program(kind);
    let channels = [0, 1].map(|at| inputs.get(at).map_or(0, |input| input.shape().last()));
    let packed = pack(gpu, &program, layout, kind, weights, channels, outputs)?;

    let spread = if kind.transposed { kind.stride } else { 1 };
    let cells = taps.output.map(|n| n.div_ceil(spread));
    let step = if kind.transposed { 1 } else { kind.stride };
    let tile = tile(layout.pixels(), cells, step);
    let tiles = tiles(layout.pixels(), taps.batch, cells, tile);
    let [out_rows, out_columns] = taps.output;
    let shape = [taps.batch, out_rows, out_columns, outputs];
    let mut result = Tensor::uninitialised(&device, DType::BF16, shape)?;
    let mut measured = measure.then(|| MeasuredTiles::new(&device, tiles, outputs)).transpose()?;
    let [first, second] = Input::pair(&program, inputs)?;
    let args = TapsSum {
        first,
        second,
        packed: program.input(&packed)?,
        bias: program.optional_input(bias)?,
        y: program.output(&mut result)?,
        statistics: TileStatistics::of(&program, measured.as_mut())?,
        images: taps.images(),
        outputs,
        tile_rows: tile[0],
        tile_columns: tile[1],
    };
    let launch = Launch {
        blocks: [tiles as u32, outputs.div_ceil(layout.columns()) as u32, (spread * spread) as u32],
        threads: [layout.threads(), 1, 1],
        shared: layout.shared(kind, patch(kind, layout.pixels(), tile)) as u32,
    };
    // SAFETY: inputs and result are of the extents in `images`; weights are packed for this layout and
    // these channels; the bias has `outputs` elements; there are statistics of `outputs` channels for
    // each tile; shared memory is that of the layout.
    unsafe { gpu.launch(&program, "taps_sum", launch, &args)? };
    Ok((result, measured))
}

/// Weights in the order in which blocks read them.
fn pack(
    gpu: &dyn Gpu,
    program: &Program,
    layout: Layout,
    kind: Kind,
    weights: Weights,
    channels: [usize; 2],
    outputs: usize,
) -> Result<Tensor> {
    let chunks: usize = channels.iter().map(|channels| channels.div_ceil(layout.chunk)).sum();
    let blocks = outputs.div_ceil(layout.columns()) * chunks * kind.kernel * kind.kernel;
    let count = blocks * layout.chunk * layout.columns();
    let mut packed = Tensor::uninitialised(&weights.tensor.device(), DType::BF16, [count])?;
    let [tap_step, input_step, output_step] = weights.steps;
    let args = TapsPack {
        weights: program.input_from(weights.tensor, weights.first)?,
        packed: program.output(&mut packed)?,
        tap_step,
        input_step,
        output_step,
        first_channels: channels[0],
        second_channels: channels[1],
        outputs,
    };
    let launch = Launch::blocks(blocks, layout.threads());
    // SAFETY: the weights have a matrix of all input channels by `outputs` for every tap, at these
    // steps; each block writes the weights of a tap and a chunk, of which there are `count` in all.
    unsafe { gpu.launch(program, "taps_pack", launch, &args)? };
    Ok(packed)
}

/// What a block of the weights' gradient computes.
#[derive(Clone, Copy)]
struct Span {
    /// Input channels, in sixteens.
    high: usize,
    /// Output channels.
    columns: usize,
    /// Pixels of a tile.
    pixels: usize,
}

impl Span {
    /// Blocks that keep a large device busy: two on each of 132 multiprocessors, all at once.
    const BLOCKS: usize = 264;

    fn of(kind: Kind, inputs: usize, outputs: usize) -> Self {
        let most = if kind.kernel == 1 { 4 } else { 2 };
        Span {
            high: inputs.div_ceil(16).next_power_of_two().clamp(1, most),
            columns: outputs.next_power_of_two().clamp(16, 64),
            pixels: if kind.stride > 1 { 64 } else { 128 },
        }
    }

    /// How many tiles a block sums, and how many blocks share them, where `blocks` have channels of
    /// their own: no more than run at once, since a block left over would make all wait for it.
    /// By extents alone, so that equal inputs give equal bits on every device.
    fn cut(tiles: usize, blocks: usize) -> (usize, usize) {
        let each = tiles.div_ceil((Self::BLOCKS / blocks).max(1)).max(1);
        (each, tiles.div_ceil(each))
    }

    fn inputs(self) -> usize {
        16 * self.high
    }

    fn threads(self, kind: Kind) -> u32 {
        (32 * kind.kernel * self.high) as u32
    }

    fn program(self, kind: Kind) -> Program {
        kind.specialised(WEIGHTS, DType::BF16)
            .with_kernels(WEIGHTS_KERNELS)
            .define("HIGH", self.high as i64)
            .define("COLUMNS", self.columns as i64)
            .define("PIXELS", self.pixels as i64)
    }

    /// Bytes of shared memory: three tables, then two stages of both factors.
    fn shared(self, patch: usize) -> usize {
        let stage = patch * (self.inputs() + SKEW) + self.pixels * (self.columns + SKEW);
        4 * (2 * self.pixels + patch).next_multiple_of(4) + 2 * 2 * stage
    }
}

/// Parts of the gradient of weights, `[parts, kernel, kernel, channels of tapped, channels of direct]`,
/// and of the sums of `direct` if `biased`, both still to be added.
pub struct Parts {
    /// Of weights.
    pub weights: Tensor,
    /// Of biases.
    pub biases: Option<Tensor>,
    /// How many.
    pub count: usize,
}

/// Sums over pixels of `direct` times what the taps read of `tapped` there. The kind is not a transposed
/// one: for the gradient of a transposed convolution, exchange the two.
pub fn weights(
    taps: &Taps,
    gpu: &dyn Gpu,
    tapped: &[Tensor],
    direct: &Tensor,
    biased: bool,
) -> Result<Parts> {
    let (device, kind, outputs) = (direct.device(), taps.kind, direct.shape().last());
    let channels = tapped.iter().map(|input| input.shape().last());
    let all: usize = channels.clone().sum();
    let span = Span::of(kind, channels.clone().max().unwrap_or(1), outputs);
    let program = span.program(kind);
    let tile = tile(span.pixels, taps.output, 1);
    let tiles = tiles(span.pixels, taps.batch, taps.output, tile);
    let across: usize = channels.map(|channels| channels.div_ceil(span.inputs())).sum();
    let down = outputs.div_ceil(span.columns);
    let (each, count) = Span::cut(tiles, across * down);

    let shape = [count, kind.kernel * kind.kernel, all, outputs];
    let mut weights = Tensor::uninitialised(&device, DType::F32, shape)?;
    let bias = || Tensor::uninitialised(&device, DType::F32, [count, outputs]);
    let mut biases = biased.then(bias).transpose()?;
    let [first, second] = Input::pair(&program, tapped)?;
    let args = TapsWeightParts {
        first,
        second,
        direct: Input::of(&program, direct)?,
        parts: program.output(&mut weights)?,
        bias_parts: program.optional_output(biases.as_mut())?,
        span: each,
        images: taps.images(),
        tile_rows: tile[0],
        tile_columns: tile[1],
    };
    let launch = Launch {
        blocks: [across as u32, down as u32, count as u32],
        threads: [span.threads(kind), 1, 1],
        shared: span.shared(patch(kind, span.pixels, tile)) as u32,
    };
    // SAFETY: `tapped` and `direct` are of the extents in `images`; there is a part, of all taps and
    // channels, for each block along z; shared memory is that of the layout.
    unsafe { gpu.launch(&program, "taps_weight_parts", launch, &args)? };
    Ok(Parts { weights, biases, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What GPUs of all kinds from Ampere on let a block have.
    const SHARED: usize = 99 << 10;

    #[test]
    fn blocks_of_every_layer_and_resolution_fit_every_device() {
        let kinds = [(1, 1), (1, 2), (2, 2), (3, 1), (3, 2)];
        for (kernel, stride) in kinds {
            for transposed in [false, true] {
                let kind = Kind { kernel, stride, transposed };
                let step = if transposed { 1 } else { stride };
                for side in [1, 2, 4, 5, 8, 16, 256] {
                    for outputs in [1, 32, 64, 512] {
                        let layout = Layout::of(kind, outputs);
                        let tile = tile(layout.pixels(), [side; 2], step);
                        assert!(layout.pixels().is_multiple_of(tile[0] * tile[1]));
                        let bytes = layout.shared(kind, patch(kind, layout.pixels(), tile));
                        assert!(bytes <= SHARED, "{kind:?} {side} {outputs}: {bytes}");
                        let span = Span::of(kind, 512, outputs);
                        let tile = self::tile(span.pixels, [side; 2], 1);
                        let bytes = span.shared(patch(kind, span.pixels, tile));
                        assert!(bytes <= SHARED, "weights, {kind:?} {side} {outputs}: {bytes}");
                    }
                }
            }
        }
    }

    #[test]
    fn blocks_of_spans_work_all_at_once() {
        for blocks in (1..=Span::BLOCKS).chain([512]) {
            for tiles in [1, 2, 16, 100, 264, 265, 1000, 16384] {
                let (each, count) = Span::cut(tiles, blocks);
                assert!((count - 1) * each < tiles && tiles <= count * each, "each has some");
                let all = count * blocks;
                assert!(all <= Span::BLOCKS.max(blocks), "{tiles} tiles, {blocks}: {all} at once");
            }
        }
        // 256 to 256 channels at 32 x 32, batch 32: 8 by 4 blocks, eight spans of 32 tiles.
        assert_eq!(Span::cut(256, 32), (32, 8));
    }

    #[test]
    fn tiles_are_squares_of_one_image_or_small_images_together() {
        assert_eq!(tile(256, [256, 256], 1), [16, 16]);
        assert_eq!(tile(256, [8, 8], 1), [8, 8]);
        assert_eq!(tile(256, [1, 1], 1), [4, 4]);
        assert_eq!(tile(128, [64, 64], 2), [8, 16]);
        assert_eq!(tiles(256, 32, [4, 4], [4, 4]), 2);
        let kind = Kind { kernel: 3, stride: 1, transposed: false };
        assert_eq!(patch(kind, 256, [16, 16]), 18 * 18);
    }
}
