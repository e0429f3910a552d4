//! Matrix products.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::gpu::Program;
use tensor::{DType, Error, Result, Shape, Tensor, same_device, with_features};

use crate::expand::{self, broadcast_shape, expand};
use crate::reshape;

/// The matrix product of `a` and `b`, over the last two axes of each.
///
/// | tensor | shape |
/// |---|---|
/// | `a` | `[..., rows, inner]` |
/// | `b` | `[..., inner, columns]` |
/// | result | `[..., rows, columns]` |
///
/// The leading axes are a batch; they broadcast as in NumPy and PyTorch. Where `b` is one matrix, all
/// of `a` is multiplied by it in one product. Matrices of bf16 are summed in float32; GPUs do so without tensor
/// cores, which [`linear`](mod@crate::linear) uses.
///
/// ```
/// use kernels::matmul;
/// use tensor::Tensor;
///
/// # fn main() -> tensor::Result<()> {
/// let a = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
/// let b = Tensor::from_slice(&[5.0f32, 6.0, 7.0, 8.0], [2, 2])?;
/// assert_eq!(matmul(&a, &b)?.data::<f32>(), [19.0, 22.0, 43.0, 50.0]);
///
/// let batch = Tensor::zeros::<f32>([8, 5, 2]);
/// assert_eq!(matmul(&batch, &b)?.dims(), [8, 5, 2]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When either has fewer than two axes, inner extents differ, leading axes do not broadcast, dtypes
/// or devices differ, or the dtype is not floating.
pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (Some((leading_a, [rows, inner])), Some((leading_b, [other, columns]))) =
        (split(a), split(b))
    else {
        return Err(refused(a, b, "are not both matrices or batches of them"));
    };
    if inner != other || a.dtype() != b.dtype() {
        return Err(refused(a, b, "do not fit in inner extent and dtype"));
    }
    let Some(leading) = broadcast_shape(leading_a, leading_b) else {
        return Err(refused(a, b, "have leading axes that do not broadcast"));
    };
    same_device("matmul", [a, b])?;
    let shape = Shape::from(&[&leading[..], &[rows, columns]].concat()[..]);
    let y = if leading_b.is_empty() {
        let rows = leading.iter().product::<usize>() * rows;
        batched(&reshape(a, [1, rows, inner])?, &reshape(b, [1, inner, columns])?)?
    } else {
        let batch: usize = leading.iter().product();
        let stacked = |factor: &Tensor, matrix: [usize; 2]| {
            let whole = Shape::from(&[&leading[..], &matrix].concat()[..]);
            reshape(&expand(factor, whole)?, [batch, matrix[0], matrix[1]])
        };
        batched(&stacked(a, [rows, inner])?, &stacked(b, [inner, columns])?)?
    };
    reshape(&y, shape)
}

/// The leading extents of a tensor, and the two of its matrices.
fn split(x: &Tensor) -> Option<(&[usize], [usize; 2])> {
    let (leading, &matrix) = x.dims().split_last_chunk()?;
    Some((leading, matrix))
}

fn refused(a: &Tensor, b: &Tensor, why: &str) -> Error {
    let (of_a, of_b) = (a.dtype(), b.dtype());
    Error::shape("matmul", format!("{of_a} {} and {of_b} {} {why}", a.shape(), b.shape()))
}

/// The products of the matrices of `a` and `b`, `[batch, rows, inner]` and `[batch, inner, columns]`.
fn batched(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let y = product(Batch::plain(a), Batch::plain(b))?;
    let (left, right) = (a.clone(), b.clone());
    Ok(y.recorded("matmul", &[a, b], move |gradient, wanted| {
        let of_a = || product(Batch::plain(&gradient), Batch::transposed(&right));
        let of_b = || product(Batch::transposed(&left), Batch::plain(&gradient));
        Ok(vec![wanted[0].then(of_a).transpose()?, wanted[1].then(of_b).transpose()?])
    }))
}

/// A batch of matrices, each perhaps transposed.
#[derive(Clone, Copy)]
struct Batch<'a> {
    /// `[batch, rows, columns]` before matrices are transposed.
    matrices: &'a Tensor,
    is_transposed: bool,
}

impl<'a> Batch<'a> {
    fn plain(matrices: &'a Tensor) -> Self {
        Batch { matrices, is_transposed: false }
    }

    fn transposed(matrices: &'a Tensor) -> Self {
        Batch { matrices, is_transposed: true }
    }

    /// Matrices of the batch, and rows and columns of each before it is transposed.
    fn stored(&self) -> [usize; 3] {
        let dims = self.matrices.dims();
        [dims[0], dims[1], dims[2]]
    }

    /// Rows and columns of each matrix.
    fn size(&self) -> [usize; 2] {
        let [_, rows, columns] = self.stored();
        if self.is_transposed { [columns, rows] } else { [rows, columns] }
    }
}

/// Off the tape.
fn product(a: Batch<'_>, b: Batch<'_>) -> Result<Tensor> {
    let ([batch, ..], [rows, _], [_, columns]) = (a.stored(), a.size(), b.size());
    let shape = Shape::from([batch, rows, columns]);
    with_features!("matmul", a.matrices,
        gpu => cuda::product(gpu, a, b, shape),
        T => Ok(cpu::product::<T>(a, b, shape))
    )
}

/// The kernels, with those that expand leading axes.
pub(crate) fn programs(dtype: DType) -> Vec<Program> {
    [cuda::programs(dtype), expand::programs(dtype)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_that_do_not_fit_are_refused() {
        let zeros = |dims: &[usize]| Tensor::zeros::<f32>(dims);
        for (a, b, why) in [
            (
                &[3][..],
                &[3, 2][..],
                "f32 [3] and f32 [3, 2] are not both matrices or batches of them",
            ),
            (&[2, 3], &[2, 3], "f32 [2, 3] and f32 [2, 3] do not fit in inner extent and dtype"),
            (
                &[2, 1, 3],
                &[4, 3, 1],
                "f32 [2, 1, 3] and f32 [4, 3, 1] have leading axes that do not broadcast",
            ),
        ] {
            let error = matmul(&zeros(a), &zeros(b)).unwrap_err().to_string();
            assert_eq!(error, format!("matmul: {why}"));
        }
        assert!(matmul(&zeros(&[2, 2]), &Tensor::zeros::<f64>([2, 2])).is_err());
    }

    #[test]
    fn products_without_elements_or_terms() {
        let zeros = |dims: &[usize]| Tensor::zeros::<f32>(dims);
        assert_eq!(matmul(&zeros(&[0, 3]), &zeros(&[3, 2])).unwrap().dims(), [0, 2]);
        assert_eq!(matmul(&zeros(&[0, 2, 3]), &zeros(&[0, 3, 2])).unwrap().dims(), [0, 2, 2]);
        assert_eq!(matmul(&zeros(&[2, 0]), &zeros(&[0, 1])).unwrap().data::<f32>(), [0.0, 0.0]);
    }
}
