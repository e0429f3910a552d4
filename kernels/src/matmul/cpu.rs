//! Matrix by matrix; a large one is split further by `matrix.rs`.

use rayon::prelude::*;
use tensor::{Feature, Shape, Tensor};

use super::Batch;
use crate::cast::cpu::{narrowed, widened};
use crate::matrix::{self, Matrix};

/// The product of each pair of matrices.
pub(super) fn product<T: Feature>(a: Batch<'_>, b: Batch<'_>, shape: Shape) -> Tensor {
    let size = shape.dims()[1] * shape.dims()[2];
    let [of_a, of_b] = [a, b].map(|batch| widened::<T>(batch.matrices));
    let (a, b) = (Batch { matrices: &of_a, ..a }, Batch { matrices: &of_b, ..b });
    narrowed::<T>(Tensor::build::<T::Acc>(shape, |out| {
        if out.is_empty() {
            return;
        }
        out.par_chunks_mut(size).enumerate().for_each(|(index, out)| {
            matrix::product(of_batch::<T::Acc>(a, index), of_batch(b, index), out);
        });
    }))
}

/// One matrix of a batch.
fn of_batch<T: Feature>(batch: Batch<'_>, index: usize) -> Matrix<'_, T> {
    let [_, rows, columns] = batch.stored();
    let (data, size) = (batch.matrices.data::<T>(), rows * columns);
    let matrix = Matrix::new(&data[index * size..(index + 1) * size], rows, columns);
    if batch.is_transposed { matrix.transposed() } else { matrix }
}
