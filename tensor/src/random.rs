//! Counter-based random numbers: Philox 4x32-10.
//!
//! Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2, 3* (SC 2011). A stream
//! is named, not advanced: (seed, purpose, epoch, sample) gives the same numbers on every thread,
//! in every order, and after a resume.

use std::convert::Infallible;

use rand::TryRng;

/// What random numbers are drawn for; streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Starting values of weights.
    Weights = 0,
    /// The order in which samples are visited.
    Order = 1,
    /// Geometry and intensity of augmented views.
    Augmentation = 2,
    /// Noise added to views.
    Noise = 3,
    /// Patches hidden in masked image modelling.
    Mask = 4,
    /// Subjects held out or given labels.
    Split = 5,
    /// Drawn cohorts.
    Phantom = 6,
    /// Checks and benchmarks.
    Check = 7,
    /// Resamples of results.
    Bootstrap = 8,
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    /// Block number, purpose, epoch, sample.
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream of a purpose, at an epoch (or step) and for a sample (or tensor).
    pub fn new(seed: u64, purpose: Purpose, epoch: u32, sample: u32) -> Self {
        let key = [seed as u32, (seed >> 32) as u32];
        Stream { key, counter: [0, purpose as u32, epoch, sample], block: [0; 4], used: 4 }
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

    /// How many words of it were used.
    pub fn position(&self) -> u32 {
        self.counter[0].wrapping_mul(4).wrapping_sub(4).wrapping_add(self.used as u32)
    }

    /// A number from `low` up to but not including `high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        let bits = (u64::from(self.next()) << 32 | u64::from(self.next())) >> 11;
        low + (high - low) * (bits as f64 / (1u64 << 53) as f64)
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform(0.0, 1.0) < probability
    }

    /// A whole number below `n`, each equally likely; `n` must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.uniform(0.0, 1.0) * n as f64) as usize).min(n - 1)
    }

    /// A standard normal number (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(0.0, 1.0)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(0.0, 1.0)).cos()
    }

    /// Reorders `items`, every order equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// For the distributions of the `rand` crates.
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

/// Ten rounds of Philox on one counter.
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
    fn streams_are_named_and_independent() {
        let draw = |seed, purpose, epoch, sample| Stream::new(seed, purpose, epoch, sample).next();
        let first = draw(1, Purpose::Noise, 2, 3);
        assert_eq!(first, draw(1, Purpose::Noise, 2, 3));
        for other in [
            draw(2, Purpose::Noise, 2, 3),
            draw(1, Purpose::Mask, 2, 3),
            draw(1, Purpose::Noise, 3, 3),
            draw(1, Purpose::Noise, 2, 4),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn moments_of_normal_numbers() {
        let mut stream = Stream::new(7, Purpose::Check, 0, 0);
        let values: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let fourth = values.iter().map(|v| v.powi(4)).sum::<f64>() / 1e5;
        // Standard errors: 0.003 of the mean, 0.03 of the fourth moment (variance 96).
        assert!(mean.abs() < 0.015 && (fourth - 3.0).abs() < 0.15, "{mean} {fourth}");
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..100).collect();
        Stream::new(3, Purpose::Order, 0, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
