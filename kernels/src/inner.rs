//! Inner products of rows, accumulated in float64 for every dtype.

use tensor::Feature;

/// Number of independent partial sums, so that no addition waits for the previous one.
const LANES: usize = 16;

/// `Σ a b` of two rows of equal length.
#[inline(always)]
pub fn inner<T: Feature>(a: &[T], b: &[T]) -> f64 {
    let mut sums = [0.0; LANES];
    let ((a, rest_of_a), (b, rest_of_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a.to_f64() * b.to_f64();
        }
    }
    for (sum, (a, b)) in sums.iter_mut().zip(rest_of_a.iter().zip(rest_of_b)) {
        *sum += a.to_f64() * b.to_f64();
    }
    sums.iter().sum()
}
