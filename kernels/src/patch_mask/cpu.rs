//! Images side by side; what spans the batch on one thread, for a shuffle is one chain of draws.

use rayon::prelude::*;
use tensor::Feature;
use tensor::random::{Purpose, Stream};

use super::grid::Grid;
use super::{Fill, PatchMask};

/// The stream of what spans the batch: no image has this number.
pub(super) const BATCH: u32 = u32::MAX;

/// What is drawn for a batch.
pub struct Draws {
    pub images: Vec<OfImage>,
    pub batch: Stream,
}

/// What is drawn for an image.
pub struct OfImage {
    /// Its hidden patches, in increasing order.
    pub hidden: Vec<usize>,
    /// The stream, past the draw of the patches.
    pub stream: Stream,
}

impl Draws {
    /// The hidden patches of all images, as patches of the batch.
    pub fn hidden(&self, grid: Grid) -> Vec<usize> {
        let images = self.images.iter().enumerate();
        let of_image = |(image, drawn): (usize, &OfImage)| -> Vec<usize> {
            drawn.hidden.iter().map(|patch| image * grid.patches + patch).collect()
        };
        images.flat_map(of_image).collect()
    }
}

/// Draws which patches are hidden.
pub fn draw(grid: Grid, images: usize, settings: &PatchMask, seed: u64, step: u32) -> Draws {
    let of_image = |image: usize| {
        let mut stream = Stream::new(seed, Purpose::MASK, step, image as u32);
        let hidden = match settings.by_probability {
            true => (0..grid.patches).filter(|_| stream.chance(settings.ratio)).collect(),
            false => {
                let count = (settings.ratio * grid.patches as f64).round_ties_even() as usize;
                let mut order: Vec<usize> = (0..grid.patches).collect();
                stream.shuffle(&mut order);
                order.truncate(count);
                order.sort_unstable();
                order
            }
        };
        OfImage { hidden, stream }
    };
    let batch = Stream::new(seed, Purpose::MASK, step, BATCH);
    Draws { images: (0..images).map(of_image).collect(), batch }
}

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
pub fn fill<T: Feature>(grid: Grid, fill: Fill, images: &[T], draws: &mut Draws, out: &mut [T]) {
    let length = (grid.pixels * grid.channels).max(1);
    let batch = Batch { grid, images, length };
    let each = out.par_chunks_mut(length).zip(&mut draws.images).enumerate();
    each.for_each(|(image, (out, drawn))| {
        out.copy_from_slice(batch.image(image));
        batch.fill_image(fill, image, drawn, out);
    });
    let hidden = draws.hidden(grid);
    match fill {
        Fill::ShufflePixelsBatch => {
            shuffle_pixels(grid, images, out, hidden.into_iter(), &mut draws.batch);
        }
        Fill::ShufflePatchesBatch => {
            shuffle_patches(grid, images, out, hidden, &mut draws.batch);
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

impl<T: Feature> Batch<'_, T> {
    fn image(&self, image: usize) -> &[T] {
        &self.images[image * self.length..][..self.length]
    }

    /// Fills the hidden patches of one image, if the fill is of an image by itself.
    fn fill_image(self, fill: Fill, image: usize, drawn: &mut OfImage, out: &mut [T]) {
        let Batch { grid, images, length } = self;
        let OfImage { hidden, stream } = drawn;
        let before = self.image(image);
        let hidden = hidden.iter().copied();
        match fill {
            Fill::Constant(value) => {
                let value = T::from_f64(value);
                hidden.flat_map(|p| grid.values(p)).for_each(|row| out[row].fill(value));
            }
            Fill::GaussianNoise => {
                for row in hidden.flat_map(|patch| grid.values(patch)) {
                    out[row].fill_with(|| T::from_f64(stream.normal()));
                }
            }
            Fill::ShufflePixelsPatch => hidden.for_each(|patch| {
                shuffle_pixels(grid, before, out, std::iter::once(patch), stream);
            }),
            Fill::ShufflePixelsImage => shuffle_pixels(grid, before, out, hidden, stream),
            Fill::ShufflePatchesImage => {
                shuffle_patches(grid, before, out, hidden.collect(), stream);
            }
            Fill::ReplacePatches => {
                let others = images.len() / length - 1;
                for patch in hidden {
                    let other = stream.below(others);
                    let other = other + usize::from(other >= image);
                    move_patch(grid, self.image(other), patch, out, patch);
                }
            }
            Fill::ShufflePixelsBatch | Fill::ShufflePatchesBatch => {}
        }
    }
}

/// Writes the pixels of these patches in another order: all of one image, or of the batch.
fn shuffle_pixels<T: Feature>(
    grid: Grid,
    from: &[T],
    out: &mut [T],
    patches: impl Iterator<Item = usize>,
    stream: &mut Stream,
) {
    let pixels: Vec<usize> = patches.flat_map(|patch| grid.rows(patch)).flatten().collect();
    let mut sources = pixels.clone();
    stream.shuffle(&mut sources);
    let values = |pixel: usize| pixel * grid.channels..(pixel + 1) * grid.channels;
    for (to, source) in pixels.into_iter().zip(sources) {
        out[values(to)].copy_from_slice(&from[values(source)]);
    }
}

/// Writes these patches in another order: all of one image, or of the batch.
fn shuffle_patches<T: Feature>(
    grid: Grid,
    from: &[T],
    out: &mut [T],
    patches: Vec<usize>,
    stream: &mut Stream,
) {
    let mut sources = patches.clone();
    stream.shuffle(&mut sources);
    for (to, source) in patches.into_iter().zip(sources) {
        move_patch(grid, from, source, out, to);
    }
}

fn move_patch<T: Feature>(grid: Grid, from: &[T], source: usize, out: &mut [T], to: usize) {
    for (to, source) in grid.values(to).zip(grid.values(source)) {
        out[to].copy_from_slice(&from[source]);
    }
}
