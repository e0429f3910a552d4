//! Counter-based random numbers: Philox 4x32-10.
//!
//! Source: Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2, 3* (SC 2011).
//! A stream has no state to save: (seed, purpose, epoch, sample) always gives the same numbers, on
//! any thread, in any order, and after a resume.

use std::convert::Infallible;

use rand::TryRng;

/// What random numbers are drawn for. Streams of different purposes are independent.
///
/// The constants here belong to this library. An application defines its own with other numbers:
///
/// ```
/// use tensor::random::{Purpose, Stream};
/// const DROPOUT: Purpose = Purpose::new(100);
/// let drawn = Stream::new(42, DROPOUT, 0, 0).uniform(0.0, 1.0);
/// assert_eq!(drawn, Stream::new(42, DROPOUT, 0, 0).uniform(0.0, 1.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Purpose(u32);

impl Purpose {
    /// Initial weights of networks.
    pub const WEIGHTS: Purpose = Purpose(0);
    /// Noise added to images.
    pub const NOISE: Purpose = Purpose(3);
    /// Patches hidden by a patch mask.
    pub const MASK: Purpose = Purpose(4);
    /// Inputs of tests and benchmarks.
    pub const CHECK: Purpose = Purpose(7);

    /// The purpose with this number.
    pub const fn new(number: u32) -> Self {
        Purpose(number)
    }

    /// Its number, as kernels that draw on the device take it.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A stream of random numbers. Also a generator for the distributions of the `rand` crates.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    /// Block number, purpose, epoch, sample.
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream for a purpose, an epoch (or step) and a sample (or tensor).
    pub fn new(seed: u64, purpose: Purpose, epoch: u32, sample: u32) -> Self {
        let key = [seed as u32, (seed >> 32) as u32];
        Stream { key, counter: [0, purpose.number(), epoch, sample], block: [0; 4], used: 4 }
    }

    fn next(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Number of 32-bit words drawn so far, modulo 2³².
    pub fn position(&self) -> u32 {
        self.counter[0].wrapping_mul(4).wrapping_sub(4).wrapping_add(self.used as u32)
    }

    /// Uniform in `[low, high)`, with 53 random bits.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        let bits = (u64::from(self.next()) << 32 | u64::from(self.next())) >> 11;
        low + (high - low) * (bits as f64 / (1u64 << 53) as f64)
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform(0.0, 1.0) < probability
    }

    /// A uniform integer in `0..n`.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.uniform(0.0, 1.0) * n as f64) as usize).min(n - 1)
    }

    /// A standard normal number. Source: Box and Muller (1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(0.0, 1.0)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(0.0, 1.0)).cos()
    }

    /// Permutes `items` uniformly (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.next()) | u64::from(self.next()) << 32)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Ten rounds of Philox 4x32 on one counter: four random words.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers from the authors' Random123 distribution (`kat_vectors`).
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn streams_repeat_and_differ_in_every_coordinate() {
        let draw = |seed, purpose, epoch, sample| Stream::new(seed, purpose, epoch, sample).next();
        let first = draw(1, Purpose::NOISE, 2, 3);
        assert_eq!(first, draw(1, Purpose::NOISE, 2, 3));
        for other in [
            draw(2, Purpose::NOISE, 2, 3),
            draw(1, Purpose::MASK, 2, 3),
            draw(1, Purpose::NOISE, 3, 3),
            draw(1, Purpose::NOISE, 2, 4),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn normal_numbers_have_the_mean_and_kurtosis_of_a_normal() {
        let mut stream = Stream::new(7, Purpose::CHECK, 0, 0);
        let values: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let fourth = values.iter().map(|v| v.powi(4)).sum::<f64>() / 1e5;
        // Standard errors: 0.003 of the mean, 0.03 of the fourth moment (variance 96).
        assert!(mean.abs() < 0.015 && (fourth - 3.0).abs() < 0.15, "{mean} {fourth}");
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut items: Vec<usize> = (0..100).collect();
        Stream::new(3, Purpose::CHECK, 0, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
