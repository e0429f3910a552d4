//! Global average pooling.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Error, Result, Tensor, with_features};

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
    let mean = with_features!("global_average", x,
        gpu => cuda::forward(gpu, x, [batch, pixels, channels]),
        T => Ok(cpu::forward::<T>(x, [batch, pixels, channels]))
    )?;
    let shape = x.shape();
    Ok(mean.recorded("global_average", &[x], move |gradient, _| {
        let of_x = with_features!("global_average", gradient,
            gpu => cuda::backward(gpu, &gradient, shape, pixels),
            T => Ok(cpu::backward::<T>(&gradient, shape, pixels))
        )?;
        Ok(vec![Some(of_x)])
    }))
}
