//! Staging: a band of input rows in a scratch that fits the cache.

use std::ops::Range;

use tensor::Buffer;

use super::{BLOCK, Band, Plan, Tap};
use crate::simd::{self, Scalar, Simd, Vectorised};

/// What a tap reads: one of the tensors that are laid side by side along channels.
#[derive(Clone, Copy)]
pub struct Source<'a, T> {
    /// `[images, rows, columns, channels]`.
    pub data: &'a [T],
    /// Channels of this source.
    pub channels: usize,
    /// Applied to every element as it is read.
    pub activation: Option<Activation<'a, T>>,
}

/// Normalisation and leaky ReLU: `y = (x - mean) * scale + shift`, then `y` or `slope * y`.
#[derive(Clone, Copy)]
pub struct Activation<'a, T> {
    /// Per channel.
    pub mean: &'a [T],
    /// Per channel.
    pub scale: &'a [T],
    /// Per channel.
    pub shift: &'a [T],
    /// Factor of negative values.
    pub slope: T,
}

/// A run of at most [`BLOCK`] channels of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelBlock {
    /// Which source.
    pub source: usize,
    /// First channel within the source.
    pub first: usize,
    /// First channel within all sources laid side by side.
    pub offset: usize,
    /// Number of channels.
    pub len: usize,
}

/// Cuts sources of the given channel counts into blocks; none spans two sources.
pub fn channel_blocks(channels: &[usize]) -> Vec<ChannelBlock> {
    let mut blocks = Vec::new();
    let mut offset = 0;
    for (source, &channels) in channels.iter().enumerate() {
        for first in (0..channels).step_by(BLOCK) {
            let len = BLOCK.min(channels - first);
            blocks.push(ChannelBlock { source, first, offset: offset + first, len });
        }
        offset += channels;
    }
    blocks
}

/// How a band is laid out in the scratch: `[image][block][plane][row][column][BLOCK]`, with one
/// plane for each column modulo the stride, so that neighbouring cells are always [`BLOCK`]
/// elements apart.
pub struct Layout {
    blocks: Vec<ChannelBlock>,
    stride: usize,
    row_reach: Range<isize>,
    column_reach: Range<isize>,
    /// Columns of one plane.
    columns: usize,
}

impl Layout {
    /// The layout of a plan's bands for sources of the given channel counts.
    pub fn new(plan: &Plan, channels: &[usize]) -> Self {
        let (row_reach, column_reach) = (plan.row_reach(), plan.column_reach());
        let all = (plan.cells()[1] - 1) * plan.stride + column_reach.len();
        Layout {
            blocks: channel_blocks(channels),
            stride: plan.stride,
            row_reach,
            column_reach,
            columns: all.div_ceil(plan.stride),
        }
    }

    /// The channel blocks, in order.
    pub fn blocks(&self) -> &[ChannelBlock] {
        &self.blocks
    }

    /// Channels as they are staged: whole blocks.
    pub fn staged_channels(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    fn staged_rows(&self, rows: usize) -> usize {
        (rows - 1) * self.stride + self.row_reach.len()
    }

    fn row_len(&self) -> usize {
        self.columns * BLOCK
    }

    fn plane_len(&self, rows: usize) -> usize {
        self.staged_rows(rows) * self.row_len()
    }

    /// Elements of one block of one image of a band with this many rows of cells.
    pub fn block_len(&self, rows: usize) -> usize {
        self.stride * self.plane_len(rows)
    }

    /// Elements of one image.
    pub fn image_len(&self, rows: usize) -> usize {
        self.blocks.len() * self.block_len(rows)
    }

    /// Elements between neighbouring rows of cells.
    pub fn cell_row_stride(&self) -> usize {
        self.stride * self.row_len()
    }

    /// Where a tap of the band's first cell reads, within a block.
    pub fn tap_offset(&self, tap: &Tap, rows: usize) -> usize {
        let row = (tap.row - self.row_reach.start) as usize;
        let column = (tap.column - self.column_reach.start) as usize;
        let (plane, column) = (column % self.stride, column / self.stride);
        plane * self.plane_len(rows) + row * self.row_len() + column * BLOCK
    }

    /// Copies a band into a scratch, applying activations and putting zeros outside the image.
    pub fn stage<T: Scalar>(
        &self,
        plan: &Plan,
        band: &Band,
        sources: &[Source<'_, T>],
        scratch: &mut Buffer,
    ) {
        let rows = band.rows.len();
        let scratch = scratch.as_mut_slice::<T>();
        let images = scratch.chunks_exact_mut(self.image_len(rows));
        for (image, staged) in band.images.clone().zip(images) {
            for (block, staged) in
                self.blocks.iter().zip(staged.chunks_exact_mut(self.block_len(rows)))
            {
                for row in 0..self.staged_rows(rows) {
                    let y = (band.rows.start * self.stride + row) as isize + self.row_reach.start;
                    simd::run(StageRow {
                        layout: self,
                        plan,
                        source: &sources[block.source],
                        block,
                        image,
                        y,
                        plane_len: self.plane_len(rows),
                        staged: &mut staged[row * self.row_len()..],
                    });
                }
            }
        }
    }
}

/// Stages one row of one block.
struct StageRow<'a, T> {
    layout: &'a Layout,
    plan: &'a Plan,
    source: &'a Source<'a, T>,
    block: &'a ChannelBlock,
    image: usize,
    y: isize,
    plane_len: usize,
    /// The block from this row on, all planes.
    staged: &'a mut [T],
}

impl<T: Scalar> Vectorised<T> for StageRow<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T>>(self) {
        let Layout { stride, columns, .. } = *self.layout;
        let [height, width] = self.plan.input;
        let source_row = (0..height as isize).contains(&self.y).then(|| {
            let start = (self.image * height + self.y as usize) * width * self.source.channels;
            &self.source.data[start..start + width * self.source.channels]
        });
        for plane in 0..stride {
            let staged = &mut self.staged[plane * self.plane_len..][..columns * BLOCK];
            let Some(source_row) = source_row else {
                staged.fill(T::default());
                continue;
            };
            // Staged column c of this plane shows input column first + c * stride.
            let first = plane as isize + self.layout.column_reach.start;
            let before = ((-first).max(0) as usize).div_ceil(stride).min(columns);
            let inside = (width as isize - first).max(0) as usize;
            let end = inside.div_ceil(stride).clamp(before, columns);
            staged[..before * BLOCK].fill(T::default());
            staged[end * BLOCK..].fill(T::default());
            if before == end {
                continue;
            }
            let x = (first + (before * stride) as isize) as usize;
            let from = &source_row[x * self.source.channels + self.block.first..];
            let step = stride * self.source.channels;
            let to = &mut staged[before * BLOCK..end * BLOCK];
            // SAFETY: `to` holds end - before pixels of BLOCK channels; `from` starts at the first
            // of as many source pixels `step` apart, each with `block.len` channels.
            unsafe { copy_pixels::<S>(from, step, to, self.block, self.source.activation) };
        }
    }
}

/// # Safety
/// `from` must hold `to.len() / BLOCK` pixels, `step` elements apart, of `block.len` channels.
#[inline(always)]
unsafe fn copy_pixels<S: Simd>(
    from: &[S::Scalar],
    step: usize,
    to: &mut [S::Scalar],
    block: &ChannelBlock,
    activation: Option<Activation<'_, S::Scalar>>,
) {
    let whole = block.len == BLOCK;
    match activation {
        None if whole => {
            for (pixel, to) in to.chunks_exact_mut(BLOCK).enumerate() {
                let from = &from[pixel * step..pixel * step + BLOCK];
                for lane in (0..BLOCK).step_by(S::LANES) {
                    // SAFETY: both slices hold BLOCK elements, a multiple of LANES.
                    unsafe {
                        S::store(to.as_mut_ptr().add(lane), S::load(from.as_ptr().add(lane)))
                    };
                }
            }
        }
        None => {
            for (pixel, to) in to.chunks_exact_mut(BLOCK).enumerate() {
                let from = &from[pixel * step..pixel * step + block.len];
                to[..block.len].copy_from_slice(from);
            }
        }
        Some(a) if whole => {
            let channels = block.first..block.first + BLOCK;
            let mean = &a.mean[channels.clone()];
            let scale = &a.scale[channels.clone()];
            let shift = &a.shift[channels];
            // One vector of channels at a time keeps its constants in registers.
            for lane in (0..BLOCK).step_by(S::LANES) {
                // SAFETY: mean, scale and shift hold BLOCK elements, `to` whole pixels, and every
                // source pixel BLOCK channels, as this function requires.
                unsafe {
                    let mean = S::load(mean.as_ptr().add(lane));
                    let scale = S::load(scale.as_ptr().add(lane));
                    let shift = S::load(shift.as_ptr().add(lane));
                    let (slope, zero) = (S::splat(a.slope), S::splat(S::Scalar::default()));
                    for pixel in 0..to.len() / BLOCK {
                        let x = S::load(from.as_ptr().add(pixel * step + lane));
                        let y = S::mul_add(S::sub(x, mean), scale, shift);
                        let y = S::select_greater(y, zero, y, S::mul(y, slope));
                        S::store(to.as_mut_ptr().add(pixel * BLOCK + lane), y);
                    }
                }
            }
        }
        Some(a) => {
            for (pixel, to) in to.chunks_exact_mut(BLOCK).enumerate() {
                let from = &from[pixel * step..pixel * step + block.len];
                for (channel, (&x, to)) in from.iter().zip(to).enumerate() {
                    let c = block.first + channel;
                    let y = (x - a.mean[c]) * a.scale[c] + a.shift[c];
                    *to = if y > S::Scalar::default() { y } else { y * a.slope };
                }
            }
        }
    }
}
