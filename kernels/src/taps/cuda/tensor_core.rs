//! Sums over taps on tensor cores, of features in bf16: implicit matrix products, with float32 sums.
//!
//! What differs between the network's layers is compiled into the kernels (the taps, how many output
//! channels a block has); what differs between its resolutions is the tile, a rectangle of pixels in
//! each of a few images, and an argument.

use tensor::gpu::{Address, Argument, Gpu, Launch, Program, Source as File};
use tensor::{Buffer, DType, Result, Tensor};

use super::{Kind, Taps, TileMoments, Weights, sources};

const CORE: File = File {
    path: "kernels/src/gpu/tensor_core.cuh",
    text: include_str!("../../gpu/tensor_core.cuh"),
};
const PATCH: File =
    File { path: "kernels/src/taps/cuda/patch.cuh", text: include_str!("patch.cuh") };
const SUM: &[File] =
    &[CORE, PATCH, File { path: "kernels/src/taps/cuda/sum.cu", text: include_str!("sum.cu") }];
const WEIGHTS: &[File] = &[
    CORE,
    PATCH,
    File { path: "kernels/src/taps/cuda/weights.cu", text: include_str!("weights.cu") },
];

/// Between neighbouring rows of a matrix in shared memory, so that they lie in different banks.
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

/// Rows and columns of a tile of so many cells, for images of `cells`. Small images share a tile.
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
    /// Input channels that are brought at a time.
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
            .with("WARPS_DOWN", self.warps_down as i64)
            .with("WARPS_ACROSS", self.warps_across as i64)
            .with("WIDE", self.wide as i64)
            .with("CHUNK", self.chunk as i64)
    }

    /// Bytes of shared memory: two tables, then two stages of patch and weights, in whose place the
    /// results lie in the end, with what measuring them takes.
    fn shared(self, kind: Kind, patch: usize) -> usize {
        let taps = kind.kernel * kind.kernel;
        let row = self.columns() + SKEW;
        let stage = patch * (self.chunk + SKEW) + taps * self.chunk * row;
        let results = 2 * self.pixels() * row + 3 * 4 * self.threads() as usize;
        4 * (patch + self.pixels()).next_multiple_of(4) + (2 * 2 * stage).max(results)
    }
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
    let result = Buffer::stale_on(&device, DType::BF16, taps.pixels() * outputs)?;
    let moments = measure.then(|| TileMoments::new(&device, tiles, outputs)).transpose()?;

    let mut arguments = sources(inputs)?;
    arguments.push(packed.address().into());
    arguments.push(bias.map_or(Ok(Address::NULL), Tensor::address)?.into());
    arguments.push(result.address().into());
    arguments.extend(TileMoments::arguments(moments.as_ref()));
    arguments.extend(taps.extents(outputs));
    arguments.extend(tile.map(Argument::from));
    let launch = Launch {
        blocks: [tiles as u32, outputs.div_ceil(layout.columns()) as u32, (spread * spread) as u32],
        threads: [layout.threads(), 1, 1],
        shared: layout.shared(kind, patch(kind, layout.pixels(), tile)) as u32,
    };
    // SAFETY: tensors are of the extents that the arguments say, weights are packed for this layout;
    // each block writes pixels, channels and moments of its own, and has the memory that it shares.
    unsafe { gpu.launch(&program, "taps_sum", launch, &arguments)? };
    let [out_rows, out_columns] = taps.output;
    let shape = [taps.batch, out_rows, out_columns, outputs];
    Ok((Tensor::over(result, shape, DType::BF16), moments))
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
) -> Result<Buffer> {
    let chunks: usize = channels.iter().map(|channels| channels.div_ceil(layout.chunk)).sum();
    let blocks = outputs.div_ceil(layout.columns()) * chunks * kind.kernel * kind.kernel;
    let count = blocks * layout.chunk * layout.columns();
    let packed = Buffer::stale_on(&weights.device, DType::BF16, count)?;
    let mut arguments = vec![weights.first.into(), packed.address().into()];
    arguments.extend(weights.steps.map(Argument::from));
    arguments.extend([channels[0], channels[1], outputs].map(Argument::from));
    let launch = Launch::blocks(blocks, layout.threads());
    // SAFETY: weights are of the taps, channels and steps that the arguments say; each block writes
    // the weights of a tap and a chunk.
    unsafe { gpu.launch(program, "taps_pack", launch, &arguments)? };
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
    /// their own: no more than there is room for, since one that is left over makes all wait for it.
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
            .with("HIGH", self.high as i64)
            .with("COLUMNS", self.columns as i64)
            .with("PIXELS", self.pixels as i64)
    }

    /// Bytes of shared memory: three tables, then two stages of patch and what stands still.
    fn shared(self, patch: usize) -> usize {
        let stage = patch * (self.inputs() + SKEW) + self.pixels * (self.columns + SKEW);
        4 * (2 * self.pixels + patch).next_multiple_of(4) + 2 * 2 * stage
    }
}

/// Parts of the gradient of weights, `[parts, kernel, kernel, channels of moving, channels of still]`,
/// and of the sums of what stands still if `biased`, both still to be added.
pub struct Parts {
    /// Of weights.
    pub weights: Buffer,
    /// Of biases.
    pub biases: Option<Buffer>,
    /// How many.
    pub count: usize,
}

/// Sums over pixels of `still` times what the taps read of `moving` there. The kind is no transposed
/// one: where that is wanted, the two change places.
pub fn weights(
    taps: &Taps,
    gpu: &dyn Gpu,
    moving: &[Tensor],
    still: &Tensor,
    biased: bool,
) -> Result<Parts> {
    let (device, kind, outputs) = (still.device(), taps.kind, still.shape().last());
    let channels = moving.iter().map(|input| input.shape().last());
    let all: usize = channels.clone().sum();
    let span = Span::of(kind, channels.clone().max().unwrap_or(1), outputs);
    let tile = tile(span.pixels, taps.output, 1);
    let tiles = tiles(span.pixels, taps.batch, taps.output, tile);
    let across: usize = channels.map(|channels| channels.div_ceil(span.inputs())).sum();
    let down = outputs.div_ceil(span.columns);
    let (each, count) = Span::cut(tiles, across * down);

    let elements = count * kind.kernel * kind.kernel * all * outputs;
    let weights = Buffer::stale_on(&device, DType::F32, elements)?;
    let biases =
        biased.then(|| Buffer::stale_on(&device, DType::F32, count * outputs)).transpose()?;
    let mut arguments = sources(moving)?;
    arguments.extend_from_slice(&sources(std::slice::from_ref(still))?[..6]);
    arguments.push(weights.address().into());
    arguments.push(biases.as_ref().map_or(Address::NULL, Buffer::address).into());
    arguments.push(each.into());
    arguments.extend_from_slice(&taps.extents(outputs)[..5]);
    arguments.extend(tile.map(Argument::from));
    let launch = Launch {
        blocks: [across as u32, down as u32, count as u32],
        threads: [span.threads(kind), 1, 1],
        shared: span.shared(patch(kind, span.pixels, tile)) as u32,
    };
    // SAFETY: tensors are of the extents that the arguments say; each thread writes elements of its
    // own, in the part of its span, and blocks have the memory that they share.
    unsafe { gpu.launch(&span.program(kind), "taps_weight_parts", launch, &arguments)? };
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
