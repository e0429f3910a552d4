//! Rows brought to length 1.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Error, Result, Tensor, with_features};

/// Every row of `x`, `[rows, width]`, divided by `max(its length, 1e-12)`.
///
/// As `torch.nn.functional.normalize` has it: the length is that of the Euclidean norm, and a row
/// shorter than 1e-12 is divided by that, so that a row of zeros stays one; its gradient is that
/// of the division by a constant.
///
/// # Errors
/// When `x` is not rows, or the dtype is not floating.
pub fn l2_normalise(x: &Tensor) -> Result<Tensor> {
    let Some([_, width]) = x.shape().as_array() else {
        return Err(Error::shape("l2_normalise", format!("{} is not [rows, width]", x.shape())));
    };
    let y = with_features!("l2_normalise", x,
        gpu => cuda::forward(gpu, x),
        T => Ok(cpu::forward::<T>(x, width))
    )?;
    let input = x.clone();
    Ok(y.recorded("l2_normalise", &[x], move |gradient, _| {
        let of_x = with_features!("l2_normalise", input,
            gpu => cuda::backward(gpu, &input, gradient),
            T => Ok(cpu::backward::<T>(&input, gradient, width))
        )?;
        Ok(vec![Some(of_x)])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_zeros_stays_and_others_get_length_one() {
        let x = Tensor::from_slice(&[3.0f64, -4.0, 0.0, 0.0, 1e-13, 0.0], [3, 2]).unwrap();
        let x = x.parameter();
        let y = l2_normalise(&x).unwrap();
        let wanted = [0.6, -0.8, 0.0, 0.0, 0.1, 0.0];
        for (found, wanted) in y.to_f64().into_iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-15, "{found}, not {wanted}");
        }
        let ones = Tensor::from_slice(&[1.0f64; 6], [3, 2]).unwrap();
        let gradient = y.backward_from(ones).unwrap().get(&x).unwrap().to_f64();
        assert!((gradient[0] - 0.224).abs() < 1e-15 && (gradient[1] - 0.168).abs() < 1e-15);
        assert_eq!(gradient[2..], [1e12; 4]);
    }

    #[test]
    fn what_is_not_rows_is_refused() {
        let error = l2_normalise(&Tensor::zeros::<f32>([2, 3, 4])).unwrap_err().to_string();
        assert_eq!(error, "l2_normalise: [2, 3, 4] is not [rows, width]");
        assert!(l2_normalise(&Tensor::zeros::<f32>([3, 0])).is_ok());
    }
}
