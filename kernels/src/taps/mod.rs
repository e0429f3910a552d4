//! Sums over taps: what convolutions, transposed convolutions and their gradients have in common.
//!
//! Each of them sets every output pixel to a sum, over a few *taps*, of an input pixel times a
//! matrix of weights. They differ in which input pixel a tap reads and how far neighbouring
//! outputs are spaced, which a [`Plan`] describes. One kernel then computes them all:
//!
//! 1. [`stage`]: a band of input rows is copied into a scratch that fits the cache, with zeros
//!    around it, in blocks of 16 channels. Normalisation and activation are applied on the way,
//!    and several inputs are laid side by side, so neither an activation nor a concatenation ever
//!    exists in memory.
//! 2. [`forward`]: tiles of output pixels by output channels are summed in registers.
//! 3. [`weight_gradient`]: tiles of input channels by output channels likewise, over pixels.
//!
//! Features of `bf16` are multiplied in pairs, by one instruction where there is one: neighbouring
//! channels in a sum over channels, and two images of the batch in a sum over pixels, since all taps
//! of two images are as far apart.
//!
//! Work is cut into bands by shape alone and partial sums are added in the order of the bands, so
//! results do not depend on the number of threads.

pub mod cuda;
pub mod forward;
pub mod matrix;
pub mod moments;
pub mod pack;
pub mod stage;
mod tile;
pub mod weight_gradient;

use std::ops::Range;

/// Channels per staged block: the stride between neighbouring staged pixels, known to the
/// compiler, so that a tile addresses all its pixels from one register.
pub const BLOCK: usize = 16;

/// Where a tap reads, relative to the input pixel of its output pixel's cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Rows down.
    pub row: isize,
    /// Columns to the right.
    pub column: isize,
    /// Which of the kernel's weight matrices it uses: `row * kernel columns + column`.
    pub weight: usize,
}

/// Output pixels that share their taps.
#[derive(Clone, Debug)]
pub struct Class {
    /// Row within a cell of `spread * spread` output pixels.
    pub row: usize,
    /// Column within that cell.
    pub column: usize,
    /// What is summed.
    pub taps: Vec<Tap>,
}

/// A sum over taps, for every pixel of an output image.
///
/// Cell `(i, j)` is at input pixel `(i * stride, j * stride)` and holds the output pixels
/// `(i * spread + class.row, j * spread + class.column)`.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Input pixels between neighbouring cells.
    pub stride: usize,
    /// Output pixels between neighbouring cells.
    pub spread: usize,
    /// One class for each pixel of a cell.
    pub classes: Vec<Class>,
    /// Rows and columns of the input.
    pub input: [usize; 2],
    /// Rows and columns of the output.
    pub output: [usize; 2],
}

impl Plan {
    /// Convolution with a `kernel * kernel` kernel (odd), padded by zeros so that at stride 1 the
    /// output is as large as the input.
    pub fn convolution(kernel: usize, stride: usize, input: [usize; 2]) -> Self {
        let pad = (kernel / 2) as isize;
        let taps = square(kernel).map(|(r, c, weight)| Tap {
            row: r as isize - pad,
            column: c as isize - pad,
            weight,
        });
        let classes = vec![Class { row: 0, column: 0, taps: taps.collect() }];
        let output = input.map(|n| n.div_ceil(stride));
        Plan { stride, spread: 1, classes, input, output }
    }

    /// The gradient of [`convolution`](Self::convolution) with respect to its input: reads the
    /// gradient of the output, of `input.div_ceil(stride)` pixels, and writes one of `input`.
    pub fn convolution_transposed(kernel: usize, stride: usize, input: [usize; 2]) -> Self {
        let pad = kernel / 2;
        // Output row o of the convolution reads input row o * stride + r - pad, so input row
        // i * stride + phase gets tap r from o = i + (phase + pad - r) / stride where that divides.
        let reach = |phase: usize, r: usize| {
            let distance = (phase + pad) as isize - r as isize;
            (distance.rem_euclid(stride as isize) == 0)
                .then(|| distance.div_euclid(stride as isize))
        };
        let classes = square(stride).map(|(row, column, _)| Class {
            row,
            column,
            taps: square(kernel)
                .filter_map(|(r, c, weight)| {
                    Some(Tap { row: reach(row, r)?, column: reach(column, c)?, weight })
                })
                .collect(),
        });
        let gradient = input.map(|n| n.div_ceil(stride));
        Plan {
            stride: 1,
            spread: stride,
            classes: classes.collect(),
            input: gradient,
            output: input,
        }
    }

    /// Transposed convolution with a `2 * 2` kernel at stride 2.
    pub fn upsampling(input: [usize; 2]) -> Self {
        let classes = square(2).map(|(row, column, weight)| Class {
            row,
            column,
            taps: vec![Tap { row: 0, column: 0, weight }],
        });
        let classes = classes.collect();
        Plan { stride: 1, spread: 2, classes, input, output: input.map(|n| 2 * n) }
    }

    /// The gradient of [`upsampling`](Self::upsampling) with respect to its input, of `output`
    /// pixels.
    pub fn upsampling_transposed(output: [usize; 2]) -> Self {
        let taps =
            square(2).map(|(r, c, weight)| Tap { row: r as isize, column: c as isize, weight });
        let classes = vec![Class { row: 0, column: 0, taps: taps.collect() }];
        Plan { stride: 2, spread: 1, classes, input: output.map(|n| 2 * n), output }
    }

    /// Rows and columns of cells.
    pub fn cells(&self) -> [usize; 2] {
        self.output.map(|n| n.div_ceil(self.spread))
    }

    /// Every tap of every class.
    fn taps(&self) -> impl Iterator<Item = &Tap> + Clone {
        self.classes.iter().flat_map(|class| &class.taps)
    }

    /// The range of rows that taps reach, relative to a cell's input pixel.
    fn row_reach(&self) -> Range<isize> {
        reach(self.taps().map(|tap| tap.row))
    }

    /// The range of columns that taps reach, relative to a cell's input pixel.
    fn column_reach(&self) -> Range<isize> {
        reach(self.taps().map(|tap| tap.column))
    }

    /// Splits the work into bands: complete images if they are small, rows of one image if they are
    /// large. `channels` counts staged channels, rounded up to blocks; `element` is the size of one
    /// element in bytes.
    pub fn bands(&self, images: usize, channels: usize, element: usize) -> Vec<Band> {
        self.bands_of_groups(images, 1, channels, element)
    }

    /// The same for images that are staged in groups, which a band does not divide.
    pub fn bands_of_groups(
        &self,
        images: usize,
        group: usize,
        channels: usize,
        element: usize,
    ) -> Vec<Band> {
        /// Maximum size of a band's staged input, in bytes: a part of a core's L2 cache.
        const STAGED_BYTES: usize = 256 << 10;
        /// Enough bands to keep many cores busy.
        const BANDS: usize = 32;
        let [rows, columns] = self.cells();
        let row_bytes = (columns * self.stride + 2) * self.stride * channels * element * group;
        let groups = images.div_ceil(group);
        let images = |groups: Range<usize>| groups.start * group..images.min(groups.end * group);
        let rows_per_band = (STAGED_BYTES / row_bytes.max(1)).clamp(4, rows.max(4));
        if rows_per_band >= rows {
            let fit = (STAGED_BYTES / (row_bytes * rows).max(1)).max(1);
            let per_band = fit.min(groups.div_ceil(BANDS));
            let first = (0..groups).step_by(per_band);
            let band = |i| Band { images: images(i..i + per_band), rows: 0..rows };
            return first.map(band).collect();
        }
        let parts = rows.div_ceil(rows_per_band);
        let cut = |k: usize| k * rows / parts;
        let band = |i, k| Band { images: images(i..i + 1), rows: cut(k)..cut(k + 1) };
        (0..groups).flat_map(|i| (0..parts).map(move |k| band(i, k))).collect()
    }
}

fn square(n: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..n * n).map(move |k| (k / n, k % n, k))
}

fn reach(offsets: impl Iterator<Item = isize> + Clone) -> Range<isize> {
    let low = offsets.clone().min().unwrap_or(0);
    low..offsets.max().unwrap_or(0) + 1
}

/// A part of the work: complete images, or rows of cells of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// Images of the batch.
    pub images: Range<usize>,
    /// Rows of cells in each of them.
    pub rows: Range<usize>,
}

impl Band {
    /// Output pixels of this band, which are contiguous in memory.
    pub fn output_pixels(&self, plan: &Plan) -> usize {
        let end = (self.rows.end * plan.spread).min(plan.output[0]);
        self.images.len() * (end - self.rows.start * plan.spread) * plan.output[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every (input pixel, output pixel, weight) that a plan sums, by its definition.
    fn triples(plan: &Plan) -> Vec<([usize; 2], [usize; 2], usize)> {
        let [rows, columns] = plan.cells();
        let mut found = Vec::new();
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            for class in &plan.classes {
                let out = [i * plan.spread + class.row, j * plan.spread + class.column];
                if out[0] >= plan.output[0] || out[1] >= plan.output[1] {
                    continue;
                }
                for tap in &class.taps {
                    let y = (i * plan.stride) as isize + tap.row;
                    let x = (j * plan.stride) as isize + tap.column;
                    let inside = |v: isize, n: usize| (0..n as isize).contains(&v);
                    if inside(y, plan.input[0]) && inside(x, plan.input[1]) {
                        found.push(([y as usize, x as usize], out, tap.weight));
                    }
                }
            }
        }
        found.sort_unstable();
        found
    }

    fn swapped(plan: &Plan) -> Vec<([usize; 2], [usize; 2], usize)> {
        let mut found: Vec<_> = triples(plan).into_iter().map(|(i, o, w)| (o, i, w)).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn a_transposed_plan_sums_the_same_products_the_other_way() {
        for size in [[8, 8], [7, 9], [1, 5], [2, 1]] {
            for (kernel, stride) in [(3, 1), (3, 2), (1, 1)] {
                let there = Plan::convolution(kernel, stride, size);
                let back = Plan::convolution_transposed(kernel, stride, size);
                assert_eq!(swapped(&there), triples(&back), "{kernel} {stride} {size:?}");
            }
            let (there, back) = (Plan::upsampling(size), Plan::upsampling_transposed(size));
            assert_eq!(swapped(&there), triples(&back), "upsampling {size:?}");
        }
    }

    #[test]
    fn a_convolution_reads_its_neighbours() {
        let found = triples(&Plan::convolution(3, 2, [5, 5]));
        let centre: Vec<_> = found.iter().filter(|t| t.1 == [1, 1]).map(|t| (t.0, t.2)).collect();
        let wanted: Vec<_> = (0..9).map(|k| ([1 + k / 3, 1 + k % 3], k)).collect();
        assert_eq!(centre, wanted);
    }

    #[test]
    fn bands_cover_everything_once_and_in_order() {
        for (images, size, channels) in [(8, [128, 128], 16), (3, [7, 9], 5), (70, [8, 8], 512)] {
            let plan = Plan::convolution(3, 1, size);
            let mut rows = Vec::new();
            for band in plan.bands(images, channels, 4) {
                for image in band.images {
                    rows.extend(band.rows.clone().map(|row| (image, row)));
                }
            }
            let all: Vec<_> = (0..images).flat_map(|i| (0..size[0]).map(move |r| (i, r))).collect();
            assert_eq!(rows, all);
        }
    }
}
