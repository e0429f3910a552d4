//! Comparisons that NaN never passes.

use tensor::{DType, Tensor};

/// The larger of two errors. NaN counts as infinite and so exceeds every tolerance; `f64::max` would
/// drop it.
pub fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::INFINITY } else { a.max(b) }
}

/// The largest absolute value: 0 of no values, infinite if one is NaN.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().map(|value| value.abs()).fold(0.0, worse)
}

/// The largest difference of two lists; infinite if either holds a NaN.
///
/// # Panics
/// When the lists differ in length.
pub fn difference(found: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len(), "number of elements");
    found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, worse)
}

/// An error relative to `scale`, never NaN: equal values have none, whatever the scale.
pub fn relative(error: f64, scale: f64) -> f64 {
    if error == 0.0 { 0.0 } else { worse(0.0, error / scale) }
}

/// What an error of values of size `own` is relative to: that size or, where it is zero to within
/// rounding, the largest of the arguments.
///
/// A result that is zero in exact arithmetic, such as the loss over one class and its gradient, is
/// computed as the rounding of terms that cancel. Their size is that of the arguments, so relative to
/// the result itself such an error would mean nothing. `dtype` is that of the computation.
pub fn scale(own: f64, arguments: &[Tensor], dtype: DType) -> f64 {
    /// Terms that cancel are rounded a few times.
    const ROUNDINGS: f64 = 16.0;
    let epsilon = match dtype {
        DType::F32 => f64::from(f32::EPSILON),
        _ => f64::EPSILON,
    };
    let floating = arguments.iter().filter(|argument| argument.dtype() != DType::U8);
    let going_in = floating.map(|argument| largest(&argument.to_f64())).fold(0.0, worse);
    if own > ROUNDINGS * epsilon * going_in { own } else { going_in }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    #[test]
    fn nan_is_infinitely_wrong_wherever_it_is() {
        for (found, wanted) in
            [([NAN, 1.0], [0.0, 1.0]), ([0.0, 1.0], [0.0, NAN]), ([NAN; 2], [NAN; 2])]
        {
            let error = difference(&found, &wanted);
            assert_eq!(error, f64::INFINITY);
            assert_eq!(relative(error, largest(&wanted)), f64::INFINITY);
        }
        assert_eq!(largest(&[NAN, 1.0]), f64::INFINITY);
        assert_eq!([worse(NAN, 1.0), worse(1.0, NAN)], [f64::INFINITY; 2]);
        assert_eq!(difference(&[f64::INFINITY], &[f64::INFINITY]), f64::INFINITY);
        assert_eq!([relative(0.0, 0.0), relative(1.0, 0.0)], [0.0, f64::INFINITY]);
    }

    #[test]
    fn zero_is_compared_with_what_went_in() {
        let arguments = [
            Tensor::from_slice(&[-3.0f64, 2.0], [2]).unwrap(),
            Tensor::from_slice(&[200u8], [1]).unwrap(),
        ];
        assert_eq!(scale(0.0, &arguments, DType::F64), 3.0);
        assert_eq!(scale(1e-15, &arguments, DType::F64), 3.0);
        assert_eq!(scale(1e-13, &arguments, DType::F64), 1e-13, "small, and not zero");
        assert_eq!(scale(1e-7, &arguments, DType::F32), 3.0);
        assert_eq!(scale(1e-3, &arguments, DType::F32), 1e-3);
    }
}
