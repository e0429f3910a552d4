//! The innermost loops: tiles summed in registers.

use super::BLOCK;
use crate::simd::{Level, Loadable, Simd, Vectorised};

/// The most pixels of a forward tile, so that its sums, the weights and one input fit the vector
/// registers.
pub fn widest(level: Level, vectors: usize) -> usize {
    match (level, vectors) {
        (Level::Avx512 | Level::Avx512Bf16, 2) => 14,
        (Level::Avx512 | Level::Avx512Bf16, _) => 16,
        (_, 2) => 6,
        _ => 12,
    }
}

/// A row of output pixels by one or two vectors of output channels.
#[derive(Clone, Copy)]
pub struct ForwardTile<'a, T: Loadable> {
    /// The first pixel's cell in the first staged block.
    pub staged: *const T,
    /// Elements between staged blocks.
    pub block_len: usize,
    /// Channels of each staged block.
    pub blocks: &'a [usize],
    /// Where each tap reads, relative to `staged`.
    pub taps: &'a [usize],
    /// Packed weights: `[block][tap][channel group][vectors * LANES][channel of the group]`.
    pub weights: *const T,
    /// `vectors * LANES` values that sums start from.
    pub bias: *const T::Acc,
    /// The first pixel's first output channel.
    pub output: *mut T,
    /// Elements between output pixels.
    pub output_stride: usize,
    /// Output channels to write.
    pub len: usize,
}

/// A [`ForwardTile`] of `M` pixels and `N` vectors.
struct Forward<'a, T: Loadable, const M: usize, const N: usize>(ForwardTile<'a, T>);

impl<T: Loadable, const M: usize, const N: usize> Vectorised<T::Acc> for Forward<'_, T, M, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T::Acc>>(self) {
        let tile = self.0;
        // SAFETY: `forward_tile`'s caller promises that every address below is valid: staged pixels
        // are BLOCK apart, weights are packed in the order of these loops.
        unsafe {
            let bias: [S::Vector; N] =
                std::array::from_fn(|n| S::load(tile.bias.add(n * S::LANES)));
            let mut sums = [bias; M];
            let mut weights = tile.weights;
            let mut block = tile.staged;
            for &channels in tile.blocks {
                for &tap in tile.taps {
                    let pixels = block.add(tap);
                    for channel in (0..channels).step_by(T::GROUP) {
                        let w: [T::Groups<S>; N] = std::array::from_fn(|n| {
                            T::load_groups::<S>(weights.add(n * S::LANES * T::GROUP))
                        });
                        weights = weights.add(N * S::LANES * T::GROUP);
                        for (m, sums) in sums.iter_mut().enumerate() {
                            let x = T::splat_group::<S>(pixels.add(m * BLOCK + channel));
                            for (sum, w) in sums.iter_mut().zip(w) {
                                *sum = T::add_products::<S>(x, w, *sum);
                            }
                        }
                    }
                }
                block = block.add(tile.block_len);
            }
            for (m, sums) in sums.into_iter().enumerate() {
                let output = tile.output.add(m * tile.output_stride);
                if tile.len == N * S::LANES {
                    for (n, sum) in sums.into_iter().enumerate() {
                        T::store::<S>(output.add(n * S::LANES), sum);
                    }
                } else {
                    let mut whole = [T::default(); 2 * BLOCK];
                    for (n, sum) in sums.into_iter().enumerate() {
                        T::store::<S>(whole.as_mut_ptr().add(n * S::LANES), sum);
                    }
                    std::ptr::copy_nonoverlapping(whole.as_ptr(), output, tile.len);
                }
            }
        }
    }
}

/// Sums a tile of `pixels` pixels (1 to [`widest`]) and `vectors` vectors (1 or 2).
///
/// # Safety
/// All pointers of the tile must be valid for the extents that it gives.
pub unsafe fn forward_tile<T: Loadable>(tile: ForwardTile<'_, T>, pixels: usize, vectors: usize) {
    use crate::simd::run;
    // The number of pixels must be known to the compiler for the sums to stay in registers.
    macro_rules! by_pixels {
        ($N:literal: $($M:literal)*) => {
            match pixels {
                $($M => run(Forward::<T, $M, $N>(tile)),)*
                _ => unreachable!("a tile of {pixels} pixels"),
            }
        };
    }
    match vectors {
        1 => by_pixels!(1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16),
        _ => by_pixels!(2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
    }
}

/// A few input channels by one or two vectors of output channels, summed over pixels. The elements of a group are
/// the same pixel of several images.
#[derive(Clone, Copy)]
pub struct WeightTile<T: Loadable> {
    /// The first channel of the first cell, at the tap.
    pub staged: *const T,
    /// Elements between rows of cells in the staged input.
    pub staged_row: usize,
    /// The first output channel of the first output pixel's gradient.
    pub gradient: *const T,
    /// Elements between pixels of the gradient.
    pub gradient_stride: usize,
    /// Elements between rows of cells in the gradient.
    pub gradient_row: usize,
    /// Rows of cells.
    pub rows: usize,
    /// Columns of cells.
    pub columns: usize,
    /// Where the sums are added to: `[channel][..]`.
    pub sums: *mut T::Acc,
    /// Elements between channels of the sums.
    pub sums_stride: usize,
}

/// A [`WeightTile`] of `M` input channels and `N` vectors.
struct Weights<T: Loadable, const M: usize, const N: usize>(WeightTile<T>);

impl<T: Loadable, const M: usize, const N: usize> Vectorised<T::Acc> for Weights<T, M, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T::Acc>>(self) {
        let tile = self.0;
        // SAFETY: `weight_tile`'s caller promises that every address below is valid.
        unsafe {
            let at = |m: usize, n: usize| tile.sums.add(m * tile.sums_stride + n * S::LANES);
            let mut sums: [[S::Vector; N]; M] =
                std::array::from_fn(|m| std::array::from_fn(|n| S::load(at(m, n))));
            for row in 0..tile.rows {
                let mut x = tile.staged.add(row * tile.staged_row);
                let mut g = tile.gradient.add(row * tile.gradient_row);
                for _ in 0..tile.columns {
                    let gradient: [T::Groups<S>; N] = std::array::from_fn(|n| {
                        T::load_groups::<S>(g.add(n * S::LANES * T::GROUP))
                    });
                    for (m, sums) in sums.iter_mut().enumerate() {
                        let x = T::splat_group::<S>(x.add(m * T::GROUP));
                        for (sum, g) in sums.iter_mut().zip(gradient) {
                            *sum = T::add_products::<S>(x, g, *sum);
                        }
                    }
                    x = x.wrapping_add(BLOCK * T::GROUP);
                    g = g.wrapping_add(tile.gradient_stride);
                }
            }
            for (m, sums) in sums.into_iter().enumerate() {
                for (n, sum) in sums.into_iter().enumerate() {
                    S::store(at(m, n), sum);
                }
            }
        }
    }
}

/// How many input channels the next weight tile takes, of those that remain in a block.
pub fn channels_of_weight_tile(level: Level, vectors: usize, remaining: usize) -> usize {
    let most = match (level, vectors) {
        (Level::Avx512 | Level::Avx512Bf16, 1) => 16,
        (Level::Avx512 | Level::Avx512Bf16, _) => 8,
        (_, 1) => 8,
        _ => 4,
    };
    [16, 8, 4, 2, 1].into_iter().find(|&m| m <= most && m <= remaining).unwrap_or(1)
}

/// Adds a tile of `channels` input channels and `vectors` vectors to its sums.
///
/// # Safety
/// All pointers of the tile must be valid for the extents that it gives.
pub unsafe fn weight_tile<T: Loadable>(tile: WeightTile<T>, channels: usize, vectors: usize) {
    use crate::simd::run;
    match (channels, vectors) {
        (16, 1) => run(Weights::<T, 16, 1>(tile)),
        (8, 1) => run(Weights::<T, 8, 1>(tile)),
        (4, 1) => run(Weights::<T, 4, 1>(tile)),
        (2, 1) => run(Weights::<T, 2, 1>(tile)),
        (1, 1) => run(Weights::<T, 1, 1>(tile)),
        (8, 2) => run(Weights::<T, 8, 2>(tile)),
        (4, 2) => run(Weights::<T, 4, 2>(tile)),
        (2, 2) => run(Weights::<T, 2, 2>(tile)),
        (1, 2) => run(Weights::<T, 1, 2>(tile)),
        _ => unreachable!("a weight tile of {channels} channels and {vectors} vectors"),
    }
}
