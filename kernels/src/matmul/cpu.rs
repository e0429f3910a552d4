//! Matrix by matrix; a large one is split further by `matrix.rs`.

use rayon::prelude::*;
use tensor::{Float, Shape, Tensor};

use super::Batch;
use crate::matrix::{self, Matrix};

/// The product of each pair of matrices.
pub(super) fn product<T: Float>(a: Batch<'_>, b: Batch<'_>, shape: Shape) -> Tensor {
    let size = shape.dims()[1] * shape.dims()[2];
    Tensor::build::<T>(shape, |out| {
        if out.is_empty() {
            return;
        }
        out.par_chunks_mut(size).enumerate().for_each(|(index, out)| {
            matrix::product(of_batch::<T>(a, index), of_batch::<T>(b, index), out);
        });
    })
}

/// One matrix of a batch.
fn of_batch<T: Float>(batch: Batch<'_>, index: usize) -> Matrix<'_, T> {
    let [_, rows, columns] = batch.stored();
    let (data, size) = (batch.matrices.data::<T>(), rows * columns);
    let matrix = Matrix::new(&data[index * size..(index + 1) * size], rows, columns);
    if batch.is_transposed { matrix.transposed() } else { matrix }
}
