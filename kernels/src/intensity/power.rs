//! Powers of numbers between 0 and 1, for contrast: every pixel of every view takes one.

use crate::simd::Scalar;

/// Element types with a power that a compiler can vectorise.
pub trait Power: Scalar {
    /// `self^exponent` for `self` from 0 to 1 and a positive exponent. 0 at 0, and for a value
    /// that rounding has put below.
    fn power(self, exponent: Self) -> Self;
}

impl Power for f64 {
    /// For checks alone, so the standard library's.
    #[inline(always)]
    fn power(self, exponent: f64) -> f64 {
        self.max(0.0).powf(exponent)
    }
}

impl Power for f32 {
    /// `2^(exponent log2 self)` with polynomials. For exponents up to 1.5 the relative error is
    /// below 3e-6, and below 1e-6 for values above a hundredth.
    #[inline(always)]
    fn power(self, exponent: f32) -> f32 {
        let result = exp2(exponent * log2(self));
        if self > f32::MIN_POSITIVE { result } else { 0.0 }
    }
}

/// Logarithm of a positive normal number: `x = 2^e m` with m from sqrt(1/2) to sqrt(2), and
/// `ln m = 2 artanh((m - 1) / (m + 1))`.
#[inline(always)]
pub(super) fn log2(x: f32) -> f32 {
    const SQRT_HALF: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();
    let bits = x.to_bits();
    let exponent = (bits.wrapping_sub(SQRT_HALF) as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((exponent as u32) << 23));
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let series = 1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0))));
    exponent as f32 + 2.0 * std::f32::consts::LOG2_E * s * series
}

/// `2^y` for y from -126 to 127 (below, `2^-126`): `y = n + f` with n an integer and |f| <= 1/2,
/// and Taylor's series of `2^f`.
#[inline(always)]
fn exp2(y: f32) -> f32 {
    /// Adding it rounds a number to an integer, in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    const SERIES: [f32; 8] = [
        1.525_273_4e-5,
        1.540_353e-4,
        1.333_355_8e-3,
        9.618_129e-3,
        5.550_411e-2,
        0.240_226_5,
        std::f32::consts::LN_2,
        1.0,
    ];
    let y = if y > -126.0 { y } else { -126.0 };
    let y = if y < 127.0 { y } else { 127.0 };
    let rounded = y + ROUND;
    let f = y - (rounded - ROUND);
    let mut sum = SERIES[0];
    for &c in &SERIES[1..] {
        sum = sum * f + c;
    }
    // The integer part is added to the exponent bits.
    f32::from_bits(sum.to_bits().wrapping_add(rounded.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_the_standard_library() {
        for exponent in [0.5f32, 0.7, 1.0, 1.3, 1.5] {
            for i in 1..=100_000 {
                let x = i as f32 / 100_000.0;
                let wanted = f64::from(x).powf(f64::from(exponent));
                let error = (f64::from(x.power(exponent)) / wanted - 1.0).abs();
                let bound = if x > 0.01 { 1e-6 } else { 3e-6 };
                assert!(error < bound, "{x}^{exponent}: {error:e}");
            }
            assert_eq!(0.0f32.power(exponent), 0.0);
            assert_eq!((-1e-9f32).power(exponent), 0.0);
            assert!((1.0f32.power(exponent) - 1.0).abs() < 1e-7);
        }
    }

    #[test]
    fn the_smallest_values_stay_small() {
        for x in [f32::MIN_POSITIVE, 1e-30, 1e-10] {
            let found = x.power(1.5);
            assert!((0.0..=1e-14).contains(&found), "{x}: {found}");
        }
    }
}
