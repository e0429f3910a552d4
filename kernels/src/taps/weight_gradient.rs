//! The gradient of a plan with respect to its weights, and to its bias.

use std::ops::Range;

use rayon::prelude::*;
use tensor::Buffer;

use super::moments::column_sums;
use super::pack::{OutputBlock, output_blocks};
use super::stage::{Layout, Source, interleave};
use super::tile::{WeightTile, channels_of_weight_tile, weight_tile};
use super::{BLOCK, Band, Class, Plan};
use crate::simd::{self, Loadable};

/// Adds up, over all pixels, input times gradient: `weights` becomes
/// `[kernel position, input channel, output channel]`.
///
/// `gradient` is `[images, rows, columns, channels]` over the plan's output. Returns the gradient
/// of the bias, the sum of `gradient` per channel, if `bias` asks for it.
pub fn weight_gradient<T: Loadable>(
    plan: &Plan,
    layout: &Layout,
    sources: &[Source<'_, T>],
    gradient: &[T],
    channels: usize,
    weights: &mut [T::Acc],
    bias: bool,
) -> Option<Vec<f64>> {
    let images = gradient.len() / (plan.output[0] * plan.output[1] * channels);
    let input_channels: usize = sources.iter().map(|s| s.channels).sum();
    let bands = plan.bands_of_groups(images, T::GROUP, layout.staged_channels(), size_of::<T>());
    let positions = weights.len() / (input_channels * channels);
    let lanes = simd::lanes::<T::Acc>();
    let padded = channels.next_multiple_of(lanes);
    let job = Job { plan, layout, sources, gradient, channels, padded, input_channels, bias };

    let rows = positions * input_channels;
    let outputs = output_blocks(padded, lanes);
    let shares = shares(bands.len(), &outputs, rows, size_of::<T::Acc>());
    let partial: Vec<(Buffer, Vec<f64>)> = shares
        .par_iter()
        .with_max_len(1)
        .map(|share| {
            let mut sums = Buffer::zeroed::<T::Acc>(rows * share.width());
            let mut totals = vec![0.0; channels];
            for band in &bands[share.bands.clone()] {
                job.run(band, share, sums.as_mut_slice(), &mut totals);
            }
            (sums, totals)
        })
        .collect();

    weights.par_chunks_mut(channels).enumerate().with_min_len(64).for_each(|(row, weights)| {
        weights.fill(T::Acc::default());
        for (share, (sums, _)) in shares.iter().zip(&partial) {
            let sums = &sums.as_slice::<T::Acc>()[row * share.width()..][..share.width()];
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

struct Job<'a, T: Loadable> {
    plan: &'a Plan,
    layout: &'a Layout,
    sources: &'a [Source<'a, T>],
    gradient: &'a [T],
    /// Output channels, and the same rounded up to whole vectors.
    channels: usize,
    padded: usize,
    input_channels: usize,
    bias: bool,
}

/// The gradient of some rows of one image, or of a group of images element beside element.
#[derive(Clone, Copy)]
struct Gradient<'a, T> {
    data: &'a [T],
    /// The output channel that a pixel begins with.
    first: usize,
    /// Channels of a pixel.
    channels: usize,
}

impl<'a, T: Loadable> Job<'a, T> {
    fn run(&self, band: &Band, share: &Share, sums: &mut [T::Acc], bias: &mut [f64]) {
        let rows = band.rows.len();
        let staged = self.layout.stage_groups(self.plan, band, self.sources);
        if self.bias && share.first() == 0 {
            let zero = vec![T::Acc::default(); self.channels];
            for part in self.contiguous(band) {
                let part = column_sums(part, self.channels, &zero, false);
                bias.iter_mut().zip(part).for_each(|(b, s)| *b += s);
            }
        }
        let copied =
            (T::GROUP > 1 || self.padded > self.channels).then(|| self.grouped(band, share));
        let group_len = T::GROUP * self.layout.image_len(rows);
        for (index, staged) in staged.as_slice::<T>().chunks_exact(group_len).enumerate() {
            let gradient = match &copied {
                Some(copied) => {
                    let all = copied.as_slice::<T>();
                    let group = all.len() / band.images.len().div_ceil(T::GROUP);
                    let data = &all[index * group..][..group];
                    Gradient { data, first: share.first(), channels: share.width() }
                }
                None => {
                    let data = self.of_image(band, band.images.start + index);
                    Gradient { data, first: 0, channels: self.channels }
                }
            };
            for class in &self.plan.classes {
                self.class_of_group(class, staged, gradient, rows, share, sums);
            }
        }
    }

    /// The gradient of the band's rows of one image.
    fn of_image(&self, band: &Band, image: usize) -> &'a [T] {
        let Plan { spread, output: [height, width], .. } = *self.plan;
        let [start, end] = [band.rows.start, band.rows.end].map(|row| (row * spread).min(height));
        let row_len = width * self.channels;
        &self.gradient[(image * height + start) * row_len..(image * height + end) * row_len]
    }

    /// The gradient of the band: whole images at once, or the rows of each.
    fn contiguous(&self, band: &Band) -> Vec<&'a [T]> {
        let images = band.images.clone();
        let len = self.gradient.len() / self.images();
        match self.of_image(band, images.start).len() == len {
            true => vec![&self.gradient[images.start * len..images.end * len]],
            false => images.map(|image| self.of_image(band, image)).collect(),
        }
    }

    fn images(&self) -> usize {
        self.gradient.len() / (self.plan.output[0] * self.plan.output[1] * self.channels)
    }

    /// The gradient of the band in groups of images, of the share's channels: whole vectors of them,
    /// `[group][pixel][channel][image]`.
    fn grouped(&self, band: &Band, share: &Share) -> Buffer {
        let (first, width) = (share.first(), share.width());
        let there = first..self.channels.min(first + width);
        let groups = band.images.len().div_ceil(T::GROUP);
        let pixels = self.of_image(band, band.images.start).len() / self.channels;
        let is_filled = there.len() == width && band.images.len().is_multiple_of(T::GROUP);
        let mut grouped = match is_filled {
            true => Buffer::uninitialised::<T>(groups * pixels * width * T::GROUP),
            false => Buffer::zeroed::<T>(groups * pixels * width * T::GROUP),
        };
        let of_groups = grouped.as_mut_slice::<T>().chunks_exact_mut(pixels * width * T::GROUP);
        for (group, grouped) in of_groups.enumerate() {
            let image = band.images.start + group * T::GROUP;
            let images: Vec<&[T]> = (image..band.images.end.min(image + T::GROUP))
                .map(|image| self.of_image(band, image))
                .collect();
            if width == self.channels {
                interleave(&images, grouped);
                continue;
            }
            for (pixel, to) in grouped.chunks_exact_mut(width * T::GROUP).enumerate() {
                let of_pixel = |image: &&'a [T]| &image[pixel * self.channels..][there.clone()];
                interleave(&images.iter().map(of_pixel).collect::<Vec<_>>(), to);
            }
        }
        grouped
    }

    fn class_of_group(
        &self,
        class: &Class,
        staged: &[T],
        gradient: Gradient<'_, T>,
        rows: usize,
        share: &Share,
        sums: &mut [T::Acc],
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

    /// All weights of one class, over a few rows of cells of one group of images.
    fn class_of_rows(
        &self,
        class: &Class,
        staged: &[T],
        gradient: Gradient<'_, T>,
        rows_of_band: usize,
        rows: Range<usize>,
        share: &Share,
        sums: &mut [T::Acc],
    ) {
        let Plan { spread, output: [_, width], .. } = *self.plan;
        let level = simd::level();
        let columns = self.plan.cells()[1];
        let row_of_gradient = spread * width * gradient.channels;
        let pixel = class.row * width + class.column;
        let (share_first, share_width) = (share.first(), share.width());
        for output in &share.outputs {
            let gradient_start =
                rows.start * row_of_gradient + pixel * gradient.channels + output.first
                    - gradient.first;
            let gradient_last = (rows.len() - 1) * row_of_gradient
                + (columns - 1) * spread * gradient.channels
                + output.len;
            let gradient_end = T::GROUP * (gradient_start + gradient_last);
            assert!(gradient_end <= gradient.data.len(), "a tile inside its band");
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
                        assert!(T::GROUP * (staged_start + staged_last) <= staged.len());
                        // SAFETY: the extents of all three operands were just checked.
                        unsafe {
                            let tile = WeightTile {
                                staged: staged.as_ptr().add(T::GROUP * (staged_start + channel)),
                                staged_row: T::GROUP * self.layout.cell_row_stride(),
                                gradient: gradient.data.as_ptr().add(T::GROUP * gradient_start),
                                gradient_stride: T::GROUP * spread * gradient.channels,
                                gradient_row: T::GROUP * row_of_gradient,
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
