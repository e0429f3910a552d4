//! Three matrix products and a sum.

use tensor::gpu::{Gpu, Launch, Program, Source};
use tensor::{Buffer, DType, Result, Tensor};

use super::Size;
use crate::gpu::filled;
use crate::gpu::matrix::{MATRIX, Matrix, Onto, product};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/linear/linear.cu", text: include_str!("linear.cu") }];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(MATRIX, dtype), Program::new(SOURCES, dtype)]
}

/// `x weightᵀ + bias`.
pub(super) fn forward(
    gpu: &dyn Gpu,
    size: Size,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let Size { rows, inputs, outputs } = size;
    let onto = match bias {
        Some(bias) => Onto::Bias(bias.address()?),
        None => Onto::Nothing,
    };
    let rows_of_x = Matrix::new(x.address()?, rows, inputs);
    let weight = Matrix::new(weight.address()?, outputs, inputs).transposed();
    result(gpu, x, [rows, outputs], rows_of_x, weight, onto)
}

/// `gradient weight`.
pub(super) fn of_input(
    gpu: &dyn Gpu,
    size: Size,
    gradient: &Tensor,
    weight: &Tensor,
) -> Result<Tensor> {
    let Size { rows, inputs, outputs } = size;
    let left = Matrix::new(gradient.address()?, rows, outputs);
    let right = Matrix::new(weight.address()?, outputs, inputs);
    result(gpu, gradient, [rows, inputs], left, right, Onto::Nothing)
}

/// `gradientᵀ x`.
pub(super) fn of_weight(
    gpu: &dyn Gpu,
    size: Size,
    gradient: &Tensor,
    x: &Tensor,
) -> Result<Tensor> {
    let Size { rows, inputs, outputs } = size;
    let left = Matrix::new(gradient.address()?, rows, outputs).transposed();
    let right = Matrix::new(x.address()?, rows, inputs);
    result(gpu, gradient, [outputs, inputs], left, right, Onto::Nothing)
}

/// A product in memory of its own, on the device and in the dtype of `like`.
fn result(
    gpu: &dyn Gpu,
    like: &Tensor,
    shape: [usize; 2],
    left: Matrix,
    right: Matrix,
    onto: Onto,
) -> Result<Tensor> {
    let (dtype, elements) = (like.dtype(), shape[0] * shape[1]);
    let out = Buffer::stale_on(&like.device(), dtype, elements)?;
    // SAFETY: the matrices are tensors of those shapes, the result is new and has the product's.
    unsafe { product(gpu, dtype, left, right, onto, out.address())? };
    Ok(Tensor::over(out, shape, dtype))
}

/// The sum of the gradient's rows.
pub(super) fn of_bias(gpu: &dyn Gpu, size: Size, gradient: &Tensor) -> Result<Tensor> {
    let (program, launch) = (Program::new(SOURCES, gradient.dtype()), Launch::over(size.outputs));
    let extents = [size.rows.into(), size.outputs.into()];
    // SAFETY: the gradient has those extents, and each thread a column of its own.
    unsafe {
        filled(gpu, &program, "linear_of_bias", launch, &[gradient], [size.outputs], &extents)
    }
}
