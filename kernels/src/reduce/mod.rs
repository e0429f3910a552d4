//! Sums and means over all elements.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Error, Result, Shape, Tensor, with_device};

/// The sum of all elements, as a scalar; 0 of none.
///
/// Summed in float64, in an order that the number of threads does not change.
///
/// # Errors
/// When the dtype is not floating.
pub fn sum(x: &Tensor) -> Result<Tensor> {
    scaled_sum("sum", x, 1.0)
}

/// The mean of all elements, as a scalar.
///
/// # Errors
/// When there are no elements, or the dtype is not floating.
pub fn mean(x: &Tensor) -> Result<Tensor> {
    match x.shape().elements() {
        0 => Err(Error::shape("mean", format!("{} has no elements", x.shape()))),
        n => scaled_sum("mean", x, 1.0 / n as f64),
    }
}

fn scaled_sum(operation: &'static str, x: &Tensor, scale: f64) -> Result<Tensor> {
    let result = with_device!(operation, x,
        gpu => cuda::sum(gpu, x, scale),
        T => Ok(Tensor::scalar(<T as tensor::Float>::from_f64(scale * cpu::sum(x.data::<T>()))))
    )?;
    let shape: Shape = x.shape();
    Ok(result.recorded(operation, &[x], move |gradient, _| {
        let of_x = with_device!(operation, gradient,
            gpu => cuda::backward(gpu, &gradient, shape, scale),
            T => {
                let share = tensor::Float::from_f64(scale * gradient.item()?);
                Ok(Tensor::build::<T>(shape, |out: &mut [T]| out.fill(share)))
            }
        )?;
        Ok(vec![Some(of_x)])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_sum_of_float32_keeps_its_digits() {
        let n = 3_000_000;
        let x = Tensor::build::<f32>([n], |out| out.fill(0.1));
        let wanted = f64::from(0.1f32);
        let found = mean(&x).unwrap().item().unwrap();
        assert_eq!(found, wanted);
        assert!(mean(&Tensor::zeros::<f32>([0])).is_err());
    }
}
