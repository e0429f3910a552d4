//! Contrastive pretext tasks: SimCLR and positional contrastive learning.

use kernels::nt_xent::{NtXent, nt_xent};
use nn::{EncoderMlp, Init, Mode, Module};
use tensor::{DType, Tensor};

use super::Task;
use crate::Result;
use crate::data::sampler::Batch;
use crate::settings::{Method, Settings};

/// Encoder and projection, trained so that views that belong together lie together.
///
/// SimCLR: two views of the same slice. PCL: all views of slices at a similar position between
/// base and apex, of any subject and phase.
#[derive(Debug)]
pub struct Contrastive {
    network: EncoderMlp,
    loss: NtXent,
    by_position: bool,
}

impl Contrastive {
    /// Views of each slice.
    pub const VIEWS: usize = 2;

    /// A new network, drawn from the run's seed.
    ///
    /// # Errors
    /// When the settings make no network.
    pub fn new(settings: &Settings) -> Result<Self> {
        let pretrain = &settings.pretrain;
        let mut init = Init::new(settings.seed, 1, DType::F32);
        Ok(Contrastive {
            network: EncoderMlp::new(&mut init, &settings.network.channels, &pretrain.mlp)?,
            loss: NtXent {
                temperature: pretrain.temperature,
                threshold: pretrain.threshold,
                cyclic: pretrain.cyclic,
            },
            by_position: settings.method == Method::Pcl,
        })
    }

    /// Whether fine-tuning takes over a tensor of this name.
    pub fn hands_over(name: &str) -> bool {
        name.starts_with("encoder.")
    }
}

impl Task for Contrastive {
    fn network(&mut self) -> &mut dyn Module {
        &mut self.network
    }

    fn loss(&mut self, batch: &Batch) -> Result<Tensor> {
        let features = self.network.forward(&batch.images, Mode::Train)?;
        let positions = self.by_position.then_some(batch.positions.as_slice());
        Ok(nt_xent(&features, positions, &self.loss)?)
    }
}
