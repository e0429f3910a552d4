//! Squared error over the hidden pixels of masked image modelling.
//!
//! Xie et al., *SimMIM: a simple framework for masked image modeling* (CVPR 2022), with squares in
//! the place of absolute values.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{DType, Error, Feature, Result, Tensor, same_device, with_features};

/// `Σ (output - target)² over hidden pixels / number of hidden pixels`, as a scalar.
///
/// Channels share the mask, and their squares are summed: the divisor counts pixels, not values,
/// as in the study, which has one channel. Where nothing is hidden, the error and its gradient
/// are zero. The values of visible pixels are ignored, even NaN.
///
/// | tensor | shape |
/// |---|---|
/// | `output`, `target` | `[n, rows, columns, channels]`; the target of f32 for an output of bf16 |
/// | `mask` | `[n, rows, columns]`, `u8`: 1 where a pixel is hidden, else 0 |
///
/// # Errors
/// When shapes or dtypes do not match, or the mask holds values other than 0 and 1. On a GPU the
/// mask is not checked, to avoid a synchronisation: any nonzero value hides a pixel there.
pub fn masked_error(output: &Tensor, target: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let channels = channels(output, target, mask)?;
    with_features!("masked_error", output,
        gpu => {
            let (error, saved) = cuda::forward(gpu, [output, target, mask], channels)?;
            Ok(error.recorded("masked_error", &[output, target], move |gradient, wanted| {
                Ok(vec![
                    wanted[0].then(|| cuda::of_output(&saved, &gradient)).transpose()?,
                    wanted[1].then(|| cuda::of_target(&saved, &gradient)).transpose()?,
                ])
            }))
        },
        T => {
            let hidden = cpu::hidden(mask.data())?;
            let share = if hidden == 0 { 0.0 } else { 1.0 / hidden as f64 };
            let sum = cpu::forward::<T>(output.data(), target.data(), mask.data(), channels);
            let error = Tensor::scalar(<T as Feature>::Acc::from_f64(share * sum));
            let saved = [output, target, mask].map(Tensor::clone);
            Ok(error.recorded("masked_error", &[output, target], move |gradient, wanted| {
                let slope = 2.0 * share * gradient.item()?;
                let [output, target, mask] = &saved;
                let of_output = || cpu::backward::<T, T>(output, target, mask, channels, slope);
                let of_target = || {
                    cpu::backward::<T, <T as Feature>::Acc>(output, target, mask, channels, -slope)
                };
                Ok(vec![wanted[0].then(of_output), wanted[1].then(of_target)])
            }))
        }
    )
}

/// The number of channels, if everything fits.
fn channels(output: &Tensor, target: &Tensor, mask: &Tensor) -> Result<usize> {
    if mask.dtype() != DType::U8 {
        let (operation, found) = ("masked_error", mask.dtype());
        return Err(Error::DType { operation, found, wanted: "a mask of u8" });
    }
    if output.dtype().accumulator() != target.dtype() {
        let what = format!("an output of {} for a target of {}", output.dtype(), target.dtype());
        return Err(Error::shape("masked_error", what));
    }
    same_device("masked_error", [output, target, mask])?;
    match output.shape().as_array() {
        Some([n, rows, columns, channels])
            if target.shape() == output.shape() && mask.dims() == [n, rows, columns] =>
        {
            Ok(channels)
        }
        _ => {
            let what = format!(
                "output {}, target {} and mask {} are not [n, rows, columns, channels] twice and \
                 [n, rows, columns]",
                output.shape(),
                target.shape(),
                mask.shape()
            );
            Err(Error::shape("masked_error", what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(output: &[f32], mask: &[u8]) -> Result<Tensor> {
        let shape = [1, 1, mask.len(), output.len() / mask.len()];
        let output = Tensor::from_slice(output, shape)?.parameter();
        let mask = Tensor::from_slice(mask, [1, 1, mask.len()])?;
        masked_error(&output, &Tensor::zeros::<f32>(shape), &mask)
    }

    #[test]
    fn visible_pixels_do_not_count_and_channels_share_the_divisor() {
        assert_eq!(error(&[1.0, 2.0, f32::NAN, 3.0], &[1, 0, 0, 1]).unwrap().item().unwrap(), 5.0);
        assert_eq!(error(&[1.0, 2.0, 9.0, 9.0], &[1, 0]).unwrap().item().unwrap(), 5.0);
        assert!(error(&[f32::NAN, 2.0], &[1, 0]).unwrap().item().unwrap().is_nan());
    }

    /// More pixels than one task works on, of two channels.
    #[test]
    fn the_gradient_is_that_of_hidden_pixels_in_every_chunk() {
        let (shape, pixels) = ([2, 100, 90, 2], 2 * 100 * 90);
        let output = Tensor::build::<f64>(shape, |out| {
            out.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 37) as f64);
        });
        let (output, target) = (output.parameter(), Tensor::zeros::<f64>(shape));
        let mask: Vec<u8> = (0..pixels).map(|pixel| u8::from(pixel % 5 == 0)).collect();
        let mask = Tensor::from_slice(&mask, [2, 100, 90]).unwrap();
        let error = masked_error(&output, &target, &mask).unwrap();
        let gradient = error.backward().unwrap().get(&output).unwrap().to_f64();
        for (i, found) in gradient.into_iter().enumerate() {
            let hidden = f64::from(u8::from(i / 2 % 5 == 0));
            let wanted = 2.0 * hidden * (i % 37) as f64 / (pixels / 5) as f64;
            assert!((found - wanted).abs() < 1e-15, "at {i}: {found}, not {wanted}");
        }
    }

    #[test]
    fn nothing_hidden_is_no_error() {
        let shape = [1, 2, 2, 1];
        let output = Tensor::from_slice(&[3.0f32; 4], shape).unwrap().parameter();
        let (target, mask) = (Tensor::zeros::<f32>(shape), Tensor::zeros::<u8>([1, 2, 2]));
        let error = masked_error(&output, &target, &mask).unwrap();
        assert_eq!(error.item().unwrap(), 0.0);
        assert_eq!(error.backward().unwrap().get(&output).unwrap().to_f64(), [0.0; 4]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refusal = error(&[0.0; 4], &[0, 1, 2, 0]).unwrap_err().to_string();
        assert_eq!(
            refusal,
            "masked_error: the mask holds 2: it is 1 where a pixel is hidden, else 0"
        );
        let (image, mask) = (Tensor::zeros::<f32>([2, 4, 4, 1]), Tensor::zeros::<u8>([2, 4]));
        let refusal = |target: &Tensor, mask: &Tensor| {
            masked_error(&image, target, mask).unwrap_err().to_string()
        };
        assert_eq!(
            refusal(&image, &mask),
            "masked_error: output [2, 4, 4, 1], target [2, 4, 4, 1] and mask [2, 4] are not \
             [n, rows, columns, channels] twice and [n, rows, columns]"
        );
        assert_eq!(refusal(&image, &image), "masked_error: takes a mask of u8, not f32");
        let double = Tensor::zeros::<f64>([2, 4, 4, 1]);
        assert!(refusal(&double, &mask).contains("an output of f32 for a target of f64"));
    }
}
