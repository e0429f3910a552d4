//! Masked image modelling: patches are hidden, and the U-Net reconstructs them.
//!
//! Xie et al., *SimMIM* (CVPR 2022), with a U-Net and the mean squared error.

use kernels::masked_error::masked_error;
use kernels::patch_mask::{self, Masked, PatchMask, patch_mask};
use nn::{Encoder, Init, Mode, Module, Precision, UNet, module, widened};
use tensor::{Device, Tensor};

use super::inputs::step_inputs;
use super::{DTYPE, Pretext, Step, StepInputs, Task, Validation, mean_loss, network};
use crate::Result;
use sampling::augment::Grid;
use sampling::sampler::{Batch, Crops, Sampler};
use settings::{self, Fill, Masking, Settings};

/// A U-Net with one output, trained to reconstruct what is hidden from it.
pub struct Mim {
    network: UNet,
    mask: PatchMask,
    precision: Precision,
    seed: u64,
    validation: Option<Sampler>,
}

module!(Mim { network as "" });

/// Images with hidden patches.
pub struct MimInputs {
    /// The complete images, `[n, rows, columns, 1]`.
    pub images: Tensor,
    /// The images with patches hidden, `[n, rows, columns, 1]`.
    pub masked: Tensor,
    /// 1 where a pixel is hidden, `[n, rows, columns]`.
    pub mask: Tensor,
}

step_inputs!(MimInputs { images, masked, mask });

/// Images, what the network saw of them, and its reconstruction: all `[n, rows, columns, 1]`, except
/// the mask, `[n, rows, columns]`.
pub struct Reconstruction {
    /// The images.
    pub images: Tensor,
    /// The images with patches hidden, and which pixels are.
    pub masked: Masked,
    /// The reconstruction.
    pub output: Tensor,
}

impl Mim {
    /// One view of each slice.
    pub fn crops(settings: &Settings) -> Crops {
        let grid = Grid::square(settings.network.size, settings.network.spacing);
        Crops::augmented(grid, settings.pretrain.augmentation, 1, settings.pretrain.centre)
    }

    /// A new network, initialised from the run's seed, validated on views of other slices.
    ///
    /// # Errors
    /// When the settings make no network.
    pub fn new(settings: &Settings, validation: Option<Sampler>) -> Result<Self> {
        let mut init = Init::new(settings.seed, network::PRETEXT, DTYPE);
        Ok(Mim {
            network: UNet::new(&mut init, &settings.network.channels, 1, 1)?,
            mask: patch_mask_of(&settings.pretrain.mim),
            precision: Precision::mixed(settings.pretrain.optimisation.mixed_precision),
            seed: settings.seed,
            validation,
        })
    }

    /// The network's reconstruction of images. Each `step` hides other patches.
    ///
    /// # Errors
    /// When the batch does not fit the network.
    pub fn reconstruct(
        &mut self,
        images: &Tensor,
        step: u32,
        mode: Mode,
    ) -> Result<Reconstruction> {
        let images = images.to_device(&self.network.device())?;
        let masked = patch_mask(&images, &self.mask, self.seed, step)?;
        let seen = self.precision.images(&masked.images)?;
        let output = widened(&self.network.forward(&seen, mode)?.swap_remove(0))?;
        Ok(Reconstruction { images, masked, output })
    }

    /// Each `step` hides other patches.
    fn inputs_of(&self, batch: &Batch, step: u32) -> Result<MimInputs> {
        let images = batch.images.to_device(&self.network.device())?;
        let Masked { images: masked, mask } = patch_mask(&images, &self.mask, self.seed, step)?;
        Ok(MimInputs { images, masked, mask })
    }

    fn loss_of(&mut self, inputs: &MimInputs, mode: Mode) -> Result<Tensor> {
        let seen = self.precision.images(&inputs.masked)?;
        let output = self.network.forward(&seen, mode)?.swap_remove(0);
        Ok(masked_error(&output, &inputs.images, &inputs.mask)?)
    }
}

/// How patches are hidden, as the settings have it.
pub fn patch_mask_of(settings: &settings::Mim) -> PatchMask {
    PatchMask {
        patch: settings.patch,
        ratio: settings.ratio,
        by_probability: settings.by_probability,
        fill: match settings.masking {
            Masking::Constant(value) => patch_mask::Fill::Constant(value),
            Masking::Drawn(Fill::GaussianNoise) => patch_mask::Fill::GaussianNoise,
            Masking::Drawn(Fill::ShufflePixelsPatch) => patch_mask::Fill::ShufflePixelsPatch,
            Masking::Drawn(Fill::ShufflePixelsImage) => patch_mask::Fill::ShufflePixelsImage,
            Masking::Drawn(Fill::ShufflePixelsBatch) => patch_mask::Fill::ShufflePixelsBatch,
            Masking::Drawn(Fill::ShufflePatchesImage) => patch_mask::Fill::ShufflePatchesImage,
            Masking::Drawn(Fill::ShufflePatchesBatch) => patch_mask::Fill::ShufflePatchesBatch,
            Masking::Drawn(Fill::ReplacePatches) => patch_mask::Fill::ReplacePatches,
        },
    }
}

impl Task for Mim {
    type Inputs = MimInputs;

    fn network(&self) -> &dyn Module {
        &self.network
    }

    fn network_mut(&mut self) -> &mut dyn Module {
        &mut self.network
    }

    fn inputs(&mut self, batch: &[Batch], step: Step) -> Result<MimInputs> {
        self.inputs_of(&batch[0], step.number as u32)
    }

    fn loss(&mut self, inputs: &MimInputs) -> Result<Tensor> {
        self.loss_of(inputs, Mode::Train)
    }

    fn validate(&mut self) -> Result<Option<Validation>> {
        let Some(sampler) = self.validation.take() else { return Ok(None) };
        let device = self.network.device();
        let found = mean_loss(&sampler, &device, |batch, index| {
            let mut inputs = self.inputs_of(batch, index as u32)?;
            inputs.move_to(&device)?;
            self.loss_of(&inputs, Mode::Evaluate)
        });
        self.validation = Some(sampler);
        found.map(Some)
    }
}

impl Pretext for Mim {
    fn encoder(&mut self) -> &mut Encoder {
        self.network.encoder()
    }

    fn reconstruction(&mut self, images: &Tensor) -> Result<Option<Reconstruction>> {
        let mut found = tensor::no_grad(|| self.reconstruct(images, 0, Mode::Evaluate))?;
        let Reconstruction { images, masked, output } = &mut found;
        for tensor in [images, &mut masked.images, &mut masked.mask, output] {
            *tensor = tensor.to_device(&Device::Cpu)?;
        }
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::{Method, Preset};

    #[test]
    fn three_quarters_are_hidden_and_reconstructed() {
        let mut settings = Settings::preset(Preset::Demo, Method::Mim);
        settings.network.channels = vec![4, 6];
        settings.network.size = 32;
        settings.pretrain.mim.patch = [8, 8];
        let mut task = Mim::new(&settings, None).unwrap();
        let images = Tensor::build::<f32>([2, 32, 32, 1], |out| {
            out.iter_mut().enumerate().for_each(|(i, out)| *out = 1.0 + (i % 7) as f32);
        });
        let Reconstruction { masked, output, .. } =
            task.reconstruct(&images, 0, Mode::Evaluate).unwrap();
        assert_eq!(output.dims(), images.dims());
        let (mask, seen) = (masked.mask.data::<u8>(), masked.images.data::<f32>());
        for image in mask.chunks(32 * 32) {
            assert_eq!(image.iter().filter(|&&hidden| hidden == 1).count(), 12 * 64);
        }
        for ((&hidden, &seen), &image) in mask.iter().zip(seen).zip(images.data::<f32>()) {
            assert_eq!(seen, if hidden == 1 { 0.0 } else { image });
        }
        let again = task.reconstruct(&images, 0, Mode::Evaluate).unwrap().masked.mask;
        let other = task.reconstruct(&images, 1, Mode::Evaluate).unwrap().masked.mask;
        assert_eq!(again.data::<u8>(), mask, "the step determines the mask");
        assert_ne!(other.data::<u8>(), mask);
    }
}
