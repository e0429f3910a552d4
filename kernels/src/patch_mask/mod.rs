//! Patches of images hidden, for masked image modelling.
//!
//! Constant fill: He et al., *Masked autoencoders are scalable vision learners* (CVPR 2022), and
//! Xie et al., *SimMIM: a simple framework for masked image modeling* (CVPR 2022). The other fills
//! are those that the study's code offers.

pub mod check;
mod cpu;
pub(crate) mod cuda;
mod grid;
#[cfg(test)]
mod tests;

use tensor::{Error, Result, Tensor, with_features};

use grid::Grid;

/// What hidden patches show instead.
///
/// Only hidden patches take part in a shuffle: what is visible stays as it is. A pixel moves with
/// all its channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// One value everywhere.
    Constant(f64),
    /// Standard normal noise, drawn for every value.
    GaussianNoise,
    /// The pixels of each hidden patch, in another order.
    ShufflePixelsPatch,
    /// The pixels of all hidden patches of an image, in another order.
    ShufflePixelsImage,
    /// The pixels of all hidden patches of the batch, in another order.
    ShufflePixelsBatch,
    /// The hidden patches of an image, each whole, in another order.
    ShufflePatchesImage,
    /// The hidden patches of the batch, each whole, in another order.
    ShufflePatchesBatch,
    /// The same place of another image, drawn for each patch, every other image of the batch
    /// equally likely. It shows what that image had there, hidden or not.
    ReplacePatches,
}

/// How patches are hidden.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatchMask {
    /// Rows and columns of a patch, in pixels; the image must be whole patches.
    pub patch: [usize; 2],
    /// The share of patches to hide, from 0 to 1.
    pub ratio: f64,
    /// Whether each patch is hidden on its own with probability `ratio`. If not, every image has
    /// `ratio * patches` of them hidden, rounded to the nearest whole number and ties to even.
    pub by_probability: bool,
    /// What they show instead.
    pub fill: Fill,
}

impl Default for PatchMask {
    /// The study's.
    fn default() -> Self {
        let fill = Fill::Constant(0.0);
        PatchMask { patch: [32, 32], ratio: 0.75, by_probability: false, fill }
    }
}

/// Images with patches hidden.
#[derive(Clone, Debug)]
pub struct Masked {
    /// The images, `[n, rows, columns, channels]`.
    pub images: Tensor,
    /// Which pixels are hidden: `[n, rows, columns]`, `u8`, 1 where hidden.
    pub mask: Tensor,
}

/// Hides patches of `images`, `[n, rows, columns, channels]`.
///
/// Which patches are hidden and what each image is filled with come from the stream of
/// [`Purpose::MASK`](tensor::random::Purpose::MASK), `step` and the image's place in the batch;
/// shuffles over the batch from one stream more, of the last number there is. So the result does
/// not depend on the number of threads, nor, but for the last bits of noise, on the device. It is no
/// operation of the tape.
///
/// # Errors
/// When the images have not four axes or are not whole patches, the ratio is not from 0 to 1, or
/// patches are to be replaced by those of another image and there is none.
pub fn patch_mask(images: &Tensor, settings: &PatchMask, seed: u64, step: u32) -> Result<Masked> {
    let Some([n, rows, columns, channels]) = images.shape().as_array() else {
        let what = format!("images {} are not [n, rows, columns, channels]", images.shape());
        return Err(Error::shape("patch_mask", what));
    };
    let Some(grid) = Grid::new([rows, columns, channels], settings.patch) else {
        let [height, width] = settings.patch;
        let what =
            format!("patches of {height} x {width} do not fill images of {rows} x {columns}");
        return Err(Error::shape("patch_mask", what));
    };
    if !(0.0..=1.0).contains(&settings.ratio) {
        let what = format!("a ratio of {} is not from 0 to 1", settings.ratio);
        return Err(Error::value("patch_mask", what));
    }
    if settings.fill == Fill::ReplacePatches && n == 1 {
        let what = "a batch of one image has no other to replace patches by";
        return Err(Error::value("patch_mask", what));
    }
    let mut draws = cpu::draw(grid, n, settings, seed, step);
    with_features!("patch_mask", images,
        _gpu => cuda::hide(images, grid, settings, &mut draws, (seed, step)),
        T => {
            let mask = Tensor::build::<u8>([n, rows, columns], |out| cpu::paint(grid, &draws, out));
            let images = Tensor::build::<T>(images.shape(), |out| {
                cpu::fill(grid, settings.fill, images.data::<T>(), &mut draws, out);
            });
            Ok(Masked { images, mask })
        }
    )
}
