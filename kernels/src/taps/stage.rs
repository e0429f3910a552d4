//! Staging: a band of input rows in a scratch that fits the cache.

use std::ops::Range;

use tensor::Buffer;

use super::{BLOCK, Band, Plan, Tap};
use crate::simd::{self, Loadable, Simd, Vectorised};

/// What a tap reads: one of the tensors that are laid side by side along channels.
#[derive(Clone, Copy)]
pub struct Source<'a, T: Loadable> {
    /// `[images, rows, columns, channels]`.
    pub data: &'a [T],
    /// Channels of this source.
    pub channels: usize,
    /// Applied to every element as it is read.
    pub activation: Option<Activation<'a, T::Acc>>,
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
/// elements apart. Lengths and offsets are in elements, or in groups of images where these are staged
/// as one.
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

    /// Copies a band, applying activations and putting zeros outside the image.
    pub fn stage<T: Loadable>(
        &self,
        plan: &Plan,
        band: &Band,
        sources: &[Source<'_, T>],
    ) -> Buffer {
        let rows = band.rows.len();
        let mut scratch = Buffer::uninitialised::<T>(band.images.len() * self.image_len(rows));
        let images = scratch.as_mut_slice::<T>().chunks_exact_mut(self.image_len(rows));
        for (image, staged) in band.images.clone().zip(images) {
            for row in 0..self.staged_rows(rows) {
                simd::run(StageRow {
                    layout: self,
                    plan,
                    sources,
                    image,
                    y: self.input_row(band, row),
                    block_len: self.block_len(rows),
                    plane_len: self.plane_len(rows),
                    staged: &mut staged[row * self.row_len()..],
                });
            }
        }
        scratch
    }

    /// The same for images in groups of [`GROUP`](Loadable::GROUP), element beside element:
    /// `[group][block][plane][row][column][BLOCK][image]`, with zeros for images that the last group lacks.
    pub fn stage_groups<T: Loadable>(
        &self,
        plan: &Plan,
        band: &Band,
        sources: &[Source<'_, T>],
    ) -> Buffer {
        if T::GROUP == 1 {
            return self.stage(plan, band, sources);
        }
        let (rows, row_len) = (band.rows.len(), self.row_len());
        let groups = band.images.len().div_ceil(T::GROUP);
        let mut scratch = Buffer::uninitialised::<T>(T::GROUP * groups * self.image_len(rows));
        // A row of each image: `[image][block][plane][column][BLOCK]`.
        let all_planes = self.blocks.len() * self.stride * row_len;
        let mut apart = Buffer::zeroed::<T>(T::GROUP * all_planes);
        let apart = apart.as_mut_slice::<T>();
        let staged = scratch.as_mut_slice::<T>().chunks_exact_mut(T::GROUP * self.image_len(rows));
        for (first, staged) in band.images.clone().step_by(T::GROUP).zip(staged) {
            let images = first..band.images.end.min(first + T::GROUP);
            if images.len() < T::GROUP {
                apart.fill(T::default());
            }
            for row in 0..self.staged_rows(rows) {
                for (image, apart) in images.clone().zip(apart.chunks_exact_mut(all_planes)) {
                    simd::run(StageRow {
                        layout: self,
                        plan,
                        sources,
                        image,
                        y: self.input_row(band, row),
                        block_len: self.stride * row_len,
                        plane_len: row_len,
                        staged: apart,
                    });
                }
                let planes = staged.chunks_exact_mut(T::GROUP * self.plane_len(rows));
                for (plane, staged) in planes.enumerate() {
                    let staged = &mut staged[T::GROUP * row * row_len..][..T::GROUP * row_len];
                    let of_images = apart.chunks_exact(all_planes);
                    let of_plane = of_images.map(|image| &image[plane * row_len..][..row_len]);
                    interleave(&of_plane.collect::<Vec<_>>(), staged);
                }
            }
        }
        scratch
    }

    /// The input row of a row of the scratch; it may be outside the image.
    fn input_row(&self, band: &Band, row: usize) -> isize {
        (band.rows.start * self.stride + row) as isize + self.row_reach.start
    }
}

/// Element beside element of the rows of a group. If the group lacks some, their elements stay as they are.
pub fn interleave<T: Loadable>(rows: &[&[T]], out: &mut [T]) {
    simd::run(Interleave { rows, out });
}

struct Interleave<'a, T> {
    rows: &'a [&'a [T]],
    out: &'a mut [T],
}

impl<T: Loadable> Vectorised<T::Acc> for Interleave<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T::Acc>>(self) {
        match self.rows {
            // As one loop over pairs it becomes vector instructions.
            [a, b] if T::GROUP == 2 => {
                let pairs = self.out.as_chunks_mut::<2>().0.iter_mut().zip(a.iter().zip(*b));
                pairs.for_each(|(pair, (&a, &b))| *pair = [a, b]);
            }
            rows => {
                for (k, row) in rows.iter().enumerate() {
                    let out = self.out[k..].iter_mut().step_by(T::GROUP);
                    out.zip(*row).for_each(|(out, &x)| *out = x);
                }
            }
        }
    }
}

/// Stages one row of one image, all channels: what is read lies together.
struct StageRow<'a, T: Loadable> {
    layout: &'a Layout,
    plan: &'a Plan,
    sources: &'a [Source<'a, T>],
    image: usize,
    /// The input row; it may be outside the image.
    y: isize,
    /// Elements between blocks, and between planes of a block.
    block_len: usize,
    plane_len: usize,
    /// From the row's first element in the first block.
    staged: &'a mut [T],
}

impl<T: Loadable> Vectorised<T::Acc> for StageRow<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T::Acc>>(self) {
        let Layout { stride, columns, .. } = *self.layout;
        let [height, width] = self.plan.input;
        let is_inside = (0..height as isize).contains(&self.y);
        for (index, block) in self.layout.blocks.iter().enumerate() {
            let source = &self.sources[block.source];
            for plane in 0..stride {
                let start = index * self.block_len + plane * self.plane_len;
                let staged = &mut self.staged[start..][..columns * BLOCK];
                if !is_inside {
                    staged.fill(T::default());
                    continue;
                }
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
                let row = (self.image * height + self.y as usize) * width;
                let x = (first + (before * stride) as isize) as usize;
                let from = &source.data[(row + x) * source.channels + block.first..];
                let step = stride * source.channels;
                let to = &mut staged[before * BLOCK..end * BLOCK];
                // SAFETY: `to` holds end - before pixels of BLOCK channels; `from` starts at the first
                // of as many source pixels `step` apart, each with `block.len` channels.
                unsafe { copy_pixels::<T, S>(from, step, to, block, source.activation) };
            }
        }
    }
}

/// # Safety
/// `from` must hold `to.len() / BLOCK` pixels, `step` elements apart, of `block.len` channels.
#[inline(always)]
unsafe fn copy_pixels<T: Loadable, S: Simd<Scalar = T::Acc>>(
    from: &[T],
    step: usize,
    to: &mut [T],
    block: &ChannelBlock,
    activation: Option<Activation<'_, T::Acc>>,
) {
    let whole = block.len == BLOCK;
    if !block.len.is_multiple_of(T::GROUP) {
        // The group is multiplied whole, by weights of zero.
        to[block.len..].iter_mut().step_by(BLOCK).for_each(|next| *next = T::default());
    }
    match activation {
        None if whole => {
            for (pixel, to) in to.chunks_exact_mut(BLOCK).enumerate() {
                let from = &from[pixel * step..pixel * step + BLOCK];
                to.copy_from_slice(from);
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
                    let (slope, zero) = (S::splat(a.slope), S::splat(T::Acc::default()));
                    for pixel in 0..to.len() / BLOCK {
                        let x = T::load::<S>(from.as_ptr().add(pixel * step + lane));
                        let y = S::mul_add(S::sub(x, mean), scale, shift);
                        let y = S::select_greater(y, zero, y, S::mul(y, slope));
                        T::store::<S>(to.as_mut_ptr().add(pixel * BLOCK + lane), y);
                    }
                }
            }
        }
        Some(a) => {
            for (pixel, to) in to.chunks_exact_mut(BLOCK).enumerate() {
                let from = &from[pixel * step..pixel * step + block.len];
                for (channel, (x, to)) in from.iter().zip(to).enumerate() {
                    let c = block.first + channel;
                    let y = (x.widen() - a.mean[c]) * a.scale[c] + a.shift[c];
                    *to = T::narrow(if y > T::Acc::default() { y } else { y * a.slope });
                }
            }
        }
    }
}
