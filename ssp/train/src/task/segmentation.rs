//! Segmentation: training with labels, from scratch or from pretrained weights.

use std::sync::Arc;

use kernels::dice_ce::{DiceCe, dice_ce};
use nn::{Init, Mode, Module, Precision, UNet};
use tensor::{Tensor, without_tape};

use super::{DTYPE, Inputs, Step, Task, Validation, network};
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
    /// Epochs at the start for which a pretrained encoder is left as it is.
    frozen_epochs: usize,
    validation: Option<(Arc<Cache>, Vec<usize>, Sampler)>,
    grid: Grid,
}

/// A new U-Net as the settings have it.
///
/// # Errors
/// When they make none.
pub fn unet(settings: &Network, seed: u64) -> Result<UNet> {
    let mut init = Init::new(seed, network::SEGMENTATION, DTYPE);
    Ok(UNet::new(&mut init, &settings.channels, CLASSES, settings.heads)?)
}

impl Segmentation {
    /// A new network, drawn from the run's seed, that is validated on `subjects` of `cache`.
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

    fn loss_of(&mut self, inputs: &Inputs, mode: Mode) -> Result<Tensor> {
        let images = self.precision.images(&inputs.tensors[0])?;
        let outputs = self.network.forward(&images, mode)?;
        let outputs: Vec<&Tensor> = outputs.iter().collect();
        Ok(dice_ce(&outputs, &inputs.tensors[1], &self.loss)?.total)
    }
}

/// Images and labels.
fn inputs_of(batch: &Batch) -> Result<Inputs> {
    let labels = batch.labels.clone();
    let labels = labels.ok_or_else(|| Error::Data("a batch without labels".into()))?;
    Ok(Inputs { tensors: vec![batch.images.clone(), labels], numbers: vec![] })
}

impl Task for Segmentation {
    fn network(&mut self) -> &mut dyn Module {
        &mut self.network
    }

    fn is_frozen(&self, name: &str, epoch: usize) -> bool {
        epoch < self.frozen_epochs && name.starts_with("encoder.")
    }

    fn inputs(&mut self, batch: &[Batch], _: Step) -> Result<Inputs> {
        inputs_of(&batch[0])
    }

    fn loss(&mut self, inputs: &Inputs) -> Result<Tensor> {
        self.loss_of(inputs, Mode::Train)
    }

    fn validate(&mut self) -> Result<Option<Validation>> {
        let Some((cache, subjects, sampler)) = self.validation.take() else { return Ok(None) };
        let found = without_tape(|| -> Result<Validation> {
            let device = self.network.device();
            let (mut loss, mut slices) = (0.0, 0);
            for index in 0..sampler.batches() {
                let batch = sampler.batch_on(&device, 0, index)?;
                let count = batch.positions.len();
                let inputs = inputs_of(&batch)?.on(&device)?;
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
