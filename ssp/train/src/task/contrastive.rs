//! Contrastive pretext tasks: SimCLR and positional contrastive learning.

use kernels::nt_xent::{NtXent, nt_xent};
use nn::{Encoder, EncoderMlp, Init, Mode, Module, Precision, widened};
use tensor::Tensor;

use super::{DTYPE, Inputs, Pretext, Step, Task, Validation, mean_loss, network};
use crate::Result;
use sampling::augment::Grid;
use sampling::sampler::{Batch, Crops, Sampler};
use settings::{self, Method, Settings};

/// Encoder and projection, trained so that views that belong together lie together.
///
/// SimCLR: two views of the same slice. PCL: all views of slices at a similar position between
/// base and apex, of any subject and phase.
pub struct Contrastive {
    network: EncoderMlp,
    loss: NtXent,
    precision: Precision,
    by_position: bool,
    validation: Option<Sampler>,
}

impl Contrastive {
    /// Views of each slice.
    const VIEWS: usize = 2;

    /// Two views of each slice, augmented alike.
    pub fn crops(settings: &Settings) -> Crops {
        let grid = Grid::square(settings.network.size, settings.network.spacing);
        let pretrain = &settings.pretrain;
        Crops::augmented(grid, pretrain.augmentation, Self::VIEWS, pretrain.centre)
    }

    /// A new network, drawn from the run's seed, validated on views of other slices.
    ///
    /// # Errors
    /// When the settings make no network.
    pub fn new(settings: &Settings, validation: Option<Sampler>) -> Result<Self> {
        let contrastive = &settings.pretrain.contrastive;
        let mut init = Init::new(settings.seed, network::PRETEXT, DTYPE);
        Ok(Contrastive {
            network: EncoderMlp::new(&mut init, &settings.network.channels, &contrastive.mlp)?,
            loss: contrastive_loss(contrastive),
            precision: Precision::mixed(settings.pretrain.optimisation.mixed_precision),
            by_position: settings.method == Method::Pcl,
            validation,
        })
    }

    /// Images, and their positions where these tell what belongs together.
    fn inputs_of(&self, batch: &Batch) -> Result<Inputs> {
        let mut tensors = vec![batch.images.clone()];
        if self.by_position {
            tensors.push(Tensor::from_slice(&batch.positions, [batch.positions.len()])?);
        }
        Ok(Inputs { tensors, numbers: vec![] })
    }

    fn loss_of(&mut self, inputs: &Inputs, mode: Mode) -> Result<Tensor> {
        let images = self.precision.images(&inputs.tensors[0])?;
        let features = self.network.forward(&images, mode)?;
        Ok(nt_xent(&widened(&features)?, inputs.tensors.get(1), &self.loss)?)
    }
}

/// The loss as the settings have it.
pub fn contrastive_loss(settings: &settings::Contrastive) -> NtXent {
    let &settings::Contrastive { temperature, threshold, cyclic, .. } = settings;
    NtXent { temperature, threshold, cyclic }
}

impl Task for Contrastive {
    fn network(&mut self) -> &mut dyn Module {
        &mut self.network
    }

    fn inputs(&mut self, batch: &[Batch], _: Step) -> Result<Inputs> {
        self.inputs_of(&batch[0])
    }

    fn loss(&mut self, inputs: &Inputs) -> Result<Tensor> {
        self.loss_of(inputs, Mode::Train)
    }

    fn validate(&mut self) -> Result<Option<Validation>> {
        let Some(sampler) = self.validation.take() else { return Ok(None) };
        let device = self.network.device();
        let found = mean_loss(&sampler, &device, |batch, _| {
            self.loss_of(&self.inputs_of(batch)?.on(&device)?, Mode::Evaluate)
        });
        self.validation = Some(sampler);
        found.map(Some)
    }
}

impl Pretext for Contrastive {
    fn encoder(&mut self) -> &mut Encoder {
        self.network.encoder()
    }
}
