//! A warp for each row; the gradient of the direction overwrites that of the weight.

use tensor::gpu::{Gpu, In, Out, Program, Real, Source};
use tensor::{DType, Result, Tensor};

use crate::gpu::{ROWS, warps};

const SOURCES: &[Source] = &[
    ROWS,
    Source { path: "kernels/src/weight_norm/weight_norm.cu", text: include_str!("weight_norm.cu") },
];

tensor::kernels! {
    /// The kernels of `weight_norm.cu`.
    const KERNELS;

    weight_norm_forward => struct WeightNormForward<'a> {
        magnitude: In<'a, Real>,
        direction: In<'a, Real>,
        y: Out<'a, Real>,
        rows: usize,
        width: usize,
    }

    weight_norm_of_magnitude => struct WeightNormOfMagnitude<'a> {
        gradient: In<'a, Real>,
        direction: In<'a, Real>,
        y: Out<'a, Real>,
        rows: usize,
        width: usize,
    }

    weight_norm_of_direction => struct WeightNormOfDirection<'a> {
        magnitude: In<'a, Real>,
        direction: In<'a, Real>,
        gradient: Out<'a, Real>,
        rows: usize,
        width: usize,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
}

/// `g v / |v|`.
pub fn forward(gpu: &dyn Gpu, magnitude: &Tensor, direction: &Tensor) -> Result<Tensor> {
    let (program, [rows, width]) = (program(direction.dtype()), rows(direction));
    let mut y = Tensor::uninitialised(&direction.device(), direction.dtype(), direction.shape())?;
    let args = WeightNormForward {
        magnitude: program.input(magnitude)?,
        direction: program.input(direction)?,
        y: program.output(&mut y)?,
        rows,
        width,
    };
    // SAFETY: `rows` magnitudes, and `rows` times `width` of the others; a warp for each row.
    unsafe { gpu.launch(&program, "weight_norm_forward", warps(rows), &args)? };
    Ok(y)
}

/// The part of the gradient that is along the row: `gradient · v / |v|`.
pub fn of_magnitude(gpu: &dyn Gpu, gradient: &Tensor, direction: &Tensor) -> Result<Tensor> {
    let (program, [rows, width]) = (program(direction.dtype()), rows(direction));
    let mut y = Tensor::uninitialised(&direction.device(), direction.dtype(), [rows, 1])?;
    let args = WeightNormOfMagnitude {
        gradient: program.input(gradient)?,
        direction: program.input(direction)?,
        y: program.output(&mut y)?,
        rows,
        width,
    };
    // SAFETY: `rows` results, and `rows` times `width` of the others; a warp for each row.
    unsafe { gpu.launch(&program, "weight_norm_of_magnitude", warps(rows), &args)? };
    Ok(y)
}

/// The part of the gradient that is orthogonal to the row, times `g / |v|`.
pub fn of_direction(
    gpu: &dyn Gpu,
    mut gradient: Tensor,
    magnitude: &Tensor,
    direction: &Tensor,
) -> Result<Tensor> {
    let (program, [rows, width]) = (program(direction.dtype()), rows(direction));
    let args = WeightNormOfDirection {
        magnitude: program.input(magnitude)?,
        direction: program.input(direction)?,
        gradient: program.output(&mut gradient)?,
        rows,
        width,
    };
    // SAFETY: `rows` magnitudes, and `rows` times `width` of the others; a warp for each row.
    unsafe { gpu.launch(&program, "weight_norm_of_direction", warps(rows), &args)? };
    Ok(gradient)
}

fn rows(direction: &Tensor) -> [usize; 2] {
    [direction.dims()[0], direction.shape().last()]
}
