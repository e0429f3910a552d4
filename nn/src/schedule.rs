//! Schedules of learning rates, temperatures and momenta.

use std::f64::consts::PI;

/// `base * (1 - step / steps) ^ power`.
pub fn polynomial(base: f64, power: f64, step: usize, steps: usize) -> f64 {
    base * (1.0 - step as f64 / steps as f64).max(0.0).powf(power)
}

/// Half a cosine from `base` at step 0 to `last` at `steps`.
pub fn cosine(base: f64, last: f64, step: usize, steps: usize) -> f64 {
    last + 0.5 * (base - last) * (1.0 + (PI * step as f64 / steps as f64).cos())
}

/// Linear from `first` at step 0 to `last` at the last of `steps`, and `last` from then on: DINO's
/// schedule of the teacher's temperature.
pub fn linear(first: f64, last: f64, step: usize, steps: usize) -> f64 {
    if step + 1 >= steps {
        return last;
    }
    first + (last - first) * step as f64 / (steps - 1) as f64
}

/// Linear from 0 to `base` over the first `warmup` steps, whose last reaches `base`; then half a
/// cosine from `base` towards `last` at `steps`: DINO's schedule of the learning rate.
pub fn warmup_cosine(base: f64, last: f64, warmup: usize, step: usize, steps: usize) -> f64 {
    if step < warmup {
        return if warmup > 1 { base * step as f64 / (warmup - 1) as f64 } else { 0.0 };
    }
    cosine(base, last, step - warmup, steps - warmup)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middles() {
        assert_eq!(polynomial(0.01, 0.9, 0, 10), 0.01);
        assert_eq!(polynomial(0.01, 0.9, 10, 10), 0.0);
        assert_eq!(cosine(0.1, 0.0, 0, 8), 0.1);
        assert!((cosine(0.1, 0.02, 4, 8) - 0.06).abs() < 1e-15);
        let temperatures: Vec<f64> = (0..5).map(|epoch| linear(2.0, 4.0, epoch, 3)).collect();
        assert_eq!(temperatures, [2.0, 3.0, 4.0, 4.0, 4.0]);
        assert_eq!(linear(2.0, 4.0, 0, 0), 4.0);
        assert_eq!(warmup_cosine(1.0, 0.0, 5, 4, 20), 1.0);
        assert_eq!(warmup_cosine(1.0, 0.0, 5, 5, 20), 1.0);
        assert_eq!(warmup_cosine(1.0, 0.0, 1, 0, 20), 0.0);
    }
}
