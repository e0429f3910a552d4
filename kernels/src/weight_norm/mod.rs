//! Weight normalisation: a weight as magnitudes and directions of its rows.
//!
//! Salimans, Kingma, *Weight normalization: a simple reparameterization to accelerate training of
//! deep neural networks* (NeurIPS 2016).

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Error, Result, Tensor, same_device, with_device};

/// `magnitude · direction / |direction|`, row by row.
///
/// | tensor | shape |
/// |---|---|
/// | `magnitude` | `[out, 1]` |
/// | `direction` | `[out, in]` |
/// | result | `[out, in]` |
///
/// The names of PyTorch's `parametrizations.weight_norm` are `original0` and `original1`.
///
/// # Errors
/// When shapes do not match or dtypes differ, or a row of `direction` is all zeros (PyTorch returns
/// NaN for it). On a GPU, zero rows are not checked, since that would need a synchronisation: the
/// result of such a row is NaN.
pub fn weight_norm(magnitude: &Tensor, direction: &Tensor) -> Result<Tensor> {
    let width = width(magnitude, direction)?;
    let weight = with_device!("weight_norm", direction, gpu => cuda::forward(gpu, magnitude, direction), T => {
        let lengths = cpu::lengths::<T>(direction, width);
        if let Some(row) = lengths.iter().position(|&length| length == 0.0) {
            let what = format!("row {row} of direction {} is all zeros", direction.shape());
            return Err(Error::value("weight_norm", what));
        }
        Ok(cpu::forward::<T>(magnitude, direction, &lengths, width))
    })?;
    let (g, v) = (magnitude.clone(), direction.clone());
    Ok(weight.recorded("weight_norm", &[magnitude, direction], move |gradient, wanted| {
        let of_magnitude = |gradient: &Tensor| {
            with_device!("weight_norm", v,
                gpu => cuda::of_magnitude(gpu, gradient, &v),
                T => Ok(cpu::of_magnitude::<T>(gradient, &v, width))
            )
        };
        let of_direction = |gradient: Tensor| {
            with_device!("weight_norm", v,
                gpu => cuda::of_direction(gpu, gradient, &g, &v),
                T => Ok(cpu::of_direction::<T>(gradient, &g, &v, width))
            )
        };
        let first = wanted[0].then(|| of_magnitude(&gradient)).transpose()?;
        Ok(vec![first, wanted[1].then(|| of_direction(gradient)).transpose()?])
    }))
}

/// The width of a row, if everything fits.
fn width(magnitude: &Tensor, direction: &Tensor) -> Result<usize> {
    if magnitude.dtype() != direction.dtype() {
        let what = format!("{} magnitudes of {} rows", magnitude.dtype(), direction.dtype());
        return Err(Error::shape("weight_norm", what));
    }
    same_device("weight_norm", [magnitude, direction])?;
    match direction.shape().as_array() {
        Some([rows, width]) if width > 0 && magnitude.dims() == [rows, 1] => Ok(width),
        _ => {
            let what = format!(
                "magnitude {} and direction {} are not [out, 1] and [out, in]",
                magnitude.shape(),
                direction.shape()
            );
            Err(Error::shape("weight_norm", what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_direction_or_does_not_fit_is_refused() {
        let direction = Tensor::from_slice(&[3.0f32, 4.0, 0.0, 0.0], [2, 2]).unwrap();
        let refusal =
            |magnitude: &Tensor| weight_norm(magnitude, &direction).unwrap_err().to_string();
        let ones = Tensor::from_slice(&[1.0f32; 2], [2, 1]).unwrap();
        assert_eq!(refusal(&ones), "weight_norm: row 1 of direction [2, 2] is all zeros");
        assert_eq!(
            refusal(&Tensor::zeros::<f32>([2])),
            "weight_norm: magnitude [2] and direction [2, 2] are not [out, 1] and [out, in]"
        );
        assert!(refusal(&Tensor::zeros::<f64>([2, 1])).contains("f64 magnitudes of f32 rows"));
    }

    #[test]
    fn a_row_has_the_length_that_its_magnitude_says() {
        let direction = Tensor::from_slice(&[3.0f64, 4.0, 0.0, -0.5], [2, 2]).unwrap();
        let magnitude = Tensor::from_slice(&[10.0f64, 1.0], [2, 1]).unwrap();
        assert_eq!(weight_norm(&magnitude, &direction).unwrap().to_f64(), [6.0, 8.0, 0.0, -1.0]);
    }
}
