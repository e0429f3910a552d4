//! Sampling an image through an affine map.
//!
//! PyTorch's `affine_grid` and `grid_sample` with `align_corners = false` in one: the target pixel
//! at normalised `p` takes the source's value at `M p`. Bicubic is cubic convolution with
//! a = -0.75 (Keys 1981); a tap that falls outside is zero, or the nearest border pixel.

mod adjoint;
pub mod check;
mod cpu;
pub(crate) mod cuda;
mod matrix;

use rayon::prelude::*;
use tensor::{Error, Result, Tensor, with_device};

use crate::simd::Scalar;

pub use cpu::{Framed, bicubic, nearest};
pub use matrix::Matrix;

/// How a value between pixels is interpolated (PyTorch's `mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The nearest pixel; ties go to the even index.
    Nearest,
    /// Cubic convolution over the 4 x 4 pixels around.
    Bicubic,
}

/// The value of pixels outside the source (PyTorch's `padding_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Zeros.
    #[default]
    Zeros,
    /// The nearest pixel of the border.
    Border,
}

/// How a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Between pixels.
    pub filter: Filter,
    /// Outside.
    pub padding: Padding,
}

/// Samples `x`, `[batch, rows, columns, channels]`, onto a grid of `[rows, columns]` pixels.
///
/// `matrices` maps normalised target coordinates to normalised source coordinates: one for all
/// images, or one for each. The result is `[batch, target rows, target columns, channels]`, and
/// differentiable with respect to `x`.
///
/// # Errors
/// When `x` is not a float tensor of four axes with at least one pixel, or `matrices` are neither
/// one nor one per image, or not affine.
pub fn resample(
    x: &Tensor,
    matrices: &[Matrix],
    target: [usize; 2],
    sampling: Sampling,
) -> Result<Tensor> {
    let shape = check_door(x, matrices)?;
    let result = with_device!("resample", x,
        gpu => cuda::forward(gpu, x, matrices, shape, target, sampling),
        T => Ok(sampled::<T>(x, matrices, shape, target, sampling))
    )?;
    let matrices = matrices.to_vec();
    Ok(result.recorded("resample", &[x], move |gradient, _| {
        let of_x = with_device!("resample", gradient,
            _gpu => cuda::backward(&gradient, &matrices, shape, sampling),
            T => Ok(adjoint::adjoint::<T>(&gradient, &matrices, shape, sampling))
        )?;
        Ok(vec![Some(of_x)])
    }))
}

/// The same on the host.
fn sampled<T: Scalar>(
    x: &Tensor,
    matrices: &[Matrix],
    [images, rows, columns, channels]: [usize; 4],
    target: [usize; 2],
    sampling: Sampling,
) -> Tensor {
    let (pixels, size) = (rows * columns * channels, target[0] * target[1] * channels);
    let data = x.data::<T>();
    let image = |i: usize, framed: &mut Framed<T>, out: &mut [T]| {
        let (matrix, source) = (&matrices[i % matrices.len()], &data[i * pixels..][..pixels]);
        let extents = [rows, columns, channels];
        if sampling.filter == Filter::Nearest {
            return nearest(source, extents, matrix, target, sampling.padding, out);
        }
        let line = columns * channels;
        framed.load(extents, sampling.padding, |row, values| {
            values.copy_from_slice(&source[row * line..][..line]);
        });
        bicubic(framed, matrix, target, [1.0, 0.0].map(T::from_f64), out);
    };
    Tensor::build::<T>([images, target[0], target[1], channels], |out| {
        out.par_chunks_mut(size.max(1))
            .enumerate()
            .for_each_init(Framed::default, |framed, (i, out)| image(i, framed, out));
    })
}

/// Samples labels, u8 `[batch, rows, columns]`, onto a grid of `[rows, columns]` pixels: nearest,
/// with zeros outside.
///
/// # Errors
/// As [`resample`], but for u8 tensors of three axes.
pub fn resample_labels(labels: &Tensor, matrices: &[Matrix], target: [usize; 2]) -> Result<Tensor> {
    if labels.dtype() != tensor::DType::U8 {
        let (operation, found) = ("resample_labels", labels.dtype());
        return Err(Error::DType { operation, found, wanted: "u8" });
    }
    let Some([images, rows, columns]) = labels.shape().as_array() else {
        let what = format!("takes [batch, rows, columns], not {}", labels.shape());
        return Err(Error::shape("resample_labels", what));
    };
    check_extents([rows, columns, 1])?;
    check_matrices(matrices, images)?;
    if let Some(gpu) = labels.gpu() {
        return cuda::labels(&*gpu, labels, matrices, [images, rows, columns], target);
    }
    let (data, pixels) = (labels.data::<u8>(), rows * columns);
    Ok(Tensor::build::<u8>([images, target[0], target[1]], |out| {
        out.par_chunks_mut((target[0] * target[1]).max(1)).enumerate().for_each(|(i, out)| {
            let (matrix, source) = (&matrices[i % matrices.len()], &data[i * pixels..][..pixels]);
            nearest(source, [rows, columns, 1], matrix, target, Padding::Zeros, out);
        });
    }))
}

fn check_door(x: &Tensor, matrices: &[Matrix]) -> Result<[usize; 4]> {
    let Some(shape @ [images, rows, columns, channels]) = x.shape().as_array() else {
        let what = format!("takes [batch, rows, columns, channels], not {}", x.shape());
        return Err(Error::shape("resample", what));
    };
    check_extents([rows, columns, channels])?;
    check_matrices(matrices, images)?;
    Ok(shape)
}

fn check_extents([rows, columns, channels]: [usize; 3]) -> Result<()> {
    // Indices into a framed source are 32-bit.
    let framed = (rows + 8).saturating_mul(columns + 8).saturating_mul(channels);
    if rows * columns * channels == 0 || framed > i32::MAX as usize {
        let what = format!("cannot sample an image of {rows} x {columns} x {channels}");
        return Err(Error::shape("resample", what));
    }
    Ok(())
}

fn check_matrices(matrices: &[Matrix], images: usize) -> Result<()> {
    if matrices.len() != 1 && matrices.len() != images || matrices.is_empty() {
        let what = format!("{} matrices for {images} images; takes 1 or {images}", matrices.len());
        return Err(Error::value("resample", what));
    }
    matrices.iter().try_for_each(Matrix::check)
}

#[cfg(test)]
mod tests;
