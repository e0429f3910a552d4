//! Softmax over the last axis.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Error, Result, Tensor, with_device};

/// `e^x / Σ e^x` over the last axis: logits to probabilities.
///
/// ```
/// use kernels::softmax;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let logits = Tensor::from_slice(&[0.0f64, 0.0, 3f64.ln(), 0.0], [2, 2])?;
/// let probabilities = softmax(&logits)?.to_f64();
/// assert_eq!(probabilities[..2], [0.5, 0.5]);
/// assert!((probabilities[2] - 0.75).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the last axis is empty, or the dtype is not floating.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    if x.shape().last() == 0 {
        return Err(Error::shape("softmax", format!("the last axis of {} is empty", x.shape())));
    }
    let probabilities = with_device!("softmax", x,
        gpu => cuda::forward(gpu, x),
        T => Ok(cpu::forward::<T>(x))
    )?;
    let logits = x.clone();
    Ok(probabilities.recorded("softmax", &[x], move |gradient, _| {
        let of_x = with_device!("softmax", logits,
            gpu => cuda::backward(gpu, &logits, gradient),
            T => Ok(cpu::backward::<T>(&logits, gradient))
        )?;
        Ok(vec![Some(of_x)])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_logits_do_not_overflow() {
        let x = Tensor::from_slice(&[1e4f32, 0.0, -1e4, 1e4], [2, 2]).unwrap();
        let p = softmax(&x).unwrap().to_f64();
        assert!((p[0] - 1.0).abs() < 1e-7 && p[1] < 1e-30 && p[2] < 1e-30);
    }
}
