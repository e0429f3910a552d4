//! Similarities by a matrix product, then a warp for each row of them, which overwrites them with
//! their gradient.

use tensor::gpu::{Gpu, In, Out, Program, Real, Source};
use tensor::{DType, Result, Shape, Tensor};

use super::NtXent;
use crate::gpu::matrix::{self, Matrix, Onto, product};
use crate::gpu::{ROWS, gpu_of, warps};
use crate::reduce;

const SOURCES: &[Source] =
    &[ROWS, Source { path: "kernels/src/nt_xent/nt_xent.cu", text: include_str!("nt_xent.cu") }];

tensor::kernels! {
    /// The kernels of `nt_xent.cu`.
    const KERNELS;

    nt_xent_unit => struct NtXentUnit<'a> {
        features: In<'a, Real>,
        unit: Out<'a, Real>,
        lengths: Out<'a, Real>,
        rows: usize,
        width: usize,
    }

    nt_xent_rows => struct NtXentRows<'a> {
        positions: In<'a, f64>,
        similarities: Out<'a, Real>,
        losses: Out<'a, f64>,
        temperature: f64,
        threshold: f64,
        cyclic: i64,
        rows: usize,
    }

    nt_xent_across => struct NtXentAcross<'a> {
        loss_gradient: In<'a, Real>,
        unit: In<'a, Real>,
        lengths: In<'a, Real>,
        gradient: Out<'a, Real>,
        temperature: f64,
        rows: usize,
        width: usize,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![matrix::program(dtype), program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
}

/// What backward needs.
pub(super) struct Saved {
    temperature: f64,
    /// Features scaled to length 1.
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
) -> Result<(Tensor, Saved)> {
    let (dtype, device) = (features.dtype(), features.device());
    let [rows, width] = extents(features);
    let program = program(dtype);

    let mut unit = Tensor::uninitialised(&device, dtype, [rows, width])?;
    let mut lengths = Tensor::uninitialised(&device, dtype, [rows])?;
    let args = NtXentUnit {
        features: program.input(features)?,
        unit: program.output(&mut unit)?,
        lengths: program.output(&mut lengths)?,
        rows,
        width,
    };
    // SAFETY: a warp for each of the `rows` rows of `width` features, and a length for each.
    unsafe { gpu.launch(&program, "nt_xent_unit", warps(rows), &args)? };

    let mut slopes = Tensor::uninitialised(&device, dtype, [rows, rows])?;
    let matrix = Matrix::new(&unit, rows, width);
    product(gpu, matrix, matrix.transposed(), Onto::Nothing, &mut slopes)?;
    let mut losses = Tensor::uninitialised(&device, DType::F64, [rows])?;
    let args = NtXentRows {
        positions: program.optional_input(positions)?,
        similarities: program.output(&mut slopes)?,
        losses: program.output(&mut losses)?,
        temperature: settings.temperature,
        threshold: settings.threshold,
        cyclic: settings.cyclic.into(),
        rows,
    };
    // SAFETY: a warp for each row of `rows` similarities; one position and one loss for each.
    unsafe { gpu.launch(&program, "nt_xent_rows", warps(rows), &args)? };
    let loss = reduce::cuda::total(gpu, &losses, dtype, 1.0 / rows as f64)?;
    Ok((loss, Saved { temperature: settings.temperature, unit, lengths, slopes }))
}

/// The gradient with respect to the features. A similarity belongs to two rows, and only the part of
/// the gradient that is orthogonal to a row changes its direction.
pub(super) fn backward(saved: Saved, gradient: &Tensor) -> Result<Tensor> {
    let Saved { temperature, unit, lengths, slopes } = saved;
    let gpu = &*gpu_of("nt_xent", &unit)?;
    let (dtype, [rows, width]) = (unit.dtype(), extents(&unit));
    let mut out = Tensor::uninitialised(&unit.device(), dtype, unit.shape())?;
    let directions = Matrix::new(&unit, rows, width);
    let slopes = Matrix::new(&slopes, rows, rows);
    product(gpu, slopes, directions, Onto::Nothing, &mut out)?;
    product(gpu, slopes.transposed(), directions, Onto::Result, &mut out)?;
    let program = program(dtype);
    let args = NtXentAcross {
        loss_gradient: program.input(gradient)?,
        unit: program.input(&unit)?,
        lengths: program.input(&lengths)?,
        gradient: program.output(&mut out)?,
        temperature,
        rows,
        width,
    };
    // SAFETY: a warp for each of the `rows` rows of `width` features, and a length for each; the
    // gradient of the loss is one element.
    unsafe { gpu.launch(&program, "nt_xent_across", warps(rows), &args)? };
    Ok(out)
}

fn extents(features: &Tensor) -> [usize; 2] {
    let shape: Shape = features.shape();
    shape.as_array().unwrap_or_default()
}
