//! Segmentation: training with labels, from scratch or from pretrained weights.

use std::sync::Arc;

use kernels::dice_ce::{DiceCe, dice_ce};
use nn::{Init, Mode, Module, UNet};
use tensor::{DType, Tensor, without_tape};

use super::Task;
use crate::augment::Grid;
use crate::data::CLASSES;
use crate::data::cache::Cache;
use crate::data::sampler::{Batch, Crops, Order, Sampler, Selection};
use crate::predict::Predictor;
use crate::settings::{Network, Settings};
use crate::{Error, Result, evaluate};

/// How a network does on subjects that it is not trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validation {
    /// The training loss, on views without augmentation.
    pub loss: f64,
    /// Mean 3D Dice over structures, frames and subjects, on the source grid.
    pub dice: f64,
}

/// A U-Net, trained on labelled slices.
pub struct Segmentation {
    network: UNet,
    loss: DiceCe,
    validation: Option<(Arc<Cache>, Vec<usize>, Sampler)>,
    grid: Grid,
}

/// A new U-Net as the settings have it.
///
/// # Errors
/// When they make none.
pub fn unet(network: &Network, seed: u64) -> Result<UNet> {
    let mut init = Init::new(seed, 0, DType::F32);
    Ok(UNet::new(&mut init, &network.channels, CLASSES, network.heads)?)
}

impl Segmentation {
    /// A new network, drawn from the run's seed, that is validated on `subjects` of `cache`.
    ///
    /// # Errors
    /// When the settings make no network, or no validation subject has labels.
    pub fn new(settings: &Settings, cache: &Arc<Cache>, subjects: &[usize]) -> Result<Self> {
        let grid = Grid::square(settings.network.size, settings.network.spacing);
        let validation = if subjects.is_empty() {
            None
        } else {
            let sampler = Sampler::new(
                cache.clone(),
                subjects,
                Selection::Labelled,
                Order::Sequential,
                Crops::plain(grid),
                settings.finetune.optimisation.batch,
                settings.seed,
            )?;
            Some((cache.clone(), subjects.to_vec(), sampler))
        };
        let network = unet(&settings.network, settings.seed)?;
        Ok(Segmentation { network, loss: DiceCe::default(), validation, grid })
    }

    /// The network.
    pub fn unet(&mut self) -> &mut UNet {
        &mut self.network
    }

    fn batch_loss(&mut self, batch: &Batch, mode: Mode) -> Result<Tensor> {
        let labels = batch.labels.as_ref();
        let labels = labels.ok_or_else(|| Error::Data("a batch without labels".into()))?;
        let outputs = self.network.forward(&batch.images, mode)?;
        let outputs: Vec<&Tensor> = outputs.iter().collect();
        Ok(dice_ce(&outputs, labels, &self.loss)?.total)
    }
}

impl Task for Segmentation {
    fn network(&mut self) -> &mut dyn Module {
        &mut self.network
    }

    fn loss(&mut self, batch: &Batch) -> Result<Tensor> {
        self.batch_loss(batch, Mode::Train)
    }

    fn validate(&mut self) -> Result<Option<Validation>> {
        let Some((cache, subjects, sampler)) = self.validation.take() else { return Ok(None) };
        let found = without_tape(|| -> Result<Validation> {
            let (mut loss, mut slices) = (0.0, 0);
            for index in 0..sampler.batches() {
                let batch = sampler.batch(0, index)?;
                let count = batch.positions.len();
                loss += self.batch_loss(&batch, Mode::Evaluate)?.item()? * count as f64;
                slices += count;
            }
            let mut predictor = Predictor::new(&mut self.network, self.grid);
            let results = evaluate::evaluate(&mut predictor, &cache, &subjects, |_| {})?;
            Ok(Validation { loss: loss / slices as f64, dice: results.mean() })
        });
        self.validation = Some((cache, subjects, sampler));
        found.map(Some)
    }
}
