//! Axes in another order.

pub mod check;

use tensor::{Error, Result, Shape, Tensor, with_features};

use crate::strided::{self, View, contiguous};

/// `x` with its axes in another order: axis `k` of the result is axis `axes[k]` of `x`. The elements
/// are copied, so that the result is contiguous.
///
/// ```
/// use kernels::permute;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// // PyTorch's [batch, channels, rows, columns] to this engine's channels-last order.
/// let images = Tensor::zeros::<f32>([8, 3, 32, 48]);
/// assert_eq!(permute(&images, &[0, 2, 3, 1])?.dims(), [8, 32, 48, 3]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When `axes` does not list every axis of `x` once, or the dtype is not floating.
pub fn permute(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..x.shape().axes()) {
        let what = format!("{axes:?} does not list every axis of {} once", x.shape());
        return Err(Error::shape("permute", what));
    }
    let mut inverse = axes.to_vec();
    axes.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
    let permuted = copied(x, axes)?;
    Ok(permuted
        .recorded("permute", &[x], move |gradient, _| Ok(vec![Some(copied(&gradient, &inverse)?)])))
}

/// `x` with two of its axes exchanged.
///
/// ```
/// use kernels::transpose;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
/// assert_eq!(transpose(&x, 0, 1)?.data::<f32>(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When `x` has no such axis, or the dtype is not floating.
pub fn transpose(x: &Tensor, first: usize, second: usize) -> Result<Tensor> {
    let count = x.shape().axes();
    if first.max(second) >= count {
        let what = format!("{} has no axes {first} and {second}", x.shape());
        return Err(Error::shape("transpose", what));
    }
    let mut axes: Vec<usize> = (0..count).collect();
    axes.swap(first, second);
    permute(x, &axes)
}

/// Off the tape.
fn copied(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let own = contiguous(x.dims());
    let dims: Vec<usize> = axes.iter().map(|&axis| own[axis].extent).collect();
    let (view, shape) = (View::new(axes.iter().map(|&axis| own[axis])), Shape::from(&dims[..]));
    with_features!("permute", x,
        gpu => strided::cuda::copy(gpu, x, &view, shape),
        T => Ok(strided::copy::<T>(x, &view, shape))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_axis_is_listed_once() {
        let x = Tensor::zeros::<f32>([2, 3]);
        for wrong in [&[0][..], &[0, 0], &[0, 2], &[1, 0, 2]] {
            let error = permute(&x, wrong).unwrap_err().to_string();
            assert!(error.ends_with("does not list every axis of [2, 3] once"), "{error}");
        }
        let error = transpose(&x, 0, 2).unwrap_err().to_string();
        assert_eq!(error, "transpose: [2, 3] has no axes 0 and 2");
        let error = permute(&Tensor::zeros::<u8>([2, 3]), &[1, 0]).unwrap_err().to_string();
        assert_eq!(error, "permute: takes bf16, f32 or f64, not u8");
    }

    #[test]
    fn a_tensor_without_elements_stays_without() {
        let x = Tensor::zeros::<f32>([2, 0, 3]);
        assert_eq!(permute(&x, &[2, 1, 0]).unwrap().dims(), [3, 0, 2]);
    }
}
