//! Global average pooling.

pub mod check;
mod cpu;

use tensor::{Error, Result, Tensor, with_float};

/// The mean of each channel over each image: `[batch, rows, columns, channels]` to
/// `[batch, channels]`.
///
/// # Errors
/// When `x` is not a batch of images with at least one pixel.
pub fn global_average(x: &Tensor) -> Result<Tensor> {
    let Some([batch, rows, columns, channels]) = x.shape().as_array() else {
        let what = format!("{} is not [batch, rows, columns, channels]", x.shape());
        return Err(Error::shape("global_average", what));
    };
    let pixels = rows * columns;
    if pixels == 0 || channels == 0 {
        return Err(Error::shape("global_average", format!("{} has nothing to pool", x.shape())));
    }
    let mean = with_float!("global_average", x.dtype(), T => {
        Ok(cpu::forward::<T>(x, [batch, pixels, channels]))
    })?;
    let shape = x.shape();
    Ok(mean.recorded("global_average", &[x], move |gradient, _| {
        with_float!("global_average", gradient.dtype(), T => {
            Ok(vec![Some(cpu::backward::<T>(&gradient, shape, pixels))])
        })
    }))
}
