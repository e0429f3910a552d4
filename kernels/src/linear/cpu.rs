//! Three matrix products and a sum.

use tensor::{Feature, Tensor};

use super::Size;
use crate::cast::cpu::{narrowed, rounded, widened};
use crate::matrix::{Matrix, add_product, product};

/// `x weightᵀ + bias`.
pub fn forward<T: Feature>(
    size: Size,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Tensor {
    let Size { rows, inputs, outputs } = size;
    let (x, weight) = (widened::<T>(x), rounded::<T>(weight));
    narrowed::<T>(Tensor::build::<T::Acc>([rows, outputs], |out| {
        let x = Matrix::new(x.data::<T::Acc>(), rows, inputs);
        let weight = Matrix::new(weight.data(), outputs, inputs).transposed();
        match bias {
            None => product(x, weight, out),
            Some(bias) => {
                out.chunks_mut(outputs.max(1)).for_each(|row| row.copy_from_slice(bias.data()));
                add_product(x, weight, out);
            }
        }
    }))
}

/// `gradient weight`.
pub fn of_input<T: Feature>(size: Size, gradient: &Tensor, weight: &Tensor) -> Tensor {
    let Size { rows, inputs, outputs } = size;
    let (gradient, weight) = (widened::<T>(gradient), rounded::<T>(weight));
    narrowed::<T>(Tensor::build::<T::Acc>([rows, inputs], |out| {
        let gradient = Matrix::new(gradient.data::<T::Acc>(), rows, outputs);
        product(gradient, Matrix::new(weight.data(), outputs, inputs), out);
    }))
}

/// `gradientᵀ x`.
pub fn of_weight<T: Feature>(size: Size, gradient: &Tensor, x: &Tensor) -> Tensor {
    let Size { rows, inputs, outputs } = size;
    let [gradient, x] = [gradient, x].map(widened::<T>);
    Tensor::build::<T::Acc>([outputs, inputs], |out| {
        let gradient = Matrix::new(gradient.data::<T::Acc>(), rows, outputs).transposed();
        product(gradient, Matrix::new(x.data(), rows, inputs), out);
    })
}

/// The sum of the gradient's rows.
pub fn of_bias<T: Feature>(size: Size, gradient: &Tensor) -> Tensor {
    let mut sums = vec![0.0f64; size.outputs];
    for row in gradient.data::<T>().chunks(size.outputs.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, g)| *sum += g.to_f64());
    }
    Tensor::build::<T::Acc>([size.outputs], |out| {
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::Acc::from_f64(sum));
    })
}
