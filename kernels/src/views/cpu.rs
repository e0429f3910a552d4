//! Views side by side, each on one thread.

use rayon::prelude::*;
use tensor::Tensor;

use super::{Encoding, Place, View};
use crate::intensity::{Adjustment, Power};
use crate::resample::{Framed, Matrix, Padding, bicubic, nearest};

/// Intensities of a slice, row by row.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// Unsigned integers.
    Whole(&'a [u16]),
    /// Any numbers.
    Real(&'a [f32]),
}

impl Pixels<'_> {
    /// The intensities as `f32`.
    pub fn values(&self) -> Vec<f32> {
        match *self {
            Pixels::Whole(pixels) => pixels.iter().map(|&pixel| f32::from(pixel)).collect(),
            Pixels::Real(pixels) => pixels.to_vec(),
        }
    }
}

/// Makes views on the host; it keeps memory from one to the next. One per thread.
#[derive(Clone, Debug, Default)]
pub struct Renderer<T> {
    framed: Framed<T>,
    unblurred: Vec<T>,
}

impl<T: Power> Renderer<T> {
    /// Takes in a slice of `[rows, columns]`, of which any number of views can then be made.
    pub fn load(&mut self, pixels: Pixels, [rows, columns]: [usize; 2]) {
        self.framed.load([rows, columns, 1], Padding::Zeros, |row, out| {
            let line = row * columns..(row + 1) * columns;
            match pixels {
                Pixels::Whole(pixels) => {
                    for (out, &pixel) in out.iter_mut().zip(&pixels[line]) {
                        *out = T::from_f64(pixel.into());
                    }
                }
                Pixels::Real(pixels) => {
                    for (out, &pixel) in out.iter_mut().zip(&pixels[line]) {
                        *out = T::from_f64(pixel.into());
                    }
                }
            }
        });
    }

    /// Writes a view of the slice that was loaded into `image`, `rows * columns` of the target. What
    /// comes first of the adjustment is folded into resampling.
    pub fn image(
        &mut self,
        matrix: &Matrix,
        target: [usize; 2],
        adjustment: &Adjustment,
        image: &mut [T],
    ) {
        let Renderer { framed, unblurred } = self;
        adjustment.make(target[1], unblurred, image, |affine, out| {
            bicubic(framed, matrix, target, affine, out);
        });
    }
}

pub(super) fn render<T: Power>(memory: &Tensor, views: &[View], target: [usize; 2]) -> Tensor {
    let (bytes, [rows, columns]) = (memory.data::<u8>(), target);
    Tensor::build::<T>([views.len(), rows, columns, 1], |images| {
        images.par_chunks_mut((rows * columns).max(1)).zip(views).for_each_init(
            Renderer::default,
            |renderer, (image, View { place, matrix, adjustment })| {
                renderer.load(place.read(bytes), place.size);
                renderer.image(matrix, target, adjustment, image);
            },
        );
    })
}

pub(super) fn labels(memory: &Tensor, views: &[View], target: [usize; 2]) -> Tensor {
    let (bytes, [rows, columns]) = (memory.data::<u8>(), target);
    Tensor::build::<u8>([views.len(), rows, columns], |images| {
        let each = images.par_chunks_mut((rows * columns).max(1)).zip(views);
        each.for_each(|(out, View { place, matrix, .. })| {
            let [rows, columns] = place.size;
            match place.labels {
                Some(start) => {
                    let labels = &bytes[start..][..rows * columns];
                    nearest(labels, [rows, columns, 1], matrix, target, Padding::Zeros, out);
                }
                None => out.fill(0),
            }
        });
    })
}

impl Place {
    fn read<'a>(&self, bytes: &'a [u8]) -> Pixels<'a> {
        let [rows, columns] = self.size;
        let bytes = &bytes[self.pixels..][..rows * columns * self.encoding.bytes()];
        match self.encoding {
            Encoding::Whole => Pixels::Whole(bytemuck::cast_slice(bytes)),
            Encoding::Real => Pixels::Real(bytemuck::cast_slice(bytes)),
        }
    }
}
