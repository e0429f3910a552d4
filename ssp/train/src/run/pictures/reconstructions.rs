//! `reconstructions.png`: what masked image modelling paints in.

use super::{missing, names};
use crate::Result;
use crate::run::folder::RunFolder;
use crate::task::{Mim, Pretext, PretextData, Reconstruction};
use figures::{Column, Sheet, SheetImage, SheetRow, Window};
use sampling::sampler::{Order, Sampler, Selection};

/// Slices on the sheet.
const SLICES: usize = 6;

/// Draws views of validation subjects, or of training subjects if there are none: as they are,
/// with patches hidden, what the network makes of that, and the hidden patches filled from it.
/// Other tasks than masked image modelling leave no such picture.
///
/// # Errors
/// When views do not fit the network or the picture cannot be written.
pub fn draw_reconstructions(
    folder: &RunFolder,
    source: &PretextData,
    task: &mut dyn Pretext,
) -> Result<()> {
    let Some(path) = missing(folder, "reconstructions.png")? else { return Ok(()) };
    let settings = source.settings;
    let held_out = !source.valid.is_empty();
    let sampler = Sampler::new(
        source.cache.clone(),
        if held_out { source.valid } else { source.train },
        Selection::Everything,
        Order::Shuffled,
        Mim::crops(settings),
        SLICES,
        settings.seed,
    )?;
    let batch = sampler.batch(0, 0)?;
    let Some(reconstruction) = task.reconstruction(&batch.images)? else { return Ok(()) };
    let painted = Painted::new(&reconstruction);
    let strips: Vec<SheetRow> = batch
        .slices
        .iter()
        .enumerate()
        .map(|(slice, sample)| {
            let mut names = names(source.cache, sample).to_vec();
            names.push(format!("error {:.3}", painted.errors[slice]));
            SheetRow { names, images: painted.images(slice) }
        })
        .collect();
    let mean = painted.errors.iter().sum::<f64>() / painted.errors.len().max(1) as f64;
    let sheet = Sheet {
        title: format!("{}: reconstructions", settings.method.title()),
        notes: vec![format!(
            "Views of {} subjects, augmented as in training. Error: mean squared error over hidden \
             pixels, of standardised intensities; {mean:.3} on average over these rows.",
            if held_out { "validation" } else { "training" }
        )],
        columns: vec![
            Column::one("image"),
            Column::one("what the network gets"),
            Column::one("what it paints"),
            Column::one("hidden patches filled"),
        ],
        window: Window::of(reconstruction.images.data::<f32>()),
        strips,
        related: vec![],
    };
    sheet.draw()?.write(path)
}

/// A batch of reconstructions, ready to show.
struct Painted<'a> {
    reconstruction: &'a Reconstruction,
    /// Images whose hidden pixels are those of the output.
    filled: Vec<f32>,
    /// Mean squared error over the hidden pixels of each image.
    errors: Vec<f64>,
    size: [usize; 2],
}

impl<'a> Painted<'a> {
    fn new(reconstruction: &'a Reconstruction) -> Self {
        let Reconstruction { images, masked, output } = reconstruction;
        let size = [images.dims()[1], images.dims()[2]];
        let (mut filled, mask) = (images.data::<f32>().to_vec(), masked.mask.data::<u8>());
        let mut errors = Vec::new();
        let pixels = (size[0] * size[1]).max(1);
        let outputs = output.data::<f32>().chunks_exact(pixels);
        for ((image, output), mask) in
            filled.chunks_exact_mut(pixels).zip(outputs).zip(mask.chunks_exact(pixels))
        {
            let (mut sum, mut hidden) = (0.0, 0);
            for ((pixel, &output), _) in
                image.iter_mut().zip(output).zip(mask).filter(|(_, mask)| **mask == 1)
            {
                sum += f64::from(output - *pixel).powi(2);
                hidden += 1;
                *pixel = output;
            }
            errors.push(sum / f64::from(hidden.max(1)));
        }
        Painted { reconstruction, filled, errors, size }
    }

    /// Image, masked, output, filled.
    fn images(&self, slice: usize) -> Vec<SheetImage<'_>> {
        let Reconstruction { images, masked, output } = self.reconstruction;
        let pixels = self.size[0] * self.size[1];
        let part = slice * pixels..(slice + 1) * pixels;
        let [image, gets, output, filled] =
            [images.data::<f32>(), masked.images.data(), output.data(), &self.filled]
                .map(|values| SheetImage::new(&values[part.clone()], self.size));
        let outlined = Some(&masked.mask.data::<u8>()[part]);
        vec![image, SheetImage { outlined, ..gets }, output, filled]
    }
}

#[cfg(test)]
mod tests {
    use kernels::patch_mask::Masked;
    use tensor::Tensor;

    use super::*;

    #[test]
    fn hidden_pixels_are_filled_and_visible_ones_kept() {
        let values = [1f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let images = Tensor::build::<f32>([2, 2, 2, 1], |out| out.copy_from_slice(&values));
        let output = Tensor::zeros::<f32>([2, 2, 2, 1]);
        let mask = Tensor::build::<u8>([2, 2, 2], |out| {
            out.copy_from_slice(&[1, 1, 0, 0, 0, 0, 0, 0]);
        });
        let masked = Masked { images: output.clone(), mask };
        let reconstruction = Reconstruction { images, masked, output };
        let painted = Painted::new(&reconstruction);
        assert_eq!(painted.filled, [0.0, 0.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(painted.errors, [2.5, 0.0]);
        let shown = painted.images(1);
        assert_eq!((shown[0].image, shown[3].image), (&values[4..], &values[4..]));
    }
}
