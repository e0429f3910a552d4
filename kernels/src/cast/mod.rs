//! Change of floating dtype.

pub mod check;
pub(crate) mod cpu;
pub(crate) mod cuda;

use tensor::{DType, Result, Tensor, with_feature, with_features};

/// The same values in another floating dtype, each rounded to the nearest. The gradient is cast back. A
/// tensor that has the dtype already is returned as it is.
///
/// # Errors
/// When either dtype is not floating.
pub fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    let from = x.dtype();
    let result = convert(x, dtype)?;
    if from == dtype {
        return Ok(result);
    }
    Ok(result.recorded("cast", &[x], move |gradient, _| Ok(vec![Some(convert(&gradient, from)?)])))
}

fn convert(x: &Tensor, dtype: DType) -> Result<Tensor> {
    let operation = "cast";
    dtype.require_feature(operation)?;
    if x.dtype() == dtype {
        return Ok(x.clone());
    }
    with_features!("cast", x,
        gpu => cuda::convert(gpu, x, dtype),
        From => with_feature!("cast", dtype, To => Ok(cpu::convert::<From, To>(x)))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_cast_back() {
        let x = Tensor::from_slice(&[0.1f64, -2.0], [2]).unwrap().parameter();
        let y = cast(&x, DType::F32).unwrap();
        assert_eq!(y.data::<f32>(), [0.1f32, -2.0]);
        let cotangent = Tensor::from_slice(&[0.3f32, 4.0], [2]).unwrap();
        let gradients = y.backward_from(cotangent).unwrap();
        assert_eq!(gradients.get(&x).unwrap().data::<f64>(), [f64::from(0.3f32), 4.0]);
    }

    #[test]
    fn labels_are_not_cast() {
        let error = cast(&Tensor::zeros::<u8>([2]), DType::F32).unwrap_err().to_string();
        assert_eq!(error, "cast: takes bf16, f32 or f64, not u8");
    }
}
