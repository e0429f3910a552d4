//! Sums and means over all elements.

pub mod check;
pub(crate) mod cpu;
pub(crate) mod cuda;

use tensor::{DType, Error, Result, Shape, Tensor, same_device, with_device};

/// The sum of all elements, as a scalar; 0 of none.
///
/// Summed in float64, in an order that the number of threads does not change.
///
/// ```
/// use kernels::sum;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
/// assert_eq!(sum(&x)?.item()?, 10.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the dtype is not floating.
pub fn sum(x: &Tensor) -> Result<Tensor> {
    scaled_sum("sum", x, 1.0)
}

/// The mean of all elements, as a scalar.
///
/// ```
/// use kernels::mean;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?.parameter();
/// let gradients = mean(&x)?.backward()?;
/// assert_eq!(gradients.get(&x).unwrap().data::<f32>(), [0.25; 4]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When there are no elements, or the dtype is not floating.
pub fn mean(x: &Tensor) -> Result<Tensor> {
    match x.shape().elements() {
        0 => Err(Error::shape("mean", format!("{} has no elements", x.shape()))),
        n => scaled_sum("mean", x, 1.0 / n as f64),
    }
}

/// Adds the one element of `x` to the one of `total`, in place, in float64: for what is looked at now
/// and then, such as losses. It is no operation of the tape.
///
/// # Errors
/// When either has more than one element, `total` is not `f64`, or `x` is on another device or is not
/// floating.
pub fn accumulate(total: &mut Tensor, x: &Tensor) -> Result<()> {
    if total.shape().elements() != 1 || x.shape().elements() != 1 || total.dtype() != DType::F64 {
        return Err(Error::shape("accumulate", format!("{x:?} to be added to {total:?}")));
    }
    same_device("accumulate", [&*total, x])?;
    with_device!("accumulate", x,
        gpu => cuda::accumulate(gpu, total, x),
        T => {
            let x = x.data::<T>()[0];
            total.memory_mut()?.as_mut_slice::<f64>()[0] += tensor::Feature::to_f64(x);
            Ok(())
        }
    )
}

fn scaled_sum(operation: &'static str, x: &Tensor, scale: f64) -> Result<Tensor> {
    let result = with_device!(operation, x,
        gpu => cuda::sum(gpu, x, scale),
        T => Ok(Tensor::scalar(<T as tensor::Feature>::from_f64(scale * cpu::sum(x.data::<T>()))))
    )?;
    let shape: Shape = x.shape();
    Ok(result.recorded(operation, &[x], move |gradient, _| {
        let of_x = with_device!(operation, gradient,
            gpu => cuda::backward(gpu, &gradient, shape, scale),
            T => {
                let share = tensor::Feature::from_f64(scale * gradient.item()?);
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
