//! Concatenation along an axis.
//!
//! Where channels are joined and a convolution follows, hand it the parts instead: it reads several inputs as one.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use std::ops::Range;

use tensor::{Error, Result, Shape, Tensor, same_device, with_features};

/// Joins tensors along `axis`, all other extents being equal.
///
/// ```
/// use kernels::concat;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let (a, b) = (Tensor::zeros::<f32>([2, 3]), Tensor::zeros::<f32>([2, 5]));
/// assert_eq!(concat(&[&a, &b], 1)?.dims(), [2, 8]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When there is nothing to join, there is no such axis, or other extents or dtypes differ.
pub fn concat(parts: &[&Tensor], axis: usize) -> Result<Tensor> {
    let Some(&first) = parts.first() else {
        return Err(Error::shape("concat", "no tensors to join"));
    };
    let others = |t: &Tensor| {
        let mut dims = t.dims().to_vec();
        (axis < dims.len()).then(|| dims.remove(axis)).map(|_| dims)
    };
    for part in parts {
        let alike = others(part) == others(first) && part.dtype() == first.dtype();
        if axis >= part.shape().axes() || !alike {
            let what = format!(
                "{} {} cannot be joined to {} {} along axis {axis}",
                part.dtype(),
                part.shape(),
                first.dtype(),
                first.shape()
            );
            return Err(Error::shape("concat", what));
        }
    }
    // For each index of the axes before this one, the elements of a part are contiguous.
    let widths: Vec<usize> =
        parts.iter().map(|part| part.dims()[axis..].iter().product()).collect();
    let mut dims = first.dims().to_vec();
    dims[axis] = parts.iter().map(|part| part.dims()[axis]).sum();
    let shape = Shape::from(&dims[..]);
    same_device("concat", parts.iter().copied())?;
    let joined = with_features!("concat", first,
        gpu => cuda::join(gpu, parts, &widths, shape),
        T => Ok(cpu::join::<T>(parts, &widths, shape))
    )?;
    let shapes: Vec<Shape> = parts.iter().map(|part| part.shape()).collect();
    Ok(joined.recorded("concat", parts, move |gradient, wanted| {
        let mut start = 0;
        let all: usize = widths.iter().sum();
        let cut = |run: Range<usize>, shape| {
            with_features!("concat", gradient,
                gpu => cuda::cut(gpu, &gradient, all, run, shape),
                T => Ok(cpu::cut::<T>(&gradient, all, run, shape))
            )
        };
        let parts = wanted.iter().zip(&widths).zip(&shapes).map(|((wanted, width), &shape)| {
            start += width;
            wanted.then(|| cut(start - width..start, shape)).transpose()
        });
        parts.collect()
    }))
}
