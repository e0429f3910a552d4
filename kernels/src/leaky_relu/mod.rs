//! Leaky rectified linear unit.
//!
//! Maas, Hannun, Ng, *Rectifier nonlinearities improve neural network acoustic models* (2013).

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Result, Tensor, with_features};

/// `x` where it is positive, `slope * x` elsewhere; slope 0 is the plain ReLU.
///
/// At 0 the gradient is that of the negative side, as PyTorch has it.
///
/// # Errors
/// When the dtype is not floating.
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    let y = with_features!("leaky_relu", x,
        gpu => cuda::forward(gpu, x, slope),
        T => Ok(cpu::forward::<T>(x, slope))
    )?;
    let input = x.clone();
    Ok(y.recorded("leaky_relu", &[x], move |gradient, _| {
        let of_x = with_features!("leaky_relu", input,
            gpu => cuda::backward(gpu, &input, gradient, slope),
            T => Ok(cpu::backward::<T>(&input, gradient, slope))
        )?;
        Ok(vec![Some(of_x)])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_at_zero_is_that_of_the_negative_side() {
        let x = Tensor::from_slice(&[-2.0f32, 0.0, -0.0, 3.0], [4]).unwrap().parameter();
        let y = leaky_relu(&x, 0.25).unwrap();
        assert_eq!(y.to_f64(), [-0.5, 0.0, 0.0, 3.0]);
        let ones = Tensor::from_slice(&[1.0f32; 4], [4]).unwrap();
        let gradients = y.backward_from(ones).unwrap();
        assert_eq!(gradients.get(&x).unwrap().to_f64(), [0.25, 0.25, 0.25, 1.0]);
    }
}
