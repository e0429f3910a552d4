//! Sampling on the CPU.
//!
//! A source is first copied into a buffer padded by [`MARGIN`] pixels on every side: zeros, or the
//! border repeated. A coordinate clamped to the padded image then reads the right values without
//! branches, and each of the four rows of taps is one contiguous load. Coordinates
//! are computed in f64, in PyTorch's order, so that f32 results carry no error of position and
//! nearest neighbours are the same at ties. There is no fused multiply-add: the results have the
//! same bits with every instruction set.

use std::ops::Range;

use super::{Matrix, Padding};
use crate::simd::{self, Scalar, Simd, Vectorised};

/// Pixels around a framed source: the furthest that four taps reach from a clamped coordinate.
const MARGIN: usize = 4;

/// Output pixels whose coordinates and weights are computed together.
const BLOCK: usize = 64;

/// An image with padding around it; its memory is reused from image to image.
#[derive(Clone, Debug, Default)]
pub struct Framed<T> {
    values: Vec<T>,
    rows: usize,
    columns: usize,
    channels: usize,
    padding: Padding,
}

impl<T: Scalar> Framed<T> {
    /// Takes in an image of `[rows, columns, channels]`, of which `write` writes one row at a
    /// time: `write(row, values)`, with `columns * channels` values.
    pub fn load(
        &mut self,
        [rows, columns, channels]: [usize; 3],
        padding: Padding,
        mut write: impl FnMut(usize, &mut [T]),
    ) {
        let (stride, margin) = ((columns + 2 * MARGIN) * channels, MARGIN * channels);
        let inner = margin..margin + columns * channels;
        let length = (rows + 2 * MARGIN) * stride;
        let same = (self.rows, self.columns, self.channels, self.padding)
            == (rows, columns, channels, padding);
        if !(same && padding == Padding::Zeros) {
            self.values.clear();
            self.values.resize(length, T::default());
        }
        (self.rows, self.columns, self.channels, self.padding) = (rows, columns, channels, padding);
        for row in 0..rows {
            let line = &mut self.values[(row + MARGIN) * stride..][..stride];
            write(row, &mut line[inner.clone()]);
            if padding == Padding::Border {
                for pixel in 0..MARGIN {
                    line.copy_within(inner.start..inner.start + channels, pixel * channels);
                    let after = inner.end + pixel * channels;
                    line.copy_within(inner.end - channels..inner.end, after);
                }
            }
        }
        if padding == Padding::Border {
            let last = (rows + MARGIN - 1) * stride;
            for row in 0..MARGIN {
                self.values.copy_within(MARGIN * stride..(MARGIN + 1) * stride, row * stride);
                self.values.copy_within(last..last + stride, last + (row + 1) * stride);
            }
        }
    }

    fn stride(&self) -> usize {
        (self.columns + 2 * MARGIN) * self.channels
    }
}

/// Source positions of the pixels of a target grid, in source pixels.
pub(super) struct Positions {
    matrix: [[f64; 3]; 3],
    source: [f64; 2],
    /// Normalised x of every target column.
    x: Vec<f64>,
    rows: usize,
}

impl Positions {
    pub(super) fn new(matrix: &Matrix, source: [usize; 2], target: [usize; 2]) -> Self {
        let x = (0..target[1]).map(|j| normalised(j, target[1])).collect();
        Positions { matrix: matrix.0, source: source.map(|n| n as f64), x, rows: target[0] }
    }

    /// Row and column in the source as functions of normalised x, along one target row.
    #[inline(always)]
    fn along(&self, row: usize) -> [Line; 2] {
        let y = normalised(row, self.rows);
        let line = |axis: usize| {
            let [a, b, c] = self.matrix[axis];
            Line { slope: a, offset: b * y + c, extent: self.source[1 - axis] }
        };
        [line(1), line(0)]
    }

    /// Row and column in the source of one target pixel.
    pub(super) fn at(&self, row: usize, column: usize) -> [f64; 2] {
        self.along(row).map(|line| line.at(self.x[column]))
    }

    /// The columns of a target row outside of which no tap touches the source. It may be a pixel
    /// too wide, never too narrow.
    fn touching(&self, row: usize) -> Range<usize> {
        let mut range = 0..self.x.len();
        for line in self.along(row) {
            let Range { start, end } = line.touching(&self.x);
            range = range.start.max(start)..range.end.min(end);
        }
        range.start..range.end.max(range.start)
    }
}

/// Centre of pixel `index` of `count` in normalised coordinates.
fn normalised(index: usize, count: usize) -> f64 {
    (2 * index + 1) as f64 / count as f64 - 1.0
}

/// One source coordinate along a row of the target.
#[derive(Clone, Copy)]
struct Line {
    slope: f64,
    offset: f64,
    extent: f64,
}

impl Line {
    /// In PyTorch's order of operations, which decides ties between nearest neighbours.
    #[inline(always)]
    fn at(&self, x: f64) -> f64 {
        ((self.slope * x + self.offset + 1.0) * self.extent - 1.0) * 0.5
    }

    fn touching(&self, x: &[f64]) -> Range<usize> {
        let (low, high) = (-2.0, self.extent + 1.0);
        let (Some(&first), Some(&last)) = (x.first(), x.last()) else { return 0..0 };
        let (start, end) = (self.at(first), self.at(last));
        let count = x.len();
        if start == end {
            return if (low..=high).contains(&start) { 0..count } else { 0..0 };
        }
        let per_column = (end - start) / (count - 1) as f64;
        let (a, b) = ((low - start) / per_column, (high - start) / per_column);
        let clamp = |v: f64| v.clamp(0.0, count as f64) as usize;
        clamp(a.min(b).floor())..clamp(a.max(b).floor() + 2.0)
    }
}

/// `floor` and fraction of `v` clamped to the padded image, without a call to the C library.
#[inline(always)]
fn split(v: f64, extent: f64) -> (i32, f64) {
    let v = v.max(-3.0).min(extent + 1.0);
    let truncated = v as i32;
    let whole = truncated - i32::from(v < f64::from(truncated));
    (whole, v - f64::from(whole))
}

/// Weights of the four taps around a point a fraction `t` past the second (Keys, *Cubic
/// convolution interpolation for digital image processing*, 1981, with a = -0.75 as PyTorch),
/// factored so that nothing cancels.
#[inline(always)]
pub(super) fn cubic<T: Scalar>(t: T) -> [T; 4] {
    let [a, b, c, one] = [-0.75, 1.25, 2.25, 1.0].map(T::from_f64);
    let s = one - t;
    let near = |d: T| (b * d - c) * d * d + one;
    [a * t * s * s, near(t), near(s), a * s * t * t]
}

/// Bicubic samples of a framed source: `out` is `[rows, columns, channels]` of the target, and
/// each sample becomes `scale * sample + offset`.
pub fn bicubic<T: Scalar>(
    source: &Framed<T>,
    matrix: &Matrix,
    target: [usize; 2],
    [scale, offset]: [T; 2],
    out: &mut [T],
) {
    let positions = Positions::new(matrix, [source.rows, source.columns], target);
    let job = Bicubic { source, positions: &positions, scale, offset, out };
    match source.channels {
        1 => simd::run::<T, _>(Channels::<1, T>(job)),
        4 => simd::run::<T, _>(Channels::<4, T>(job)),
        _ => simd::run::<T, _>(AnyChannels(job)),
    }
}

struct Bicubic<'a, T> {
    source: &'a Framed<T>,
    positions: &'a Positions,
    scale: T,
    offset: T,
    out: &'a mut [T],
}

/// The taps of a block of output pixels: index of the first tap, weights of the four columns and
/// of the four rows.
struct Taps<T> {
    first: [usize; BLOCK],
    columns: [[T; BLOCK]; 4],
    rows: [[T; BLOCK]; 4],
}

impl<T: Scalar> Taps<T> {
    #[inline(always)]
    fn new() -> Self {
        let zeros = [[T::default(); BLOCK]; 4];
        Taps { first: [0; BLOCK], columns: zeros, rows: zeros }
    }

    #[inline(always)]
    fn compute(&mut self, source: &Framed<T>, [down, along]: [Line; 2], x: &[f64]) {
        let (stride, channels) = (source.stride() as i32, source.channels as i32);
        let near = MARGIN as i32 - 1;
        for (p, &x) in x.iter().enumerate().take(BLOCK) {
            let (row, t_row) = split(down.at(x), down.extent);
            let (column, t_column) = split(along.at(x), along.extent);
            self.first[p] = ((row + near) * stride + (column + near) * channels) as usize;
            let (u, v) = (cubic(T::from_f64(t_column)), cubic(T::from_f64(t_row)));
            for k in 0..4 {
                self.columns[k][p] = u[k];
                self.rows[k][p] = v[k];
            }
        }
    }
}

impl<T: Scalar> Bicubic<'_, T> {
    /// Walks the target; `sample(values, stride, taps, out)` computes one block of pixels.
    #[inline(always)]
    fn walk(self, mut sample: impl FnMut(&[T], usize, &Taps<T>, &mut [T])) {
        let Bicubic { source, positions, scale, offset, out } = self;
        let (channels, columns) = (source.channels, positions.x.len());
        let mut taps = Taps::new();
        for (row, out) in out.chunks_exact_mut((columns * channels).max(1)).enumerate() {
            let range = match source.padding {
                Padding::Zeros => positions.touching(row),
                Padding::Border => 0..columns,
            };
            let lines = positions.along(row);
            out[..range.start * channels].fill(offset);
            out[range.end * channels..].fill(offset);
            let inside = &mut out[range.start * channels..range.end * channels];
            let blocks = inside.chunks_mut(BLOCK * channels);
            for (out, x) in blocks.zip(positions.x[range].chunks(BLOCK)) {
                taps.compute(source, lines, x);
                sample(&source.values, source.stride(), &taps, out);
                for value in out {
                    *value = scale * *value + offset;
                }
            }
        }
    }
}

/// A number of channels that the compiler knows, so that taps are vectors.
struct Channels<'a, const C: usize, T>(Bicubic<'a, T>);

impl<const C: usize, T: Scalar> Vectorised<T> for Channels<'_, C, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T>>(self) {
        self.0.walk(|values, stride, taps, out| {
            let (pixels, _) = out.as_chunks_mut::<C>();
            for (p, out) in pixels.iter_mut().enumerate() {
                let mut sums = [[T::default(); C]; 4];
                for k in 0..4 {
                    let weight = taps.rows[k][p];
                    let line = &values[taps.first[p] + k * stride..][..4 * C];
                    for t in 0..4 {
                        for c in 0..C {
                            sums[t][c] += weight * line[t * C + c];
                        }
                    }
                }
                let weights: [T; 4] = std::array::from_fn(|t| taps.columns[t][p]);
                *out = std::array::from_fn(|c| {
                    (sums[0][c] * weights[0] + sums[1][c] * weights[1])
                        + (sums[2][c] * weights[2] + sums[3][c] * weights[3])
                });
            }
        });
    }
}

/// Any number of channels.
struct AnyChannels<'a, T>(Bicubic<'a, T>);

impl<T: Scalar> Vectorised<T> for AnyChannels<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T>>(self) {
        let channels = self.0.source.channels;
        self.0.walk(|values, stride, taps, out| {
            for (p, out) in out.chunks_exact_mut(channels).enumerate() {
                out.fill(T::default());
                for k in 0..4 {
                    for t in 0..4 {
                        let weight = taps.rows[k][p] * taps.columns[t][p];
                        let tap = &values[taps.first[p] + k * stride + t * channels..][..channels];
                        for (sum, &value) in out.iter_mut().zip(tap) {
                            *sum += weight * value;
                        }
                    }
                }
            }
        });
    }
}

/// Nearest samples of `source`, `[rows, columns, channels]`, into `out`.
pub fn nearest<T: Copy + Default>(
    source: &[T],
    [rows, columns, channels]: [usize; 3],
    matrix: &Matrix,
    target: [usize; 2],
    padding: Padding,
    out: &mut [T],
) {
    let positions = Positions::new(matrix, [rows, columns], target);
    simd::run::<f64, _>(Nearest { source, channels, positions: &positions, padding, out });
}

struct Nearest<'a, T> {
    source: &'a [T],
    channels: usize,
    positions: &'a Positions,
    padding: Padding,
    out: &'a mut [T],
}

/// The coordinates are what is vectorised, hence f64 whatever is sampled.
impl<T: Copy + Default> Vectorised<f64> for Nearest<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = f64>>(self) {
        let Nearest { source, channels, positions, padding, out } = self;
        let columns = positions.x.len();
        let mut pixels = [OUTSIDE; BLOCK];
        for (row, out) in out.chunks_exact_mut((columns * channels).max(1)).enumerate() {
            let range = match padding {
                Padding::Zeros => positions.touching(row),
                Padding::Border => 0..columns,
            };
            let [down, along] = positions.along(row);
            out[..range.start * channels].fill(T::default());
            out[range.end * channels..].fill(T::default());
            let inside = &mut out[range.start * channels..range.end * channels];
            let blocks = inside.chunks_mut(BLOCK * channels);
            for (out, x) in blocks.zip(positions.x[range].chunks(BLOCK)) {
                for (pixel, &x) in pixels.iter_mut().zip(x) {
                    let row = nearest_index(down.at(x), down.extent, padding);
                    let column = nearest_index(along.at(x), along.extent, padding);
                    let inside = row >= 0 && column >= 0;
                    *pixel = if inside { row * along.extent as i32 + column } else { OUTSIDE };
                }
                pick(source, channels, &pixels, out);
            }
        }
    }
}

/// Copies the pixels of these indices.
#[inline(always)]
fn pick<T: Copy + Default>(source: &[T], channels: usize, pixels: &[i32], out: &mut [T]) {
    if channels == 1 {
        for (out, &pixel) in out.iter_mut().zip(pixels) {
            *out = source.get(pixel as usize).copied().unwrap_or_default();
        }
        return;
    }
    for (out, &pixel) in out.chunks_exact_mut(channels).zip(pixels) {
        match usize::try_from(pixel) {
            Ok(pixel) => out.copy_from_slice(&source[pixel * channels..][..channels]),
            Err(_) => out.fill(T::default()),
        }
    }
}

/// The index that stands for no pixel: as `usize`, beyond the end of any array.
const OUTSIDE: i32 = -1;

/// Index of the nearest pixel, halves to the even one as IEEE rounding has it; negative outside.
#[inline(always)]
pub(super) fn nearest_index(position: f64, extent: f64, padding: Padding) -> i32 {
    /// Adding and subtracting it rounds to an integer, without a call to the C library.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let last = extent - 1.0;
    let [low, high] = match padding {
        Padding::Zeros => [-1.0, extent],
        Padding::Border => [0.0, last],
    };
    let rounded = position.max(low).min(high) + ROUND - ROUND;
    if rounded <= last { rounded as i32 } else { OUTSIDE }
}
