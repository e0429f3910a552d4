//! Gaussian noise: counter-based, so that a pixel's noise depends on nothing but its name.

use tensor::random::{Purpose, philox};

use super::power::log2;
use crate::simd::{self, Scalar, Simd, Vectorised};

/// Names the noise of one image: which stream, and how strong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Seed of the run.
    pub seed: u64,
    /// Epoch.
    pub epoch: u32,
    /// Sample: each view of each image has its own.
    pub sample: u32,
    /// Standard deviation; the mean is 0.
    pub deviation: f64,
}

/// Pixels that are computed together: four from each block of Philox.
const BLOCK: usize = 64;

/// Adds noise to an image: normal numbers by Box and Muller (1958) from Philox blocks, four
/// pixels to a block, in f32.
pub fn add_noise<T: Scalar>(image: &mut [T], noise: &Noise) {
    struct Kernel<'a, T>(&'a mut [T], Noise);
    impl<T: Scalar> Vectorised<T> for Kernel<'_, T> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<S: Simd<Scalar = T>>(self) {
            let Kernel(image, noise) = self;
            for (i, pixels) in image.chunks_mut(BLOCK).enumerate() {
                let values = normals(&noise, (i * BLOCK / 4) as u32);
                for (pixel, value) in pixels.iter_mut().zip(values) {
                    *pixel += T::from_f64(noise.deviation * f64::from(value));
                }
            }
        }
    }
    simd::run(Kernel(image, *noise));
}

/// `BLOCK` standard normal numbers, from the Philox block `first` on.
#[inline(always)]
fn normals(noise: &Noise, first: u32) -> [f32; BLOCK] {
    const QUARTER: usize = BLOCK / 4;
    let key = [noise.seed as u32, (noise.seed >> 32) as u32];
    let mut bits = [[0; QUARTER]; 4];
    for i in 0..QUARTER {
        let block = first.wrapping_add(i as u32);
        let words = philox([block, Purpose::NOISE.number(), noise.epoch, noise.sample], key);
        for (row, word) in bits.iter_mut().zip(words) {
            row[i] = word;
        }
    }
    let mut out = [0.0; BLOCK];
    for (pair, out) in out.chunks_exact_mut(2 * QUARTER).enumerate() {
        let (cosines, sines) = out.split_at_mut(QUARTER);
        for i in 0..QUARTER {
            let radius = (-2.0 * std::f32::consts::LN_2 * log2(open(bits[2 * pair][i]))).sqrt();
            let (sine, cosine) = turn(bits[2 * pair + 1][i]);
            cosines[i] = radius * cosine;
            sines[i] = radius * sine;
        }
    }
    out
}

/// A number above 0 and below 1, from the upper 23 bits.
#[inline(always)]
fn open(bits: u32) -> f32 {
    ((bits >> 9) as i32 as f32 + 0.5) * (1.0 / (1 << 23) as f32)
}

/// Sine and cosine of an angle uniform over the full turn: the upper two bits choose the quadrant,
/// the rest an angle of -45 to 45 degrees about its middle.
#[inline(always)]
fn turn(bits: u32) -> (f32, f32) {
    let fraction = ((bits << 2) >> 9) as i32 as f32 * (1.0 / (1 << 23) as f32) - 0.5;
    let a = fraction * std::f32::consts::FRAC_PI_2;
    let q = a * a;
    let s = a * (1.0 - q * (1.0 / 6.0 - q * (1.0 / 120.0 - q * (1.0 / 5040.0))));
    let c = 1.0 - q * (0.5 - q * (1.0 / 24.0 - q * (1.0 / 720.0 - q * (1.0 / 40_320.0))));
    let quadrant = bits >> 30;
    let (s, c) = if quadrant & 1 == 0 { (s, c) } else { (c, -s) };
    if quadrant & 2 == 0 { (s, c) } else { (-s, -c) }
}
