//! Three matrix products and a sum.

use tensor::{Float, Tensor};

use super::Size;
use crate::matrix::{Matrix, add_product, product};

/// `x weightᵀ + bias`.
pub fn forward<T: Float>(size: Size, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let Size { rows, inputs, outputs } = size;
    Tensor::build::<T>([rows, outputs], |out| {
        let x = Matrix::new(x.data::<T>(), rows, inputs);
        let weight = Matrix::new(weight.data::<T>(), outputs, inputs).transposed();
        match bias {
            None => product(x, weight, out),
            Some(bias) => {
                out.chunks_mut(outputs.max(1)).for_each(|row| row.copy_from_slice(bias.data()));
                add_product(x, weight, out);
            }
        }
    })
}

/// `gradient weight`.
pub fn of_input<T: Float>(size: Size, gradient: &Tensor, weight: &Tensor) -> Tensor {
    let Size { rows, inputs, outputs } = size;
    Tensor::build::<T>([rows, inputs], |out| {
        let gradient = Matrix::new(gradient.data::<T>(), rows, outputs);
        product(gradient, Matrix::new(weight.data(), outputs, inputs), out);
    })
}

/// `gradientᵀ x`.
pub fn of_weight<T: Float>(size: Size, gradient: &Tensor, x: &Tensor) -> Tensor {
    let Size { rows, inputs, outputs } = size;
    Tensor::build::<T>([outputs, inputs], |out| {
        let gradient = Matrix::new(gradient.data::<T>(), rows, outputs).transposed();
        product(gradient, Matrix::new(x.data(), rows, inputs), out);
    })
}

/// The sum of the gradient's rows.
pub fn of_bias<T: Float>(size: Size, gradient: &Tensor) -> Tensor {
    let mut sums = vec![0.0f64; size.outputs];
    for row in gradient.data::<T>().chunks(size.outputs.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, g)| *sum += g.to_f64());
    }
    Tensor::build::<T>([size.outputs], |out| {
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::from_f64(sum));
    })
}
