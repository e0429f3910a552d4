//! The gradient of a plan with respect to its weights, and to its bias.

use std::ops::Range;

use rayon::prelude::*;
use tensor::Buffer;

use super::moments::column_sums;
use super::pack::{OutputBlock, output_blocks};
use super::stage::{Layout, Source};
use super::tile::{WeightTile, channels_of_weight_tile, weight_tile};
use super::{BLOCK, Band, Class, Plan};
use crate::simd::{self, Scalar};

/// Adds up, over all pixels, input times gradient: `weights` becomes
/// `[kernel position, input channel, output channel]`.
///
/// `gradient` is `[images, rows, columns, channels]` over the plan's output. Returns the gradient
/// of the bias, the sum of `gradient` per channel, if `bias` asks for it.
pub fn weight_gradient<T: Scalar>(
    plan: &Plan,
    layout: &Layout,
    sources: &[Source<'_, T>],
    gradient: &[T],
    channels: usize,
    weights: &mut [T],
    bias: bool,
) -> Option<Vec<f64>> {
    let images = gradient.len() / (plan.output[0] * plan.output[1] * channels);
    let input_channels: usize = sources.iter().map(|s| s.channels).sum();
    let bands = plan.bands(images, layout.staged_channels(), size_of::<T>());
    let positions = weights.len() / (input_channels * channels);
    let padded = channels.next_multiple_of(simd::lanes::<T>());
    let job = Job { plan, layout, sources, channels, padded, input_channels, bias };

    let mut rest = gradient;
    let parts: Vec<(&Band, &[T])> = bands
        .iter()
        .map(|band| {
            let part;
            (part, rest) = rest.split_at(band.output_pixels(plan) * channels);
            (band, part)
        })
        .collect();
    let rows = positions * input_channels;
    let shares =
        shares(parts.len(), &output_blocks(padded, simd::lanes::<T>()), rows, size_of::<T>());
    let partial: Vec<(Buffer, Vec<f64>)> = shares
        .par_iter()
        .map(|share| {
            let mut sums = Buffer::zeroed::<T>(rows * share.width());
            let mut totals = vec![0.0; channels];
            for (band, gradient) in &parts[share.bands.clone()] {
                job.run(band, gradient, share, sums.as_mut_slice(), &mut totals);
            }
            (sums, totals)
        })
        .collect();

    weights.par_chunks_mut(channels).enumerate().with_min_len(64).for_each(|(row, weights)| {
        weights.fill(T::default());
        for (share, (sums, _)) in shares.iter().zip(&partial) {
            let sums = &sums.as_slice::<T>()[row * share.width()..][..share.width()];
            weights[share.first()..].iter_mut().zip(sums).for_each(|(w, &s)| *w += s);
        }
    });
    bias.then(|| {
        let mut total = vec![0.0; channels];
        for (_, bias) in &partial {
            total.iter_mut().zip(bias).for_each(|(t, b)| *t += b);
        }
        total
    })
}

/// What one task sums: some bands, and some of the output channels.
struct Share {
    bands: Range<usize>,
    outputs: Vec<OutputBlock>,
}

impl Share {
    fn first(&self) -> usize {
        self.outputs.first().map_or(0, |o| o.first)
    }

    /// Output channels, whole vectors.
    fn width(&self) -> usize {
        self.outputs.iter().map(|o| o.len).sum()
    }
}

/// Cuts the work into shares, by shape alone. Each share has sums of its own, so while weights are
/// few it is cut by bands; where they are many, adding up that many copies would cost more than
/// summing them, and it is cut by output channels instead, each share staging the input anew.
fn shares(bands: usize, outputs: &[OutputBlock], rows: usize, element: usize) -> Vec<Share> {
    /// Sums that one task holds at most, so that they stay in a core's second-level cache.
    const TASK_BYTES: usize = 1 << 20;
    /// Sums over all tasks, while there are more tasks than this number.
    const ALL_BYTES: usize = 4 << 20;
    const TASKS: usize = 8;
    let bytes = rows * outputs.iter().map(|o| o.len).sum::<usize>() * element;
    let slices = bytes.div_ceil(TASK_BYTES).clamp(1, outputs.len());
    let groups = (ALL_BYTES / bytes.max(1)).clamp(TASKS.div_ceil(slices), 64).min(bands);
    let cut = |k: usize, parts: usize, n: usize| k * n / parts..(k + 1) * n / parts;
    (0..slices * groups)
        .map(|task| Share {
            bands: cut(task / slices, groups, bands),
            outputs: outputs[cut(task % slices, slices, outputs.len())].to_vec(),
        })
        .collect()
}

struct Job<'a, T> {
    plan: &'a Plan,
    layout: &'a Layout,
    sources: &'a [Source<'a, T>],
    /// Output channels, and the same rounded up to whole vectors.
    channels: usize,
    padded: usize,
    input_channels: usize,
    bias: bool,
}

impl<T: Scalar> Job<'_, T> {
    /// One band: `gradient` holds its pixels.
    fn run(&self, band: &Band, gradient: &[T], share: &Share, sums: &mut [T], bias: &mut [f64]) {
        let rows = band.rows.len();
        let mut staged =
            Buffer::uninitialised::<T>(band.images.len() * self.layout.image_len(rows));
        self.layout.stage(self.plan, band, self.sources, &mut staged);
        if self.bias && share.first() == 0 {
            let zero = vec![T::default(); self.channels];
            let band = column_sums(gradient, self.channels, &zero, false);
            bias.iter_mut().zip(band).for_each(|(b, s)| *b += s);
        }
        let padded;
        let gradient = if self.padded == self.channels {
            gradient
        } else {
            padded = self.pad(gradient);
            padded.as_slice::<T>()
        };
        let image_gradient = gradient.len() / band.images.len();
        let images = staged.as_slice::<T>().chunks_exact(self.layout.image_len(rows));
        for (staged, gradient) in images.zip(gradient.chunks_exact(image_gradient)) {
            for class in &self.plan.classes {
                self.class_of_image(class, staged, gradient, rows, share, sums);
            }
        }
    }

    /// The gradient with whole vectors of channels.
    fn pad(&self, gradient: &[T]) -> Buffer {
        let mut padded = Buffer::zeroed::<T>(gradient.len() / self.channels * self.padded);
        let to = padded.as_mut_slice::<T>().chunks_exact_mut(self.padded);
        for (from, to) in gradient.chunks_exact(self.channels).zip(to) {
            to[..self.channels].copy_from_slice(from);
        }
        padded
    }

    fn class_of_image(
        &self,
        class: &Class,
        staged: &[T],
        gradient: &[T],
        rows: usize,
        share: &Share,
        sums: &mut [T],
    ) {
        /// Pixels over which a tile is summed at once: few enough that what all taps read of
        /// them stays in the first-level cache.
        const PIXELS: usize = 128;
        let columns = self.plan.cells()[1];
        let rows_at_once = (PIXELS / columns).max(1);
        for first in (0..rows).step_by(rows_at_once) {
            let chunk = first..rows.min(first + rows_at_once);
            self.class_of_rows(class, staged, gradient, rows, chunk, share, sums);
        }
    }

    /// All weights of one class, over a few rows of cells of one image.
    fn class_of_rows(
        &self,
        class: &Class,
        staged: &[T],
        gradient: &[T],
        rows_of_band: usize,
        rows: Range<usize>,
        share: &Share,
        sums: &mut [T],
    ) {
        let Plan { spread, output: [_, width], .. } = *self.plan;
        let level = simd::level();
        let columns = self.plan.cells()[1];
        let row_of_gradient = spread * width * self.padded;
        let pixel = class.row * width + class.column;
        let (share_first, share_width) = (share.first(), share.width());
        for output in &share.outputs {
            let gradient_start = rows.start * row_of_gradient + pixel * self.padded + output.first;
            let gradient_last = (rows.len() - 1) * row_of_gradient
                + (columns - 1) * spread * self.padded
                + output.len;
            assert!(gradient_start + gradient_last <= gradient.len(), "a tile inside its band");
            for (index, block) in self.layout.blocks().iter().enumerate() {
                for tap in &class.taps {
                    let staged_start = index * self.layout.block_len(rows_of_band)
                        + self.layout.tap_offset(tap, rows_of_band)
                        + rows.start * self.layout.cell_row_stride();
                    let mut channel = 0;
                    while channel < block.len {
                        let count =
                            channels_of_weight_tile(level, output.vectors, block.len - channel);
                        let row = tap.weight * self.input_channels + block.offset + channel;
                        let sums = &mut sums[row * share_width + output.first - share_first..];
                        assert!((count - 1) * share_width + output.len <= sums.len());
                        let staged_last = (rows.len() - 1) * self.layout.cell_row_stride()
                            + (columns - 1) * BLOCK
                            + channel
                            + count;
                        assert!(staged_start + staged_last <= staged.len());
                        // SAFETY: the extents of all three operands were just checked.
                        unsafe {
                            let tile = WeightTile {
                                staged: staged.as_ptr().add(staged_start + channel),
                                staged_row: self.layout.cell_row_stride(),
                                gradient: gradient.as_ptr().add(gradient_start),
                                gradient_stride: spread * self.padded,
                                gradient_row: row_of_gradient,
                                rows: rows.len(),
                                columns,
                                sums: sums.as_mut_ptr(),
                                sums_stride: share_width,
                            };
                            weight_tile(tile, count, output.vectors);
                        }
                        channel += count;
                    }
                }
            }
        }
    }
}
