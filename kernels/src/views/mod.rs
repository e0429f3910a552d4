//! Views of slices: geometric and intensity transforms of a batch in one pass.
//!
//! All slices are stored in one buffer, such as a data set's cache; a [`Place`] gives the offsets
//! of one slice. A view is a [`Matrix`] of [`resample`](crate::resample) (bicubic, zeros outside)
//! and an [`Adjustment`] of [`intensity`](crate::intensity). Slices are read in place and each
//! result is written once, unless blur or contrast need the complete image first.

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{DType, Error, Result, Tensor, with_float};

use crate::intensity::Adjustment;
use crate::resample::Matrix;

pub use cpu::{Pixels, Renderer};

/// How the intensities of a slice are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Unsigned integers, `u16`.
    Whole,
    /// Floating point, `f32`.
    Real,
}

impl Encoding {
    /// Size of one intensity, in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Encoding::Whole => size_of::<u16>(),
            Encoding::Real => size_of::<f32>(),
        }
    }
}

/// The location of a slice in the buffer: row-major, native byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Rows and columns.
    pub size: [usize; 2],
    /// How intensities are stored.
    pub encoding: Encoding,
    /// Offset of the intensities in bytes, a multiple of the size of one.
    pub pixels: usize,
    /// Offset of the labels in bytes, one `u8` each; `None` for an unlabelled slice.
    pub labels: Option<usize>,
}

/// A view of a slice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// The slice.
    pub place: Place,
    /// From normalised coordinates of the view to those of the slice.
    pub matrix: Matrix,
    /// Transform of the intensities.
    pub adjustment: Adjustment,
}

/// Computes views of `[rows, columns]` pixels of slices stored in `memory` (u8), on its device:
/// `[views, rows, columns, 1]` of a floating-point `dtype`. Not differentiable.
///
/// # Errors
/// When a slice is not entirely within `memory`, a matrix is not affine, or the dtype not floating.
pub fn render(memory: &Tensor, views: &[View], target: [usize; 2], dtype: DType) -> Result<Tensor> {
    check_door(memory, views)?;
    match memory.gpu() {
        Some(gpu) => {
            dtype.require_float("views")?;
            cuda::render(gpu, memory, views, target, dtype)
        }
        None => with_float!("views", dtype, T => Ok(cpu::render::<T>(memory, views, target))),
    }
}

/// Labels of the same views, u8 `[views, rows, columns]`: nearest neighbour, and 0 outside of the
/// slice or where it has none.
///
/// # Errors
/// As [`render`].
pub fn render_labels(memory: &Tensor, views: &[View], target: [usize; 2]) -> Result<Tensor> {
    check_door(memory, views)?;
    match memory.gpu() {
        Some(gpu) => cuda::labels(&*gpu, memory, views, target),
        None => Ok(cpu::labels(memory, views, target)),
    }
}

fn check_door(memory: &Tensor, views: &[View]) -> Result<()> {
    if memory.dtype() != DType::U8 {
        let found = memory.dtype();
        return Err(Error::DType { operation: "views", found, wanted: "memory of u8" });
    }
    let bytes = memory.shape().elements();
    for View { place, matrix, .. } in views {
        matrix.check()?;
        place.check(bytes)?;
    }
    Ok(())
}

impl Place {
    fn check(&self, memory: usize) -> Result<()> {
        let Place { size: [rows, columns], encoding, pixels, labels } = *self;
        let area = rows.saturating_mul(columns);
        let within = |start: usize, bytes: usize| {
            area.saturating_mul(bytes).checked_add(start).is_some_and(|end| end <= memory)
        };
        let width = encoding.bytes();
        // Pixels of a slice are counted by 32 bits.
        let countable = (1..=i32::MAX as usize).contains(&area);
        let inside = countable && pixels.is_multiple_of(width) && within(pixels, width);
        if inside && labels.is_none_or(|labels| within(labels, 1)) {
            return Ok(());
        }
        Err(Error::value("views", format!("{self:?} is not in a memory of {memory} bytes")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intensity::Adjustment;

    #[test]
    fn slices_that_are_not_there_are_refused() {
        let memory = Tensor::zeros::<u8>([100]);
        let place = Place { size: [5, 6], encoding: Encoding::Whole, pixels: 40, labels: Some(70) };
        let render = |place| {
            let (matrix, adjustment) = (Matrix::IDENTITY, Adjustment::NOTHING);
            render(&memory, &[View { place, matrix, adjustment }], [2, 2], DType::F32)
        };
        assert_eq!(render(place).unwrap().dims(), [1, 2, 2, 1]);
        for wrong in [
            Place { pixels: 42, ..place },
            Place { pixels: 39, ..place },
            Place { labels: Some(71), ..place },
            Place { encoding: Encoding::Real, pixels: 0, ..place },
            Place { size: [0, 6], ..place },
            Place { size: [usize::MAX, 6], ..place },
        ] {
            let refusal = render(wrong).unwrap_err().to_string();
            assert!(refusal.ends_with("is not in a memory of 100 bytes"), "{refusal}");
        }
    }
}
