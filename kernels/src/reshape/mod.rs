//! The same elements under another shape.

pub mod check;

use tensor::{Result, Shape, Tensor};

/// `x` under another shape with as many elements, in the same order. Nothing is copied: the result
/// shares the memory of `x`. Any dtype, on any device.
///
/// ```
/// use kernels::reshape;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let images = Tensor::zeros::<f32>([8, 4, 4, 3]);
/// assert_eq!(reshape(&images, [8, 48])?.dims(), [8, 48]);
/// assert!(reshape(&images, [8, 47]).is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the new shape has another number of elements.
pub fn reshape(x: &Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
    let (shape, before) = (shape.into(), x.shape());
    let reshaped = x.with_shape(shape)?;
    Ok(reshaped
        .recorded("reshape", &[x], move |gradient, _| Ok(vec![Some(gradient.with_shape(before)?)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shared() {
        let x = Tensor::zeros::<f32>([6]);
        let y = reshape(&x, [2, 3]).unwrap();
        assert_eq!(y.data::<f32>().as_ptr(), x.data::<f32>().as_ptr());
        let error = reshape(&x, [4]).unwrap_err().to_string();
        assert_eq!(error, "reshape: [6] has 6 elements, but [4] has 4");
    }
}
