//! Arithmetic on tensors of equal shape, element by element.

pub mod check;
mod cpu;

use tensor::{Error, Result, Tensor, with_float};

/// `a + b`, of equal shapes and dtypes.
///
/// # Errors
/// When shapes or dtypes differ, or the dtype is not floating.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    alike("add", a, b)?;
    let sum = with_float!("add", a.dtype(), T => Ok(cpu::zip::<T>(a, b, |a, b| a + b)))?;
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
    let difference = with_float!("sub", a.dtype(), T => Ok(cpu::zip::<T>(a, b, |a, b| a - b)))?;
    Ok(difference.recorded("sub", &[a, b], |gradient, wanted| {
        with_float!("sub", gradient.dtype(), T => {
            let of_b = wanted[1].then(|| cpu::map::<T>(&gradient, |g| -g));
            Ok(vec![wanted[0].then_some(gradient), of_b])
        })
    }))
}

/// `a * b`, of equal shapes and dtypes.
///
/// # Errors
/// When shapes or dtypes differ, or the dtype is not floating.
pub fn mul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    alike("mul", a, b)?;
    let product = with_float!("mul", a.dtype(), T => Ok(cpu::zip::<T>(a, b, |a, b| a * b)))?;
    let (x, y) = (a.clone(), b.clone());
    Ok(product.recorded("mul", &[a, b], move |gradient, wanted| {
        with_float!("mul", gradient.dtype(), T => Ok(vec![
            wanted[0].then(|| cpu::zip::<T>(&gradient, &y, |g, y| g * y)),
            wanted[1].then(|| cpu::zip::<T>(&gradient, &x, |g, x| g * x)),
        ]))
    }))
}

/// `scale * x + offset`, with the same two constants for every element.
///
/// # Errors
/// When the dtype is not floating.
pub fn affine(x: &Tensor, scale: f64, offset: f64) -> Result<Tensor> {
    let result = with_float!("affine", x.dtype(), T => {
        let (a, b) = (<T as tensor::Float>::from_f64(scale), <T as tensor::Float>::from_f64(offset));
        Ok(cpu::map::<T>(x, move |x| a * x + b))
    })?;
    Ok(result.recorded("affine", &[x], move |gradient, _| {
        with_float!("affine", gradient.dtype(), T => {
            let a = <T as tensor::Float>::from_f64(scale);
            Ok(vec![Some(cpu::map::<T>(&gradient, move |g| a * g))])
        })
    }))
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
    Ok(())
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
