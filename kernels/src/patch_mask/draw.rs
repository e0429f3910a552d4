//! What is drawn for a batch, on the host wherever the images lie.

use tensor::random::{Purpose, Stream};

use super::PatchMask;
use super::grid::Grid;

/// The stream of what spans the batch: no image has this number.
pub(super) const BATCH: u32 = u32::MAX;

/// What is drawn for a batch.
pub struct Draws {
    /// For each image.
    pub images: Vec<OfImage>,
    /// The stream of what spans the batch.
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
    /// Draws which patches are hidden.
    pub fn new(grid: Grid, images: usize, settings: &PatchMask, seed: u64, step: u32) -> Self {
        let of_image = |image: usize| {
            let mut stream = Stream::new(seed, Purpose::Mask, step, image as u32);
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
        let batch = Stream::new(seed, Purpose::Mask, step, BATCH);
        Draws { images: (0..images).map(of_image).collect(), batch }
    }

    /// The hidden patches of all images, numbered through the batch.
    pub fn hidden(&self, grid: Grid) -> impl Iterator<Item = usize> + '_ {
        self.images.iter().enumerate().flat_map(move |(image, drawn)| {
            drawn.hidden.iter().map(move |patch| image * grid.patches + patch)
        })
    }
}

/// Uniform numbers of an image's stream that the draw of its patches takes.
pub fn numbers_taken(grid: Grid, settings: &PatchMask) -> usize {
    if settings.by_probability { grid.patches } else { grid.patches.saturating_sub(1) }
}

/// The same items in another order.
pub fn shuffled<T: Clone>(items: &[T], stream: &mut Stream) -> Vec<T> {
    let mut items = items.to_vec();
    stream.shuffle(&mut items);
    items
}

/// An image of a batch of `images` other than `image`.
pub fn other(image: usize, images: usize, stream: &mut Stream) -> usize {
    let other = stream.below(images - 1);
    other + usize::from(other >= image)
}
