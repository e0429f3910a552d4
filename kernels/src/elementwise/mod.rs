//! Arithmetic on tensors of equal shape, element by element.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Error, Result, Tensor, same_device, with_device};

/// `a + b`, of equal shapes and dtypes.
///
/// # Errors
/// When shapes or dtypes differ, or the dtype is not floating.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    alike("add", a, b)?;
    let sum = with_device!("add", a,
        gpu => cuda::zip(gpu, "add", a, b),
        T => Ok(cpu::zip::<T>(a, b, |a, b| a + b))
    )?;
    Ok(sum.recorded("add", &[a, b], |gradient, wanted| {
        Ok(vec![wanted[0].then(|| gradient.clone()), wanted[1].then_some(gradient)])
    }))
}

/// `a - b`, of equal shapes and dtypes.
///
/// # Errors
/// When shapes or dtypes differ, or the dtype is not floating.
pub fn sub(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    alike("sub", a, b)?;
    let difference = with_device!("sub", a,
        gpu => cuda::zip(gpu, "sub", a, b),
        T => Ok(cpu::zip::<T>(a, b, |a, b| a - b))
    )?;
    Ok(difference.recorded("sub", &[a, b], |gradient, wanted| {
        let of_b = wanted[1].then(|| scaled(&gradient, -1.0, 0.0)).transpose()?;
        Ok(vec![wanted[0].then_some(gradient), of_b])
    }))
}

/// `a * b`, of equal shapes and dtypes.
///
/// # Errors
/// When shapes or dtypes differ, or the dtype is not floating.
pub fn mul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    alike("mul", a, b)?;
    let product = product(a, b)?;
    let (x, y) = (a.clone(), b.clone());
    Ok(product.recorded("mul", &[a, b], move |gradient, wanted| {
        Ok(vec![
            wanted[0].then(|| self::product(&gradient, &y)).transpose()?,
            wanted[1].then(|| self::product(&gradient, &x)).transpose()?,
        ])
    }))
}

/// `a * b`, off the tape.
fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    with_device!("mul", a,
        gpu => cuda::zip(gpu, "mul", a, b),
        T => Ok(cpu::zip::<T>(a, b, |a, b| a * b))
    )
}

/// `scale * x + offset`, with the same two constants for every element.
///
/// # Errors
/// When the dtype is not floating.
pub fn affine(x: &Tensor, scale: f64, offset: f64) -> Result<Tensor> {
    let result = scaled(x, scale, offset)?;
    Ok(result.recorded("affine", &[x], move |gradient, _| {
        Ok(vec![Some(scaled(&gradient, scale, 0.0)?)])
    }))
}

/// `scale * x + offset`, off the tape.
fn scaled(x: &Tensor, scale: f64, offset: f64) -> Result<Tensor> {
    with_device!("affine", x,
        gpu => cuda::affine(gpu, x, scale, offset),
        T => {
            let [a, b] = [scale, offset].map(<T as tensor::Float>::from_f64);
            Ok(cpu::map::<T>(x, move |x| a * x + b))
        }
    )
}

/// Two tensors can be combined element by element.
fn alike(operation: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    if a.shape() != b.shape() || a.dtype() != b.dtype() {
        let what = format!(
            "{} {} and {} {} are not alike in shape and dtype",
            a.dtype(),
            a.shape(),
            b.dtype(),
            b.shape()
        );
        return Err(Error::shape(operation, what));
    }
    same_device(operation, [a, b])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_must_be_alike() {
        let (a, b) = (Tensor::zeros::<f32>([2, 3]), Tensor::zeros::<f32>([3, 2]));
        let error = add(&a, &b).unwrap_err().to_string();
        assert_eq!(error, "add: f32 [2, 3] and f32 [3, 2] are not alike in shape and dtype");
        assert!(mul(&a, &Tensor::zeros::<f64>([2, 3])).is_err());
        let labels = Tensor::zeros::<u8>([2, 3]);
        let error = sub(&labels, &labels).unwrap_err().to_string();
        assert_eq!(error, "sub: takes f32 or f64, not u8");
    }
}
