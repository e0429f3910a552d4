//! Exponentials that vectorise, and the softmax of a row.

use crate::simd::Scalar;

/// Element types with an exponential for softmax.
pub trait Exponential: Scalar {
    /// `e^self` for arguments that are not positive, accurate to two units in the last place. NaN
    /// stays NaN.
    fn exp_nonpositive(self) -> Self;
}

impl Exponential for f32 {
    /// Cephes' `expf` (S. Moshier): a power of two times a polynomial on half a binade. It takes
    /// only additions and multiplications, so that a loop over it vectorises and gives the same bits
    /// on every instruction set. Arguments below -87 are clamped there; the result, 2e-38, is
    /// negligible beside the largest term of a softmax, which is 1.
    #[inline(always)]
    fn exp_nonpositive(self) -> f32 {
        // Adding 1.5 * 2^23 rounds to an integer, which the low bits of the sum then contain.
        const ROUND: f32 = 12_582_912.0;
        const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
        const POLYNOMIAL: [f32; 6] =
            [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1];
        let x = if self < -87.0 { -87.0 } else { self };
        let rounded = x * std::f32::consts::LOG2_E + ROUND;
        let power = rounded - ROUND;
        let r = x - power * LN_2[0] - power * LN_2[1];
        let p = POLYNOMIAL.into_iter().fold(0.0, |p, coefficient| p * r + coefficient);
        let two_to_power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
        (p * r * r + r + 1.0) * two_to_power
    }
}

impl Exponential for f64 {
    #[inline(always)]
    fn exp_nonpositive(self) -> f64 {
        self.exp()
    }
}

/// Number of independent partial results, so that no operation waits for the previous one.
const LANES: usize = 16;

/// Replaces a row by its softmax; returns the logarithm of the sum of its exponentials.
///
/// The largest value is subtracted first, so that nothing overflows. For speed, call it from a
/// [`Vectorised`](crate::simd::Vectorised) kernel.
#[inline(always)]
pub fn softmax_in_place<T: Exponential>(row: &mut [T]) -> f64 {
    let largest = fold(row, T::from_f64(f64::NEG_INFINITY), |m, x| if x > m { x } else { m });
    row.iter_mut().for_each(|x| *x = (*x - largest).exp_nonpositive());
    let total = fold(row, T::default(), |sum, x| sum + x);
    let scale = T::from_f64(1.0) / total;
    row.iter_mut().for_each(|x| *x = *x * scale);
    largest.to_f64() + total.to_f64().ln()
}

/// Combines the elements in [`LANES`] interleaved partial results, then those in order.
#[inline(always)]
fn fold<T: Exponential>(row: &[T], start: T, combine: impl Fn(T, T) -> T) -> T {
    let mut lanes = [start; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for values in whole {
        lanes.iter_mut().zip(values).for_each(|(lane, &x)| *lane = combine(*lane, x));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane = combine(*lane, x));
    lanes.into_iter().fold(start, combine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_exponential_is_accurate_to_two_units_in_the_last_place() {
        for i in 0..2_000_000 {
            let x = -87.0 * (i as f32 / 2e6);
            let wanted = f64::from(x).exp();
            let error = (f64::from(x.exp_nonpositive()) - wanted).abs() / wanted;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "{x}: {error:e}");
        }
        assert_eq!(0.0f32.exp_nonpositive(), 1.0);
        assert!(f32::NEG_INFINITY.exp_nonpositive() < 1e-37);
        assert!(f32::NAN.exp_nonpositive().is_nan());
    }
}
