//! A warp for each row; the gradient of the direction is written over that of the weight.

use tensor::gpu::{Argument, Gpu, Program, Source};
use tensor::{DType, Result, Tensor};

use crate::gpu::{ROWS, changed, filled, warps};

const SOURCES: &[Source] = &[
    ROWS,
    Source { path: "kernels/src/weight_norm/weight_norm.cu", text: include_str!("weight_norm.cu") },
];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// `g v / |v|`.
pub fn forward(gpu: &dyn Gpu, magnitude: &Tensor, direction: &Tensor) -> Result<Tensor> {
    let (program, inputs) = (Program::new(SOURCES, direction.dtype()), [magnitude, direction]);
    let (launch, size) = rows(direction);
    let (name, shape) = ("weight_norm_forward", direction.shape());
    // SAFETY: a warp for each row, of which there are one magnitude and `width` of the others.
    unsafe { filled(gpu, &program, name, launch, &inputs, shape, &size) }
}

/// What of the gradient is along the row: `gradient · v / |v|`.
pub fn of_magnitude(gpu: &dyn Gpu, gradient: &Tensor, direction: &Tensor) -> Result<Tensor> {
    let (program, inputs) = (Program::new(SOURCES, direction.dtype()), [gradient, direction]);
    let (launch, size) = rows(direction);
    let (name, shape) = ("weight_norm_of_magnitude", [direction.dims()[0], 1]);
    // SAFETY: a warp for each row, of which there are one magnitude and `width` of the others.
    unsafe { filled(gpu, &program, name, launch, &inputs, shape, &size) }
}

/// What of the gradient is across the row, times `g / |v|`.
pub fn of_direction(
    gpu: &dyn Gpu,
    gradient: Tensor,
    magnitude: &Tensor,
    direction: &Tensor,
) -> Result<Tensor> {
    let (program, inputs) = (Program::new(SOURCES, direction.dtype()), [magnitude, direction]);
    let (launch, size) = rows(direction);
    // SAFETY: a warp for each row, of which there are one magnitude and `width` of the others.
    unsafe { changed(gpu, &program, "weight_norm_of_direction", launch, &inputs, gradient, &size) }
}

fn rows(direction: &Tensor) -> (tensor::gpu::Launch, [Argument; 2]) {
    let (rows, width) = (direction.dims()[0], direction.shape().last());
    (warps(rows), [rows.into(), width.into()])
}
