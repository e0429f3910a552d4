//! Axes of one element repeated, as broadcasting has it.

pub mod check;

use tensor::gpu::Program;
use tensor::{DType, Error, Result, Shape, Tensor};

use crate::{reshape, strided, sum_axes};

/// `x` repeated to a shape, by the rules of NumPy and PyTorch: shapes are compared from the last axis
/// on, an axis of one element is repeated, and axes that `x` lacks are added in front. The elements
/// are copied.
///
/// The gradient of `x` is the sum over the repeated axes.
///
/// ```
/// use kernels::expand;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let row = Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3])?;
/// let rows = expand(&row, [2, 3])?;
/// assert_eq!(rows.data::<f32>(), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
/// assert!(expand(&row, [3, 2]).is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When `x` does not expand to that shape, or the dtype is not floating.
pub fn expand(x: &Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
    let (shape, before) = (shape.into(), x.shape());
    let Some(repeated) = repeated_axes(before, shape) else {
        return Err(Error::shape("expand", format!("{before} does not expand to {shape}")));
    };
    if shape == before {
        return reshape(x, shape);
    }
    let expanded = strided::expanded(x, shape)?;
    Ok(expanded.recorded("expand", &[x], move |gradient, _| {
        let of_x = sum_axes::summed("expand", &gradient, &repeated, 1.0)?;
        Ok(vec![Some(of_x.with_shape(before)?)])
    }))
}

/// The axes of `to` along which a tensor of shape `from` is repeated; none if it does not expand.
fn repeated_axes(from: Shape, to: Shape) -> Option<Vec<usize>> {
    let added = to.axes().checked_sub(from.axes())?;
    let mut repeated: Vec<usize> = (0..added).collect();
    for (k, (&own, &wanted)) in from.dims().iter().zip(&to.dims()[added..]).enumerate() {
        match own {
            _ if own == wanted => {}
            1 => repeated.push(added + k),
            _ => return None,
        }
    }
    Some(repeated)
}

/// The shape that two shapes broadcast to; none if they do not.
pub(crate) fn broadcast_shape(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let (longer, shorter) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let added = longer.len() - shorter.len();
    let mut dims = longer.to_vec();
    for (dim, &other) in dims[added..].iter_mut().zip(shorter) {
        match (*dim, other) {
            (one, other) if one == other || other == 1 => {}
            (1, other) => *dim = other,
            _ => return None,
        }
    }
    Some(dims)
}

/// The kernels, with those of the sum that is the gradient.
pub(crate) fn programs(dtype: DType) -> Vec<Program> {
    [strided::cuda::programs(dtype), sum_axes::cuda::programs(dtype)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        let broadcast = |a: &[usize], b: &[usize]| broadcast_shape(a, b);
        assert_eq!(broadcast(&[8, 1, 6, 1], &[7, 1, 5]), Some(vec![8, 7, 6, 5]));
        assert_eq!(broadcast(&[3], &[]), Some(vec![3]));
        assert_eq!(broadcast(&[1], &[0]), Some(vec![0]));
        assert_eq!(broadcast(&[3], &[4]), None);
        assert_eq!(broadcast(&[2, 1], &[8, 4, 3]), None);
    }

    #[test]
    fn a_shape_that_is_too_small_is_refused() {
        let x = Tensor::zeros::<f32>([2, 3]);
        for wrong in [Shape::from([3]), [2, 1].into(), [2, 3, 1].into()] {
            let error = expand(&x, wrong).unwrap_err().to_string();
            assert_eq!(error, format!("expand: [2, 3] does not expand to {wrong}"));
        }
        assert_eq!(expand(&Tensor::zeros::<f32>([1, 3]), [0, 3]).unwrap().dims(), [0, 3]);
    }
}
