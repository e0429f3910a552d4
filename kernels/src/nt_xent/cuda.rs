//! Similarities by a matrix product, then a warp for each row of them that leaves their gradient in
//! their place.

use tensor::gpu::{Address, Gpu, Program, Source};
use tensor::{Buffer, DType, Result, Shape, Tensor};

use super::NtXent;
use crate::gpu::matrix::{MATRIX, Matrix, Onto, product};
use crate::gpu::{ROWS, changed, filled, gpu_of, warps};
use crate::reduce;

const SOURCES: &[Source] =
    &[ROWS, Source { path: "kernels/src/nt_xent/nt_xent.cu", text: include_str!("nt_xent.cu") }];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(MATRIX, dtype), Program::new(SOURCES, dtype)]
}

/// What backward needs.
pub(super) struct Kept {
    temperature: f64,
    /// Features brought to length 1.
    unit: Tensor,
    /// Length of every row of features.
    lengths: Tensor,
    /// Derivatives of the loss with respect to the similarities over the temperature.
    slopes: Tensor,
}

/// The loss, and what its gradient needs.
pub(super) fn forward(
    gpu: &dyn Gpu,
    features: &Tensor,
    positions: Option<&Tensor>,
    settings: &NtXent,
) -> Result<(Tensor, Kept)> {
    let (dtype, device) = (features.dtype(), features.device());
    let [rows, width] = extents(features);
    let program = Program::new(SOURCES, dtype);

    let lengths = Buffer::stale_on(&device, dtype, rows)?;
    let rest = [lengths.address().into(), rows.into(), width.into()];
    // SAFETY: a warp for each row of features and of what is made of it.
    let unit = unsafe {
        let launch = warps(rows);
        filled(gpu, &program, "nt_xent_unit", launch, &[features], features.shape(), &rest)?
    };
    let lengths = Tensor::over(lengths, [rows], dtype);

    let slopes = Buffer::stale_on(&device, dtype, rows * rows)?;
    let matrix = Matrix::new(unit.address()?, rows, width);
    // SAFETY: there is room for a similarity of every two rows.
    unsafe {
        product(gpu, dtype, matrix, matrix.transposed(), Onto::Nothing, slopes.address())?;
    }
    let losses = Buffer::stale_on(&device, DType::F64, rows)?;
    let arguments = [
        positions.map_or(Ok(Address::NULL), Tensor::address)?.into(),
        slopes.address().into(),
        losses.address().into(),
        settings.temperature.into(),
        settings.threshold.into(),
        usize::from(settings.cyclic).into(),
        rows.into(),
    ];
    // SAFETY: a warp for each row of similarities, its position and its loss.
    unsafe { gpu.launch(&program, "nt_xent_rows", warps(rows), &arguments)? };
    let losses = Tensor::over(losses, [rows], DType::F64);
    let loss = reduce::cuda::total(gpu, &losses, dtype, 1.0 / rows as f64)?;
    let slopes = Tensor::over(slopes, [rows, rows], dtype);
    Ok((loss, Kept { temperature: settings.temperature, unit, lengths, slopes }))
}

/// The gradient with respect to the features. A similarity belongs to two rows, and only what is
/// across a row changes its direction.
pub(super) fn backward(kept: Kept, gradient: &Tensor) -> Result<Tensor> {
    let Kept { temperature, unit, lengths, slopes } = kept;
    let gpu = &*gpu_of("nt_xent", &unit)?;
    let (dtype, [rows, width]) = (unit.dtype(), extents(&unit));
    let out = Buffer::stale_on(&unit.device(), dtype, rows * width)?;
    let directions = Matrix::new(unit.address()?, rows, width);
    let slopes = Matrix::new(slopes.address()?, rows, rows);
    // SAFETY: the result has the extents of the features.
    unsafe {
        product(gpu, dtype, slopes, directions, Onto::Nothing, out.address())?;
        product(gpu, dtype, slopes.transposed(), directions, Onto::Result, out.address())?;
    }
    let out = Tensor::over(out, unit.shape(), dtype);
    let (program, inputs) = (Program::new(SOURCES, dtype), [gradient, &unit, &lengths]);
    let rest = [temperature.into(), rows.into(), width.into()];
    // SAFETY: a warp for each row; the gradient is one element.
    unsafe { changed(gpu, &program, "nt_xent_across", warps(rows), &inputs, out, &rest) }
}

fn extents(features: &Tensor) -> [usize; 2] {
    let shape: Shape = features.shape();
    shape.as_array().unwrap_or_default()
}
