//! Segmentation: training with labels, from scratch or from pretrained weights.

use std::sync::Arc;

use kernels::dice_ce::{DiceCe, dice_ce};
use nn::{Init, Mode, Module, Precision, UNet, module};
use tensor::{Tensor, no_grad};

use super::inputs::step_inputs;
use super::{DTYPE, Step, StepInputs, Task, Validation, network};
use crate::{Error, Result};
use data::CLASSES;
use evaluate::Predictor;
use sampling::augment::Grid;
use sampling::cache::Cache;
use sampling::sampler::{Batch, Crops, Order, Sampler, Selection};
use settings::{Loss, Method, Network, Settings};

/// A U-Net, trained on labelled slices.
pub struct Segmentation {
    network: UNet,
    loss: DiceCe,
    precision: Precision,
    /// Epochs at the start in which a pretrained encoder is frozen.
    frozen_epochs: usize,
    validation: Option<(Arc<Cache>, Vec<usize>, Sampler)>,
    grid: Grid,
}

module!(Segmentation { network as "" });

/// A batch of labelled images.
pub struct SegmentationInputs {
    /// `[n, rows, columns, 1]`.
    pub images: Tensor,
    /// `[n, rows, columns]`, the class of each pixel.
    pub labels: Tensor,
}

step_inputs!(SegmentationInputs { images, labels });

/// A new U-Net as described by the settings.
///
/// # Errors
/// When they describe none.
pub fn unet(settings: &Network, seed: u64) -> Result<UNet> {
    let mut init = Init::new(seed, network::SEGMENTATION, DTYPE);
    Ok(UNet::new(&mut init, &settings.channels, CLASSES, settings.heads)?)
}

impl Segmentation {
    /// A new network, initialised from the run's seed, that is validated on `subjects` of `cache`.
    ///
    /// # Errors
    /// When the settings make no network, or no validation subject has labels.
    pub fn new(settings: &Settings, cache: &Arc<Cache>, subjects: &[usize]) -> Result<Self> {
        let mut task = Self::unvalidated(settings)?;
        if !subjects.is_empty() {
            let sampler = Sampler::new(
                cache.clone(),
                subjects,
                Selection::Labelled(settings.finetune.phases),
                Order::Sequential,
                Crops::plain(task.grid),
                settings.finetune.optimisation.batch,
                settings.seed,
            )?;
            task.validation = Some((cache.clone(), subjects.to_vec(), sampler));
        }
        Ok(task)
    }

    /// The same without validation.
    ///
    /// # Errors
    /// When the settings make no network.
    pub fn unvalidated(settings: &Settings) -> Result<Self> {
        let Loss { cross_entropy, dice, class_weights } = settings.finetune.loss;
        Ok(Segmentation {
            network: unet(&settings.network, settings.seed)?,
            loss: DiceCe {
                class_weights: class_weights.to_vec(),
                cross_entropy_weight: cross_entropy,
                dice_weight: dice,
                ..DiceCe::default()
            },
            precision: Precision::mixed(settings.finetune.optimisation.mixed_precision),
            frozen_epochs: match settings.method {
                Method::Scratch => 0,
                _ => settings.finetune.frozen_epochs,
            },
            validation: None,
            grid: Grid::square(settings.network.size, settings.network.spacing),
        })
    }

    /// The network.
    pub fn unet(&mut self) -> &mut UNet {
        &mut self.network
    }

    fn loss_of(&mut self, inputs: &SegmentationInputs, mode: Mode) -> Result<Tensor> {
        let images = self.precision.images(&inputs.images)?;
        let outputs = self.network.forward(&images, mode)?;
        let outputs: Vec<&Tensor> = outputs.iter().collect();
        Ok(dice_ce(&outputs, &inputs.labels, &self.loss)?.total)
    }
}

fn inputs_of(batch: &Batch) -> Result<SegmentationInputs> {
    let labels = batch.labels.clone();
    let labels = labels.ok_or_else(|| Error::Data("a batch without labels".into()))?;
    Ok(SegmentationInputs { images: batch.images.clone(), labels })
}

impl Task for Segmentation {
    type Inputs = SegmentationInputs;

    fn network(&self) -> &dyn Module {
        &self.network
    }

    fn network_mut(&mut self) -> &mut dyn Module {
        &mut self.network
    }

    fn is_frozen(&self, name: &str, epoch: usize) -> bool {
        epoch < self.frozen_epochs && name.starts_with("encoder.")
    }

    fn inputs(&mut self, batch: &[Batch], _: Step) -> Result<SegmentationInputs> {
        inputs_of(&batch[0])
    }

    fn loss(&mut self, inputs: &SegmentationInputs) -> Result<Tensor> {
        self.loss_of(inputs, Mode::Train)
    }

    fn validate(&mut self) -> Result<Option<Validation>> {
        let Some((cache, subjects, sampler)) = self.validation.take() else { return Ok(None) };
        let found = no_grad(|| -> Result<Validation> {
            let device = self.network.device();
            let (mut loss, mut slices) = (0.0, 0);
            for index in 0..sampler.batches() {
                let batch = sampler.batch_on(&device, 0, index)?;
                let count = batch.positions.len();
                let mut inputs = inputs_of(&batch)?;
                inputs.move_to(&device)?;
                loss += self.loss_of(&inputs, Mode::Evaluate)?.item()? * count as f64;
                slices += count;
            }
            let mut predictor =
                Predictor::new(&mut self.network, self.grid).computing_in(self.precision);
            let results = evaluate::evaluate(&mut predictor, &cache, &subjects, |_| {})?;
            Ok(Validation { loss: loss / slices as f64, dice: Some(results.mean()) })
        });
        self.validation = Some((cache, subjects, sampler));
        found.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::Preset;

    #[test]
    fn networks_of_the_presets_have_the_published_size() {
        let parameters = |preset| {
            let settings = Settings::preset(preset, Method::Scratch);
            unet(&settings.network, 0).unwrap().parameter_count()
        };
        assert_eq!(parameters(Preset::Paper), 33_474_840);
        // As PyTorch counts it in `tests/peers/reference.py`.
        assert_eq!(parameters(Preset::Small), 1_288_592);
    }
}
