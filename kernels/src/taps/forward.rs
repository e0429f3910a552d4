//! Every output pixel of a plan.

use rayon::prelude::*;
use tensor::Buffer;

use super::moments::{BandStatistics, ChannelStatistics};
use super::pack::{OutputBlock, Packed};
use super::stage::{Layout, Source};
use super::tile::{ForwardTile, forward_tile, widest};
use super::{Band, Class, Plan};
use crate::simd::{self, Loadable, Scalar};

/// Sums a plan over all its taps: `output` is `[images, rows, columns, channels]`.
///
/// With `measure`, returns mean and variance of every output channel, taken band by band while
/// the band is still in the cache.
pub fn convolve<T: Loadable>(
    plan: &Plan,
    layout: &Layout,
    sources: &[Source<'_, T>],
    weights: &Packed,
    bias: Option<&[T::Acc]>,
    output: &mut [T],
    measure: bool,
) -> Option<ChannelStatistics> {
    let channels = weights.outputs().iter().map(|o| o.len).sum::<usize>();
    let images = output.len() / (plan.output[0] * plan.output[1] * channels);
    let staged = layout.staged_channels();
    let bands = plan.bands(images, staged, size_of::<T>());
    let bias = padded_bias(bias, weights.outputs());
    let mut rest = output;
    let parts: Vec<(&Band, &mut [T])> = bands
        .iter()
        .map(|band| {
            let part;
            (part, rest) =
                std::mem::take(&mut rest).split_at_mut(band.output_pixels(plan) * channels);
            (band, part)
        })
        .collect();
    let job = Job { plan, layout, sources, weights, bias: &bias, channels };
    let statistics: Vec<Option<BandStatistics>> = parts
        .into_par_iter()
        .with_max_len(1)
        .map(|(band, part)| {
            job.run(band, part);
            measure.then(|| BandStatistics::of(part, channels))
        })
        .collect();
    measure.then(|| ChannelStatistics::combined(statistics.into_iter().flatten(), channels))
}

/// The same for one image of one row, where output channels are many and pixels few: a task takes a block of output
/// channels, whose weights are then read once.
pub fn convolve_by_outputs<T: Loadable>(
    plan: &Plan,
    layout: &Layout,
    source: Source<'_, T>,
    weights: &Packed,
    bias: Option<&[T::Acc]>,
    output: &mut [T],
) {
    let (outputs, pixels) = (weights.outputs(), plan.output[1]);
    let band = Band { images: 0..1, rows: 0..1 };
    let staged = layout.stage(plan, &band, &[source]);
    let bias = padded_bias(bias, outputs);
    let width = 2 * simd::lanes::<T::Acc>();
    let blocks = outputs.par_iter().zip(bias.par_chunks_exact(width)).enumerate().with_max_len(1);
    let blocks: Vec<Buffer> = blocks
        .map(|(index, (block, bias))| {
            let sources: &[Source<'_, T>] = &[];
            let job = Job { plan, layout, sources, weights, bias, channels: block.len };
            let mut part = Buffer::uninitialised::<T>(pixels * block.len);
            let (class, staged) = (&plan.classes[0], staged.as_slice());
            let (block, weights) = (OutputBlock { first: 0, ..*block }, weights.weights(0, index));
            job.class_of_image(class, &block, weights, bias, staged, 1, part.as_mut_slice());
            part
        })
        .collect();
    let channels = output.len() / pixels;
    output.par_chunks_mut(channels).enumerate().with_min_len(16).for_each(|(pixel, output)| {
        for (block, part) in outputs.iter().zip(&blocks) {
            let part = &part.as_slice()[pixel * block.len..][..block.len];
            output[block.first..][..block.len].copy_from_slice(part);
        }
    });
}

/// The bias of each output block, padded with zeros to two whole vectors.
fn padded_bias<T: Scalar>(bias: Option<&[T]>, outputs: &[OutputBlock]) -> Vec<T> {
    let width = 2 * simd::lanes::<T>();
    let mut padded = vec![T::default(); outputs.len() * width];
    if let Some(bias) = bias {
        for (output, padded) in outputs.iter().zip(padded.chunks_exact_mut(width)) {
            padded[..output.len].copy_from_slice(&bias[output.first..output.first + output.len]);
        }
    }
    padded
}

struct Job<'a, T: Loadable> {
    plan: &'a Plan,
    layout: &'a Layout,
    sources: &'a [Source<'a, T>],
    weights: &'a Packed,
    bias: &'a [T::Acc],
    channels: usize,
}

impl<T: Loadable> Job<'_, T> {
    /// One band: `output` holds its pixels.
    fn run(&self, band: &Band, output: &mut [T]) {
        let rows = band.rows.len();
        let scratch = self.layout.stage(self.plan, band, self.sources);
        let scratch = scratch.as_slice::<T>();
        let image_output = output.len() / band.images.len();
        for (index, block) in self.weights.outputs().iter().enumerate() {
            for (class_index, class) in self.plan.classes.iter().enumerate() {
                let weights = self.weights.weights::<T>(class_index, index);
                let bias = &self.bias[index * 2 * simd::lanes::<T::Acc>()..];
                let images = scratch.chunks_exact(self.layout.image_len(rows));
                for (staged, output) in images.zip(output.chunks_exact_mut(image_output)) {
                    self.class_of_image(class, block, weights, bias, staged, rows, output);
                }
            }
        }
    }

    /// All pixels of one class and output block, of one image of a band.
    fn class_of_image(
        &self,
        class: &Class,
        block: &OutputBlock,
        weights: &[T],
        bias: &[T::Acc],
        staged: &[T],
        rows: usize,
        output: &mut [T],
    ) {
        let Plan { spread, output: [_, width], .. } = *self.plan;
        let taps: Vec<usize> =
            class.taps.iter().map(|tap| self.layout.tap_offset(tap, rows)).collect();
        let blocks: Vec<usize> = self.layout.blocks().iter().map(|b| b.len).collect();
        let columns = (width - class.column).div_ceil(spread);
        let row_len = spread * width * self.channels;
        let start = (class.row * width + class.column) * self.channels + block.first;
        let widest = widest(simd::level(), block.vectors);
        let tiles = columns.div_ceil(widest);
        for row in 0..rows {
            // The last row of cells may lack its lower pixels where the output is odd.
            if row * row_len + start >= output.len() {
                break;
            }
            for tile in 0..tiles {
                let from = tile * columns / tiles;
                let pixels = (tile + 1) * columns / tiles - from;
                let first = row * row_len + start + from * spread * self.channels;
                let last = first + (pixels - 1) * spread * self.channels + block.len;
                assert!(last <= output.len(), "a tile inside its band");
                // SAFETY: the output range was just checked; the layout holds every tap of every
                // cell of the band; weights and bias were packed for this class and block.
                unsafe {
                    let tile = ForwardTile {
                        staged: staged
                            .as_ptr()
                            .add(row * self.layout.cell_row_stride() + from * super::BLOCK),
                        block_len: self.layout.block_len(rows),
                        blocks: &blocks,
                        taps: &taps,
                        weights: weights.as_ptr(),
                        bias: bias.as_ptr(),
                        output: output.as_mut_ptr().add(first),
                        output_stride: spread * self.channels,
                        len: block.len,
                    };
                    forward_tile(tile, pixels, block.vectors);
                }
            }
        }
    }
}
