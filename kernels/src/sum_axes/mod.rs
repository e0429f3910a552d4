//! Sums and means over some axes. [`sum`](mod@crate::reduce) and `mean` are over all of them.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{Error, Result, Shape, Tensor, with_features};

use crate::strided::{self, View, contiguous};

/// The sum of `x` over the given axes. They are left out of the result, or, where `keep` is set, stay
/// as axes of one element. The sum over no elements is 0.
///
/// Summed in float64, in an order that the number of threads does not change.
///
/// ```
/// use kernels::sum_axes;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
/// assert_eq!(sum_axes(&x, &[0], false)?.data::<f32>(), [5.0, 7.0, 9.0]);
/// assert_eq!(sum_axes(&x, &[1], true)?.dims(), [2, 1]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When `x` lacks one of the axes, one is given twice, or the dtype is not floating.
pub fn sum_axes(x: &Tensor, axes: &[usize], keep: bool) -> Result<Tensor> {
    check_axes("sum_axes", x, axes)?;
    recorded("sum_axes", x, axes, keep, 1.0)
}

/// The mean of `x` over the given axes, otherwise as [`sum_axes`].
///
/// ```
/// use kernels::mean_axes;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
/// assert_eq!(mean_axes(&x, &[1], false)?.data::<f32>(), [2.0, 5.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`sum_axes`], and when there are no elements to take the mean of.
pub fn mean_axes(x: &Tensor, axes: &[usize], keep: bool) -> Result<Tensor> {
    check_axes("mean_axes", x, axes)?;
    match axes.iter().map(|&axis| x.dims()[axis]).product::<usize>() {
        0 => {
            let what = format!("{} has no elements along {axes:?}", x.shape());
            Err(Error::shape("mean_axes", what))
        }
        count => recorded("mean_axes", x, axes, keep, 1.0 / count as f64),
    }
}

fn check_axes(operation: &'static str, x: &Tensor, axes: &[usize]) -> Result<()> {
    let twice = |(k, axis): (usize, &usize)| axes[..k].contains(axis);
    let absent = axes.iter().any(|&axis| axis >= x.shape().axes());
    if absent || axes.iter().enumerate().any(twice) {
        let what = format!("{axes:?} are not different axes of {}", x.shape());
        return Err(Error::shape(operation, what));
    }
    Ok(())
}

fn recorded(
    operation: &'static str,
    x: &Tensor,
    axes: &[usize],
    keep: bool,
    scale: f64,
) -> Result<Tensor> {
    let shape = x.shape();
    let dims = shape.dims().iter().enumerate();
    let with_ones = dims.map(|(k, &dim)| if axes.contains(&k) { 1 } else { dim });
    let with_ones = Shape::from(&with_ones.collect::<Vec<_>>()[..]);
    let mut result = summed(operation, x, axes, scale)?;
    if keep {
        result = result.with_shape(with_ones)?;
    }
    Ok(result.recorded(operation, &[x], move |gradient, _| {
        // A sum over no axes only scales, here where the gradient is still small.
        let scaled = match scale {
            1.0 => gradient,
            _ => summed(operation, &gradient, &[], scale)?,
        };
        Ok(vec![Some(strided::expanded(&scaled.with_shape(with_ones)?, shape)?)])
    }))
}

/// `scale` times the sum of `x` over some of its axes, off the tape. The axes are left out.
pub(crate) fn summed(
    operation: &'static str,
    x: &Tensor,
    axes: &[usize],
    scale: f64,
) -> Result<Tensor> {
    let sum = Sum::of(x, axes, scale);
    with_features!(operation, x,
        gpu => cuda::sum(gpu, x, &sum),
        T => Ok(cpu::sum::<T>(x, &sum))
    )
}

/// What is summed.
struct Sum {
    /// Of the result.
    shape: Shape,
    /// The elements of `x` that the terms of each sum begin at.
    kept: View,
    /// The terms of one sum.
    terms: View,
    /// What each sum is multiplied by.
    scale: f64,
}

impl Sum {
    fn of(x: &Tensor, axes: &[usize], scale: f64) -> Self {
        let own = contiguous(x.dims());
        let (mut kept, mut terms) = (Vec::new(), Vec::new());
        for (k, &axis) in own.iter().enumerate() {
            if axes.contains(&k) { terms.push(axis) } else { kept.push(axis) }
        }
        let dims: Vec<usize> = kept.iter().map(|axis| axis.extent).collect();
        Sum { shape: Shape::from(&dims[..]), kept: View::new(kept), terms: View::new(terms), scale }
    }

    /// Whether neighbours in memory belong to different sums, rather than to the same one.
    fn is_by_columns(&self) -> bool {
        !self.kept.axes().is_empty() && self.kept.is_innermost_contiguous()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_must_be_there_and_different() {
        let x = Tensor::zeros::<f32>([2, 3]);
        for wrong in [&[2][..], &[0, 0]] {
            let error = sum_axes(&x, wrong, false).unwrap_err().to_string();
            assert_eq!(error, format!("sum_axes: {wrong:?} are not different axes of [2, 3]"));
        }
    }

    #[test]
    fn sums_over_no_elements_are_zero_and_means_are_refused() {
        let x = Tensor::zeros::<f32>([2, 0]);
        assert_eq!(sum_axes(&x, &[1], false).unwrap().data::<f32>(), [0.0, 0.0]);
        assert_eq!(sum_axes(&x, &[0], false).unwrap().dims(), [0]);
        assert!(mean_axes(&x, &[1], false).is_err());
    }

    #[test]
    fn the_bits_do_not_depend_on_the_number_of_threads() {
        let x = Tensor::build::<f32>([9000, 3, 70], |out| {
            out.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 1013) as f32 / 7.0);
        });
        for axes in [&[0][..], &[1, 2], &[0, 2], &[0, 1, 2]] {
            let on_threads = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| sum_axes(&x, axes, false).unwrap().to_f64())
            };
            assert_eq!(on_threads(1), on_threads(3), "{axes:?}");
        }
    }
}
