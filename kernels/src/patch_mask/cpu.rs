//! Images side by side; what spans the batch on one thread, for a shuffle is one chain of draws.

use rayon::prelude::*;
use tensor::Float;
use tensor::random::Stream;

use super::Fill;
use super::draw::{Draws, OfImage, other, shuffled};
use super::grid::Grid;

/// Writes which pixels are hidden.
pub fn paint(grid: Grid, draws: &Draws, mask: &mut [u8]) {
    let images = mask.par_chunks_mut(grid.pixels.max(1)).zip(&draws.images);
    images.for_each(|(mask, drawn)| {
        mask.fill(0);
        for &patch in &drawn.hidden {
            grid.rows(patch).for_each(|row| mask[row].fill(1));
        }
    });
}

/// Writes the images with their hidden patches filled.
pub fn fill<T: Float>(grid: Grid, fill: Fill, images: &[T], draws: &mut Draws, out: &mut [T]) {
    let length = (grid.pixels * grid.channels).max(1);
    let batch = Batch { grid, images, length };
    let each = out.par_chunks_mut(length).zip(&mut draws.images).enumerate();
    each.for_each(|(image, (out, drawn))| {
        out.copy_from_slice(batch.image(image));
        batch.fill_image(fill, image, drawn, out);
    });
    let hidden: Vec<usize> = draws.hidden(grid).collect();
    match fill {
        Fill::ShufflePixelsBatch => {
            shuffle_pixels(grid, images, out, &hidden, &mut draws.batch);
        }
        Fill::ShufflePatchesBatch => {
            shuffle_patches(grid, images, out, &hidden, &mut draws.batch);
        }
        _ => {}
    }
}

/// The images as they were.
#[derive(Clone, Copy)]
struct Batch<'a, T> {
    grid: Grid,
    images: &'a [T],
    /// Values of an image.
    length: usize,
}

impl<T: Float> Batch<'_, T> {
    fn image(&self, image: usize) -> &[T] {
        &self.images[image * self.length..][..self.length]
    }

    /// Fills the hidden patches of one image, if the fill is of an image by itself.
    fn fill_image(self, fill: Fill, image: usize, drawn: &mut OfImage, out: &mut [T]) {
        let Batch { grid, images, length } = self;
        let OfImage { hidden, stream } = drawn;
        let before = self.image(image);
        let each = hidden.iter().copied();
        match fill {
            Fill::Constant(value) => {
                let value = T::from_f64(value);
                each.flat_map(|p| grid.values(p)).for_each(|row| out[row].fill(value));
            }
            Fill::GaussianNoise => {
                for row in each.flat_map(|patch| grid.values(patch)) {
                    out[row].fill_with(|| T::from_f64(stream.normal()));
                }
            }
            Fill::ShufflePixelsPatch => each.for_each(|patch| {
                shuffle_pixels(grid, before, out, &[patch], stream);
            }),
            Fill::ShufflePixelsImage => shuffle_pixels(grid, before, out, hidden, stream),
            Fill::ShufflePatchesImage => {
                shuffle_patches(grid, before, out, hidden, stream);
            }
            Fill::ReplacePatches => {
                for patch in each {
                    let other = other(image, images.len() / length, stream);
                    move_patch(grid, self.image(other), patch, out, patch);
                }
            }
            Fill::ShufflePixelsBatch | Fill::ShufflePatchesBatch => {}
        }
    }
}

/// Writes the pixels of these patches in another order: all of one image, or of the batch.
fn shuffle_pixels<T: Float>(
    grid: Grid,
    from: &[T],
    out: &mut [T],
    patches: &[usize],
    stream: &mut Stream,
) {
    let pixels: Vec<usize> = patches.iter().flat_map(|&patch| grid.rows(patch)).flatten().collect();
    let sources = shuffled(&pixels, stream);
    let values = |pixel: usize| pixel * grid.channels..(pixel + 1) * grid.channels;
    for (to, source) in pixels.into_iter().zip(sources) {
        out[values(to)].copy_from_slice(&from[values(source)]);
    }
}

/// Writes these patches in another order: all of one image, or of the batch.
fn shuffle_patches<T: Float>(
    grid: Grid,
    from: &[T],
    out: &mut [T],
    patches: &[usize],
    stream: &mut Stream,
) {
    let sources = shuffled(patches, stream);
    for (&to, source) in patches.iter().zip(sources) {
        move_patch(grid, from, source, out, to);
    }
}

fn move_patch<T: Float>(grid: Grid, from: &[T], source: usize, out: &mut [T], to: usize) {
    for (to, source) in grid.values(to).zip(grid.values(source)) {
        out[to].copy_from_slice(&from[source]);
    }
}
