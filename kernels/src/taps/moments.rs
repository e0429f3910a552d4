//! Mean and variance per channel, exact to rounding however far the mean is from zero.
//!
//! Each band is measured in two passes while it is in the cache; bands are combined in order by
//! the pairwise formula of Chan, Golub and LeVeque (1983), in double precision.

use tensor::Feature;

use crate::simd::{self, Loadable, Simd, Vectorised};

/// Mean and biased variance of every channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelStatistics {
    /// Mean per channel.
    pub mean: Vec<f64>,
    /// Mean squared distance from the mean, per channel.
    pub variance: Vec<f64>,
    /// Number of values per channel.
    pub count: usize,
}

/// Mean and summed squared distance from it, of the values of one band.
pub struct BandStatistics {
    mean: Vec<f64>,
    squares: Vec<f64>,
    count: usize,
}

impl BandStatistics {
    /// Measures `[pixels, channels]` values.
    pub fn of<T: Loadable>(values: &[T], channels: usize) -> Self {
        let count = values.len() / channels;
        let zero = vec![T::Acc::default(); channels];
        let sums = column_sums(values, channels, &zero, false);
        let mean: Vec<f64> = sums.iter().map(|s| s / count as f64).collect();
        let centre: Vec<T::Acc> = mean.iter().map(|&m| T::Acc::from_f64(m)).collect();
        let squares = column_sums(values, channels, &centre, true);
        BandStatistics { mean, squares, count }
    }
}

impl ChannelStatistics {
    /// Combines bands, in the order given.
    pub fn combined(bands: impl Iterator<Item = BandStatistics>, channels: usize) -> Self {
        let mut all =
            BandStatistics { mean: vec![0.0; channels], squares: vec![0.0; channels], count: 0 };
        for band in bands {
            let (n, m) = (all.count as f64, band.count as f64);
            for c in 0..channels {
                let distance = band.mean[c] - all.mean[c];
                all.mean[c] += distance * m / (n + m);
                all.squares[c] += band.squares[c] + distance * distance * n * m / (n + m);
            }
            all.count += band.count;
        }
        let variance = all.squares.iter().map(|s| s / all.count.max(1) as f64).collect();
        ChannelStatistics { mean: all.mean, variance, count: all.count }
    }
}

/// Per channel, the sum of `value - centre` or of its square, over `[pixels, channels]` values.
///
/// Runs of a few hundred pixels are added up in the accumulator, the runs in double precision.
pub fn column_sums<T: Loadable>(
    values: &[T],
    channels: usize,
    centre: &[T::Acc],
    square: bool,
) -> Vec<f64> {
    const RUN: usize = 256;
    let mut total = vec![0.0; channels];
    let mut run = vec![T::Acc::default(); channels];
    for values in values.chunks(RUN * channels) {
        run.fill(T::Acc::default());
        simd::run(ColumnSums { values, centre, square, sums: &mut run });
        total.iter_mut().zip(&run).for_each(|(total, run)| *total += run.to_f64());
    }
    total
}

struct ColumnSums<'a, T: Loadable> {
    values: &'a [T],
    centre: &'a [T::Acc],
    square: bool,
    sums: &'a mut [T::Acc],
}

impl<T: Loadable> Vectorised<T::Acc> for ColumnSums<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T::Acc>>(self) {
        let channels = self.sums.len();
        let pixels = self.values.len() / channels;
        assert!(self.centre.len() >= channels);
        let whole = channels - channels % S::LANES;
        for c in (0..whole).step_by(S::LANES) {
            // SAFETY: c + LANES <= channels, and every pixel holds that many values.
            unsafe {
                let zero = S::splat(T::Acc::default());
                let centre = S::load(self.centre.as_ptr().add(c));
                // Four sums at once hide the latency of an addition.
                let mut sums = [zero; 4];
                let mut from = self.values.as_ptr().add(c);
                for _ in 0..pixels / 4 {
                    for sum in &mut sums {
                        *sum = term::<T, S>(from, centre, *sum, self.square);
                        from = from.wrapping_add(channels);
                    }
                }
                for _ in 0..pixels % 4 {
                    sums[0] = term::<T, S>(from, centre, sums[0], self.square);
                    from = from.wrapping_add(channels);
                }
                let sum = S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3]));
                S::store(self.sums.as_mut_ptr().add(c), sum);
            }
        }
        for c in whole..channels {
            for pixel in 0..pixels {
                let x = self.values[pixel * channels + c].widen() - self.centre[c];
                self.sums[c] += if self.square { x * x } else { x };
            }
        }
    }
}

/// `sum` plus one value less `centre`, or its square.
///
/// # Safety
/// `from` must be valid for a vector.
#[inline(always)]
unsafe fn term<T: Loadable, S: Simd<Scalar = T::Acc>>(
    from: *const T,
    centre: S::Vector,
    sum: S::Vector,
    square: bool,
) -> S::Vector {
    // SAFETY: the caller's promise.
    unsafe {
        let x = S::sub(T::load::<S>(from), centre);
        if square { S::mul_add(x, x, sum) } else { S::add(sum, x) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_mean_costs_no_precision() {
        // Values 1e4 + {0, 1, 2}: a sum of squares in f32 would lose the variance entirely.
        let values: Vec<f32> = (0..3 * 5000).map(|i| 1e4 + (i % 3) as f32).collect();
        let bands = values.chunks(3000).map(|part| BandStatistics::of(part, 1));
        let statistics = ChannelStatistics::combined(bands, 1);
        assert_eq!(statistics.count, 15_000);
        assert!((statistics.mean[0] - 10_001.0).abs() < 1e-3, "{statistics:?}");
        assert!((statistics.variance[0] - 2.0 / 3.0).abs() < 1e-5, "{statistics:?}");
    }

    #[test]
    fn every_channel_is_measured_on_its_own() {
        let (pixels, channels) = (700, 37);
        let value = |p: usize, c: usize| ((p * (c + 3)) % 17) as f64 + c as f64;
        let values: Vec<f64> =
            (0..pixels * channels).map(|i| value(i / channels, i % channels)).collect();
        let statistics = ChannelStatistics::combined(
            values.chunks(100 * channels).map(|v| BandStatistics::of(v, channels)),
            channels,
        );
        for c in 0..channels {
            let mean = (0..pixels).map(|p| value(p, c)).sum::<f64>() / pixels as f64;
            let variance =
                (0..pixels).map(|p| (value(p, c) - mean).powi(2)).sum::<f64>() / pixels as f64;
            assert!((statistics.mean[c] - mean).abs() < 1e-12);
            assert!((statistics.variance[c] - variance).abs() < 1e-11);
        }
    }
}
