//! Gaussian error linear unit.
//!
//! Hendrycks, Gimpel, *Gaussian error linear units* (arXiv 1606.08415, 2016), exact and not by its
//! approximation with a hyperbolic tangent.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Result, Tensor, with_features};

/// `x Φ(x)`, with `Φ` the standard normal distribution function `(1 + erf(x / √2)) / 2`.
///
/// Its derivative is `Φ(x) + x φ(x)`, with `φ` the density. Both keep their relative precision
/// far to the left, where `1 + erf` would lose it.
///
/// # Errors
/// When the dtype is not floating.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    let y = with_features!("gelu", x,
        gpu => cuda::forward(gpu, x),
        T => Ok(cpu::forward::<T>(x))
    )?;
    let input = x.clone();
    Ok(y.recorded("gelu", &[x], move |gradient, _| {
        let of_x = with_features!("gelu", input,
            gpu => cuda::backward(gpu, &input, gradient),
            T => Ok(cpu::backward::<T>(&input, gradient))
        )?;
        Ok(vec![Some(of_x)])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `0.5 x erfc(-x / √2)` by the C library.
    #[test]
    fn known_values() {
        let x = Tensor::from_slice(&[0.0f64, 1.0, -1.0, 3.0, -8.0], [5]).unwrap();
        let wanted = [
            0.0,
            0.841_344_746_068_542_9,
            -0.158_655_253_931_457_05,
            2.995_950_305_905_11,
            -4.976_768_459_417_455_5e-15,
        ];
        for (found, wanted) in gelu(&x).unwrap().to_f64().into_iter().zip(wanted) {
            assert!((found - wanted).abs() <= 1e-11 * f64::abs(wanted), "{found}, not {wanted}");
        }
    }
}
