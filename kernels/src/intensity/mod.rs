//! What augmentation does to the intensities of an image, and standardisation.
//!
//! Each function works in place on one image of `rows * columns` values, in as few passes over it
//! as the formula allows; callers run one image per thread. All are written so that the compiler
//! vectorises them for the instruction set in use, without fused multiply-add: the results have
//! the same bits with every instruction set. They prepare data and are not differentiable.
//! [`adjust`] applies all of them to a batch, on the CPU or a GPU.

mod adjust;
mod blur;
pub mod check;
pub(crate) mod cuda;
mod noise;
mod power;

use crate::simd::{self, Scalar, Simd, Vectorised};

pub use adjust::{Adjustment, Blur, adjust};
pub use blur::{blur, smoothing_kernel};
pub use noise::{Noise, add_noise};
pub use power::Power;

/// Values handled together by reductions, so that they stay in registers.
const LANES: usize = 32;

/// `scale * v + offset`: standardising, scaling and shifting, alone or in one.
pub fn affine<T: Scalar>(image: &mut [T], scale: T, offset: T) {
    struct Kernel<'a, T>(&'a mut [T], T, T);
    impl<T: Scalar> Vectorised<T> for Kernel<'_, T> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<S: Simd<Scalar = T>>(self) {
            let Kernel(image, scale, offset) = self;
            for value in image {
                *value = scale * *value + offset;
            }
        }
    }
    simd::run(Kernel(image, scale, offset));
}

/// The [`affine`] map that standardises: to mean 0 and deviation 1, as `[scale, offset]`.
pub fn standardising(mean: f64, deviation: f64) -> [f64; 2] {
    [1.0 / deviation, -mean / deviation]
}

/// Least and greatest value; of an empty image, zeros.
pub fn extremes<T: Scalar>(image: &[T]) -> [T; 2] {
    struct Kernel<'a, T>(&'a [T]);
    impl<T: Scalar> Vectorised<T> for Kernel<'_, T> {
        type Output = [T; 2];
        #[inline(always)]
        unsafe fn run<S: Simd<Scalar = T>>(self) -> [T; 2] {
            let Some(&first) = self.0.first() else { return [T::default(); 2] };
            let (blocks, rest) = self.0.as_chunks::<LANES>();
            let (mut low, mut high) = ([first; LANES], [first; LANES]);
            for block in blocks {
                for i in 0..LANES {
                    low[i] = if block[i] < low[i] { block[i] } else { low[i] };
                    high[i] = if block[i] > high[i] { block[i] } else { high[i] };
                }
            }
            let least = low.iter().chain(rest).fold(first, |a, &b| if b < a { b } else { a });
            let most = high.iter().chain(rest).fold(first, |a, &b| if b > a { b } else { a });
            [least, most]
        }
    }
    simd::run(Kernel(image))
}

/// Contrast (gamma): `((v - min) / (range + 1e-7))^gamma * range + min`, with the image's own
/// minimum and range, which it keeps.
pub fn contrast<T: Power>(image: &mut [T], gamma: f64) {
    struct Kernel<'a, T>(&'a mut [T], [T; 2], T);
    impl<T: Power> Vectorised<T> for Kernel<'_, T> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<S: Simd<Scalar = T>>(self) {
            let Kernel(image, [low, high], gamma) = self;
            let range = high - low;
            let inverse = T::from_f64(1.0) / (range + T::from_f64(1e-7));
            for value in image {
                *value = ((*value - low) * inverse).power(gamma) * range + low;
            }
        }
    }
    let extremes = extremes(image);
    simd::run(Kernel(image, extremes, T::from_f64(gamma)));
}

/// Solarisation: a value above `threshold` becomes `top` minus it.
pub fn solarise<T: Scalar>(image: &mut [T], threshold: T, top: T) {
    struct Kernel<'a, T>(&'a mut [T], T, T);
    impl<T: Scalar> Vectorised<T> for Kernel<'_, T> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<S: Simd<Scalar = T>>(self) {
            let Kernel(image, threshold, top) = self;
            for value in image {
                *value = if *value > threshold { top - *value } else { *value };
            }
        }
    }
    simd::run(Kernel(image, threshold, top));
}

#[cfg(test)]
mod tests;
