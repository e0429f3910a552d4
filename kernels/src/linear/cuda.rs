//! Three matrix products and a sum. Features in bf16 are multiplied by tensor cores: a linear layer is
//! a convolution of one tap.

use tensor::gpu::{Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{DType, Result, Tensor};

use super::Size;
use crate::gpu::matrix::{self, Matrix, Onto, product};
use crate::taps::cuda::{Kind, Taps, Weights};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/linear/linear.cu", text: include_str!("linear.cu") }];

tensor::kernels! {
    /// The kernel of `linear.cu`.
    const KERNELS;

    linear_of_bias => struct LinearOfBias<'a> {
        gradient: In<'a, Real>,
        y: Out<'a, Real>,
        rows: usize,
        columns: usize,
    }
}

/// A convolution of 1 x 1.
const TAP: Kind = Kind { kernel: 1, stride: 1, transposed: false };

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    if dtype == DType::BF16 {
        return TAP.programs(dtype);
    }
    vec![matrix::program(dtype), program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
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
    if x.dtype() == DType::BF16 {
        let weights = Weights { tensor: weight, first: 0, steps: [0, 1, inputs] };
        return multiplied(gpu, x, weights, bias, [rows, outputs]);
    }
    let onto = match bias {
        Some(bias) => Onto::Bias(bias),
        None => Onto::Nothing,
    };
    let rows_of_x = Matrix::new(x, rows, inputs);
    let weight = Matrix::new(weight, outputs, inputs).transposed();
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
    if gradient.dtype() == DType::BF16 {
        let weights = Weights { tensor: weight, first: 0, steps: [0, inputs, 1] };
        return multiplied(gpu, gradient, weights, None, [rows, inputs]);
    }
    let left = Matrix::new(gradient, rows, outputs);
    let right = Matrix::new(weight, outputs, inputs);
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
    if gradient.dtype() == DType::BF16 {
        let tapped = std::slice::from_ref(gradient);
        let (weight, _) = taps(rows).of_parameters(gpu, tapped, x, false)?;
        let dtype = weight.dtype();
        return Ok(Tensor::from_parts(weight.into_memory()?, [outputs, inputs], dtype));
    }
    let left = Matrix::new(gradient, rows, outputs).transposed();
    let right = Matrix::new(x, rows, inputs);
    result(gpu, gradient, [outputs, inputs], left, right, Onto::Nothing)
}

/// Rows as the pixels of an image that tiles fill well.
fn taps(rows: usize) -> Taps {
    let columns = 1 << rows.trailing_zeros().min(4);
    let image = [rows / columns, columns];
    Taps { kind: TAP, batch: 1, input: image, output: image }
}

/// Rows of bf16 through weights.
fn multiplied(
    gpu: &dyn Gpu,
    x: &Tensor,
    weights: Weights,
    bias: Option<&Tensor>,
    shape: [usize; 2],
) -> Result<Tensor> {
    let inputs = std::slice::from_ref(x);
    let (y, _) = taps(shape[0]).sum(gpu, inputs, weights, bias, shape[1], false)?;
    Ok(Tensor::from_parts(y.into_memory()?, shape, x.dtype()))
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
    let mut out = Tensor::uninitialised(&like.device(), like.dtype(), shape)?;
    product(gpu, left, right, onto, &mut out)?;
    Ok(out)
}

/// The sum of the gradient's rows.
pub(super) fn of_bias(gpu: &dyn Gpu, size: Size, gradient: &Tensor) -> Result<Tensor> {
    if gradient.dtype() == DType::BF16 {
        return taps(size.rows).of_bias(gpu, gradient);
    }
    let (program, Size { rows, outputs, .. }) = (program(gradient.dtype()), size);
    let mut y = Tensor::uninitialised(&gradient.device(), gradient.dtype(), [outputs])?;
    let args = LinearOfBias {
        gradient: program.input(gradient)?,
        y: program.output(&mut y)?,
        rows,
        columns: outputs,
    };
    // SAFETY: the gradient has `rows` times `outputs` elements; a thread for each column.
    unsafe { gpu.launch(&program, "linear_of_bias", Launch::over(outputs), &args)? };
    Ok(y)
}
