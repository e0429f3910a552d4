//! Concatenation along channels.
//!
//! Where a convolution follows, hand it the parts instead: it reads several inputs as one.

pub mod check;
mod cpu;

use tensor::{Error, Result, Shape, Tensor, with_float};

/// Joins tensors along their last axis, all others being equal.
///
/// # Errors
/// When there is nothing to join, or extents other than the last, or dtypes, differ.
pub fn concat(parts: &[&Tensor]) -> Result<Tensor> {
    let Some(&first) = parts.first() else {
        return Err(Error::shape("concat", "no tensors to join"));
    };
    let leading = |t: &Tensor| t.dims().split_last().map(|(_, rest)| Shape::from(rest));
    for part in parts {
        let alike = leading(part) == leading(first) && part.dtype() == first.dtype();
        if part.shape().axes() == 0 || !alike {
            let what = format!(
                "{} {} cannot be joined to {} {} along the last axis",
                part.dtype(),
                part.shape(),
                first.dtype(),
                first.shape()
            );
            return Err(Error::shape("concat", what));
        }
    }
    let widths: Vec<usize> = parts.iter().map(|part| part.shape().last()).collect();
    let mut dims = first.dims().to_vec();
    dims[first.shape().axes() - 1] = widths.iter().sum();
    let shape = Shape::from(&dims[..]);
    let joined = with_float!("concat", first.dtype(), T => {
        Ok(cpu::join::<T>(parts, &widths, shape))
    })?;
    let shapes: Vec<Shape> = parts.iter().map(|part| part.shape()).collect();
    Ok(joined.recorded("concat", parts, move |gradient, wanted| {
        let starts = widths.iter().scan(0, |next, width| {
            *next += width;
            Some(*next - width)
        });
        let parts = wanted.iter().zip(starts).zip(&shapes);
        with_float!("concat", gradient.dtype(), T => {
            Ok(parts
                .map(|((wanted, start), &shape)| {
                    wanted.then(|| cpu::cut::<T>(&gradient, start, shape))
                })
                .collect())
        })
    }))
}
