//! Contrastive pretext tasks: SimCLR and positional contrastive learning.

use kernels::nt_xent::{NtXent, nt_xent};
use nn::{Encoder, EncoderMlp, Init, Mode, Module, Precision, module, widened};
use tensor::Tensor;

use super::inputs::step_inputs;
use super::{DTYPE, Pretext, Step, StepInputs, Task, Validation, mean_loss, network};
use crate::Result;
use sampling::augment::Grid;
use sampling::sampler::{Batch, Crops, Sampler};
use settings::{self, Method, Settings};

/// Encoder and projection, trained so that the features of positive pairs are similar.
///
/// Positive pairs of SimCLR are two views of the same slice; those of PCL are all views of slices at a
/// similar position between base and apex, of any subject and phase.
pub struct Contrastive {
    network: EncoderMlp,
    loss: NtXent,
    precision: Precision,
    by_position: bool,
    validation: Option<Sampler>,
}

module!(Contrastive { network as "" });

/// Views and what pairs them.
pub struct ContrastiveInputs {
    /// `[n, rows, columns, 1]`, views of the same slice next to each other.
    pub images: Tensor,
    /// `[n]`, positions between base and apex; none where views of the same slice are the pairs.
    pub positions: Option<Tensor>,
}

step_inputs!(ContrastiveInputs { images, positions });

impl Contrastive {
    /// Views of each slice.
    const VIEWS: usize = 2;

    /// Two views of each slice, augmented alike.
    pub fn crops(settings: &Settings) -> Crops {
        let grid = Grid::square(settings.network.size, settings.network.spacing);
        let pretrain = &settings.pretrain;
        Crops::augmented(grid, pretrain.augmentation, Self::VIEWS, pretrain.centre)
    }

    /// A new network, initialised from the run's seed, validated on views of other slices.
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

    fn inputs_of(&self, batch: &Batch) -> Result<ContrastiveInputs> {
        let positions = || Tensor::from_slice(&batch.positions, [batch.positions.len()]);
        let positions = self.by_position.then(positions).transpose()?;
        Ok(ContrastiveInputs { images: batch.images.clone(), positions })
    }

    fn loss_of(&mut self, inputs: &ContrastiveInputs, mode: Mode) -> Result<Tensor> {
        let images = self.precision.images(&inputs.images)?;
        let features = self.network.forward(&images, mode)?;
        Ok(nt_xent(&widened(&features)?, inputs.positions.as_ref(), &self.loss)?)
    }
}

/// The loss as the settings have it.
pub fn contrastive_loss(settings: &settings::Contrastive) -> NtXent {
    let &settings::Contrastive { temperature, threshold, cyclic, .. } = settings;
    NtXent { temperature, threshold, cyclic }
}

impl Task for Contrastive {
    type Inputs = ContrastiveInputs;

    fn network(&self) -> &dyn Module {
        &self.network
    }

    fn network_mut(&mut self) -> &mut dyn Module {
        &mut self.network
    }

    fn inputs(&mut self, batch: &[Batch], _: Step) -> Result<ContrastiveInputs> {
        self.inputs_of(&batch[0])
    }

    fn loss(&mut self, inputs: &ContrastiveInputs) -> Result<Tensor> {
        self.loss_of(inputs, Mode::Train)
    }

    fn validate(&mut self) -> Result<Option<Validation>> {
        let Some(sampler) = self.validation.take() else { return Ok(None) };
        let device = self.network.device();
        let found = mean_loss(&sampler, &device, |batch, _| {
            let mut inputs = self.inputs_of(batch)?;
            inputs.move_to(&device)?;
            self.loss_of(&inputs, Mode::Evaluate)
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
