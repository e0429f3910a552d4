//! Three matrix products and a sum: of `bf16` by sums over taps, of other features by the `gemm` crate.

use tensor::{Feature, Tensor};

use super::Size;
use crate::matrix::{Matrix, add_product, product};
use crate::simd::Loadable;
use crate::taps;
use crate::taps::pack::Weights;

/// `x weightᵀ + bias`.
pub fn forward<T: Loadable>(
    size: Size,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Tensor {
    let Size { rows, inputs, outputs } = size;
    let bias = bias.map(Tensor::data);
    if T::GROUP > 1 {
        let weights = Weights { data: weight.data(), first: 0, steps: [0, 1, inputs] };
        return Tensor::build::<T>([rows, outputs], |out| {
            taps::matrix::product(x.data(), [inputs, outputs], weights, bias, out);
        });
    }
    Tensor::build::<T::Acc>([rows, outputs], |out| {
        let x = Matrix::new(x.data::<T::Acc>(), rows, inputs);
        let weight = Matrix::new(weight.data(), outputs, inputs).transposed();
        match bias {
            None => product(x, weight, out),
            Some(bias) => {
                out.chunks_mut(outputs.max(1)).for_each(|row| row.copy_from_slice(bias));
                add_product(x, weight, out);
            }
        }
    })
}

/// `gradient weight`.
pub fn of_input<T: Loadable>(size: Size, gradient: &Tensor, weight: &Tensor) -> Tensor {
    let Size { rows, inputs, outputs } = size;
    if T::GROUP > 1 {
        let weights = Weights { data: weight.data(), first: 0, steps: [0, inputs, 1] };
        return Tensor::build::<T>([rows, inputs], |out| {
            taps::matrix::product(gradient.data(), [outputs, inputs], weights, None, out);
        });
    }
    Tensor::build::<T::Acc>([rows, inputs], |out| {
        let gradient = Matrix::new(gradient.data::<T::Acc>(), rows, outputs);
        product(gradient, Matrix::new(weight.data(), outputs, inputs), out);
    })
}

/// `gradientᵀ x`.
pub fn of_weight<T: Loadable>(size: Size, gradient: &Tensor, x: &Tensor) -> Tensor {
    let Size { rows, inputs, outputs } = size;
    Tensor::build::<T::Acc>([outputs, inputs], |out| {
        if T::GROUP > 1 {
            let (gradient, x) = (gradient.data::<T>(), x.data());
            return taps::matrix::product_over_rows(gradient, x, [outputs, inputs], out);
        }
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
