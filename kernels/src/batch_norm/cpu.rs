//! Batch normalisation on the CPU: one pass to measure, one for the sums of the gradient, one to
//! apply each.

use rayon::prelude::*;
use tensor::{Buffer, Feature, Tensor};

use super::Normalised;
use crate::simd::{self, Loadable, Simd, Vectorised};
use crate::taps::moments::{BandStatistics, ChannelStatistics};
use crate::taps::stage::Activation;

/// Elements that one task handles: a few pages, so that a second look finds them in the cache.
const CHUNK: usize = 1 << 14;

/// Elements of a chunk: whole pixels, about [`CHUNK`].
fn chunk(channels: usize) -> usize {
    (CHUNK / channels).max(16) * channels
}

pub fn moments<T: Loadable>(x: &[T], channels: usize) -> ChannelStatistics {
    let bands: Vec<BandStatistics> =
        x.par_chunks(chunk(channels)).map(|part| BandStatistics::of(part, channels)).collect();
    ChannelStatistics::combined(bands.into_iter(), channels)
}

pub fn apply<T: Loadable>(x: &[T], activation: &Activation<'_, T::Acc>) -> Buffer {
    let chunk = chunk(activation.mean.len());
    let mut out = Buffer::uninitialised::<T>(x.len());
    out.as_mut_slice::<T>()
        .par_chunks_mut(chunk)
        .zip(x.par_chunks(chunk))
        .for_each(|(out, x)| simd::run(Apply { x, activation, out }));
    out
}

struct Apply<'a, T: Loadable> {
    x: &'a [T],
    activation: &'a Activation<'a, T::Acc>,
    out: &'a mut [T],
}

impl<T: Loadable> Vectorised<T::Acc> for Apply<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T::Acc>>(self) {
        let Activation { mean, scale, shift, slope } = *self.activation;
        let channels = mean.len();
        let (whole, pixels) = (channels - channels % S::LANES, self.x.len() / channels);
        assert!(self.out.len() == self.x.len() && scale.len().min(shift.len()) >= channels);
        for c in (0..whole).step_by(S::LANES) {
            // SAFETY: c + LANES <= channels, and every pixel and vector holds that many values.
            unsafe {
                let (zero, slope) = (S::splat(T::Acc::default()), S::splat(slope));
                let [mean, scale, shift] =
                    [mean, scale, shift].map(|values| S::load(values.as_ptr().add(c)));
                for at in (0..pixels).map(|pixel| pixel * channels + c) {
                    let distance = S::sub(T::load::<S>(self.x.as_ptr().add(at)), mean);
                    let y = S::mul_add(distance, scale, shift);
                    let y = S::select_greater(y, zero, y, S::mul(y, slope));
                    T::store::<S>(self.out.as_mut_ptr().add(at), y);
                }
            }
        }
        for c in whole..channels {
            for at in (0..pixels).map(|pixel| pixel * channels + c) {
                let y = (self.x[at].widen() - mean[c]) * scale[c] + shift[c];
                self.out[at] = T::narrow(if y > T::Acc::default() { y } else { y * slope });
            }
        }
    }
}

/// Gradients of `x`, `gamma` and `beta`, each if wanted. `batch` says whether mean and variance
/// were those of `x`.
pub fn backward<T: Loadable>(
    saved: &Normalised,
    gradient: Tensor,
    batch: bool,
    wanted: &[bool],
) -> [Option<Tensor>; 3] {
    let activation = saved.activation::<T::Acc>();
    let channels = activation.mean.len();
    let x = saved.x.data::<T>();
    let count = (x.len() / channels) as f64;
    let inverse = saved.inverse_deviation.data::<T::Acc>();

    let [dbeta, distances] = sums::<T>(x, gradient.data(), &activation);
    let dgamma: Vec<f64> = distances.iter().zip(inverse).map(|(d, i)| d * i.to_f64()).collect();
    let vector = |values: &[f64]| {
        Tensor::build::<T::Acc>([channels], |out| {
            out.iter_mut().zip(values).for_each(|(out, &v)| *out = T::Acc::from_f64(v));
        })
    };
    let dx = wanted[0].then(|| {
        // Per channel, dx = scale * g + towards * (x - mean) + constant.
        let share = if batch { 1.0 / count } else { 0.0 };
        let per_channel = |value: &dyn Fn(usize) -> f64| -> Vec<T::Acc> {
            (0..channels)
                .map(|c| T::Acc::from_f64(-activation.scale[c].to_f64() * share * value(c)))
                .collect()
        };
        let towards = per_channel(&|c| inverse[c].to_f64() * dgamma[c]);
        let constant = per_channel(&|c| dbeta[c]);
        let shape = gradient.shape();
        let mut buffer = gradient.into_buffer::<T>();
        let chunk = chunk(channels);
        buffer.as_mut_slice::<T>().par_chunks_mut(chunk).zip(x.par_chunks(chunk)).for_each(
            |(gradient, x)| {
                simd::run(InputGradient {
                    x,
                    gradient,
                    activation: &activation,
                    towards: &towards,
                    constant: &constant,
                });
            },
        );
        Tensor::from_buffer::<T>(buffer, shape)
    });
    [dx, wanted[1].then(|| vector(&dgamma)), wanted[2].then(|| vector(&dbeta))]
}

/// Per channel, the sums of `g` and of `g (x - mean)`, where `g` is the gradient before the
/// activation.
fn sums<T: Loadable>(
    x: &[T],
    gradient: &[T],
    activation: &Activation<'_, T::Acc>,
) -> [Vec<f64>; 2] {
    /// Pixels that are added up in the accumulator, before their sums are in double precision: gradients
    /// cancel, and a long sum there would lose what is left of them.
    const RUN: usize = 256;
    let channels = activation.mean.len();
    let chunk = chunk(channels);
    let parts: Vec<[Vec<f64>; 2]> = x
        .par_chunks(chunk)
        .zip(gradient.par_chunks(chunk))
        .map(|(x, gradient)| {
            let mut totals = [vec![0.0; channels], vec![0.0; channels]];
            let mut sums = [vec![T::Acc::default(); channels], vec![T::Acc::default(); channels]];
            for (x, gradient) in x.chunks(RUN * channels).zip(gradient.chunks(RUN * channels)) {
                sums.iter_mut().for_each(|sums| sums.fill(T::Acc::default()));
                simd::run(GradientSums { x, gradient, activation, sums: &mut sums });
                for (total, sums) in totals.iter_mut().zip(&sums) {
                    total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum.to_f64());
                }
            }
            totals
        })
        .collect();
    let mut totals = [vec![0.0; channels], vec![0.0; channels]];
    for part in &parts {
        for (total, part) in totals.iter_mut().zip(part) {
            total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        }
    }
    totals
}

struct GradientSums<'a, T: Loadable> {
    x: &'a [T],
    gradient: &'a [T],
    activation: &'a Activation<'a, T::Acc>,
    sums: &'a mut [Vec<T::Acc>; 2],
}

impl<T: Loadable> Vectorised<T::Acc> for GradientSums<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T::Acc>>(self) {
        let Activation { mean, scale, shift, slope } = *self.activation;
        let channels = mean.len();
        let pixels = self.x.len() / channels;
        assert!(self.gradient.len() == self.x.len() && scale.len().min(shift.len()) >= channels);
        let whole = channels - channels % S::LANES;
        for c in (0..whole).step_by(S::LANES) {
            // SAFETY: c + LANES <= channels, and every pixel and vector holds that many values.
            unsafe {
                let zero = S::splat(T::Acc::default());
                let slope = S::splat(slope);
                let [mean, scale, shift] =
                    [mean, scale, shift].map(|values| S::load(values.as_ptr().add(c)));
                // Two pairs of sums hide some of the latency of adding.
                let mut sums = [[zero; 2]; 2];
                for pixel in 0..pixels {
                    let at = pixel * channels + c;
                    let distance = S::sub(T::load::<S>(self.x.as_ptr().add(at)), mean);
                    let y = S::mul_add(distance, scale, shift);
                    let g = T::load::<S>(self.gradient.as_ptr().add(at));
                    let g = S::select_greater(y, zero, g, S::mul(g, slope));
                    sums[0] = [S::add(sums[0][0], g), S::mul_add(g, distance, sums[0][1])];
                    sums.swap(0, 1);
                }
                S::store(self.sums[0].as_mut_ptr().add(c), S::add(sums[0][0], sums[1][0]));
                S::store(self.sums[1].as_mut_ptr().add(c), S::add(sums[0][1], sums[1][1]));
            }
        }
        for c in whole..channels {
            for pixel in 0..pixels {
                let at = pixel * channels + c;
                let distance = self.x[at].widen() - mean[c];
                let y = distance * scale[c] + shift[c];
                let g = self.gradient[at].widen();
                let g = if y > T::Acc::default() { g } else { g * slope };
                self.sums[0][c] += g;
                self.sums[1][c] += g * distance;
            }
        }
    }
}

/// Turns the gradient of the result into that of `x`, in place.
struct InputGradient<'a, T: Loadable> {
    x: &'a [T],
    gradient: &'a mut [T],
    activation: &'a Activation<'a, T::Acc>,
    towards: &'a [T::Acc],
    constant: &'a [T::Acc],
}

impl<T: Loadable> Vectorised<T::Acc> for InputGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T::Acc>>(self) {
        let Activation { mean, scale, shift, slope } = *self.activation;
        let (towards, constant, channels) = (self.towards, self.constant, mean.len());
        let (whole, pixels) = (channels - channels % S::LANES, self.x.len() / channels);
        assert!(
            self.gradient.len() == self.x.len() && towards.len().min(constant.len()) >= channels
        );
        for c in (0..whole).step_by(S::LANES) {
            // SAFETY: c + LANES <= channels, and every pixel and vector holds that many values.
            unsafe {
                let (zero, slope) = (S::splat(T::Acc::default()), S::splat(slope));
                let [mean, scale, shift, towards, constant] =
                    [mean, scale, shift, towards, constant].map(|v| S::load(v.as_ptr().add(c)));
                for at in (0..pixels).map(|pixel| pixel * channels + c) {
                    let distance = S::sub(T::load::<S>(self.x.as_ptr().add(at)), mean);
                    let y = S::mul_add(distance, scale, shift);
                    let g = T::load::<S>(self.gradient.as_ptr().add(at));
                    let g = S::select_greater(y, zero, g, S::mul(g, slope));
                    let moved = S::mul_add(distance, towards, constant);
                    T::store::<S>(self.gradient.as_mut_ptr().add(at), S::mul_add(g, scale, moved));
                }
            }
        }
        for c in whole..channels {
            for at in (0..pixels).map(|pixel| pixel * channels + c) {
                let distance = self.x[at].widen() - mean[c];
                let y = distance * scale[c] + shift[c];
                let g = self.gradient[at].widen();
                let g = if y > T::Acc::default() { g } else { g * slope };
                self.gradient[at] = T::narrow(g * scale[c] + distance * towards[c] + constant[c]);
            }
        }
    }
}
