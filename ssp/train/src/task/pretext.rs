//! Pretext tasks, which need no labels, and how the one of a run is set up.

use std::sync::Arc;

use nn::Encoder;
use tensor::Tensor;

use super::{Contrastive, Dino, ErasedTask, Mim, Reconstruction};
use crate::{Error, Result};
use sampling::cache::Cache;
use sampling::sampler::{Crops, Order, Sampler, Selection};
use settings::{Method, Settings};

/// A task without labels, whose encoder is used afterwards.
pub trait Pretext: ErasedTask {
    /// The encoder.
    fn encoder(&mut self) -> &mut Encoder;

    /// The network's reconstruction of partly hidden views, if that is its task. The network stays as
    /// it is, and nothing is recorded on the tape.
    ///
    /// # Errors
    /// When the views do not fit the network.
    fn reconstruction(&mut self, _images: &Tensor) -> Result<Option<Reconstruction>> {
        Ok(None)
    }
}

/// A pretext task and the samplers of its batches.
pub struct PretextSetup {
    /// Each yields one part of a batch; all parts are views of the same slices.
    pub samplers: Vec<Sampler>,
    /// The task.
    pub task: Box<dyn Pretext>,
}

/// The slices that a pretext task is trained and validated on.
pub struct PretextData<'a> {
    /// The settings of the run.
    pub settings: &'a Settings,
    /// The slices.
    pub cache: &'a Arc<Cache>,
    /// Cache indices of the subjects to train on.
    pub train: &'a [usize],
    /// Cache indices of the subjects to validate on; may be empty.
    pub valid: &'a [usize],
}

impl PretextData<'_> {
    /// The pretext task of the run's method, on every slice of every phase.
    ///
    /// # Errors
    /// When the method has none, the settings make no network, or there are no slices.
    pub fn pretext(&self) -> Result<PretextSetup> {
        Ok(match self.settings.method {
            Method::Scratch => {
                return Err(Error::Setting("scratch is without pretraining".into()));
            }
            Method::SimClr | Method::Pcl => {
                let samplers = self.train(vec![Contrastive::crops(self.settings)])?;
                let valid = self.valid(Contrastive::crops(self.settings))?;
                PretextSetup { samplers, task: Box::new(Contrastive::new(self.settings, valid)?) }
            }
            Method::Dino => {
                let samplers = self.train(Dino::crops(self.settings))?;
                PretextSetup { samplers, task: Box::new(Dino::new(self.settings)?) }
            }
            Method::Mim => {
                let samplers = self.train(vec![Mim::crops(self.settings)])?;
                let valid = self.valid(Mim::crops(self.settings))?;
                PretextSetup { samplers, task: Box::new(Mim::new(self.settings, valid)?) }
            }
        })
    }

    fn train(&self, crops: Vec<Crops>) -> Result<Vec<Sampler>> {
        crops.into_iter().map(|crops| self.sampler(self.train, crops)).collect()
    }

    fn valid(&self, crops: Crops) -> Result<Option<Sampler>> {
        let wanted = !self.valid.is_empty() && self.settings.pretrain.validate_every > 0;
        wanted.then(|| self.sampler(self.valid, crops)).transpose()
    }

    fn sampler(&self, subjects: &[usize], crops: Crops) -> Result<Sampler> {
        Sampler::new(
            self.cache.clone(),
            subjects,
            Selection::Everything,
            Order::Shuffled,
            crops,
            self.settings.pretrain.optimisation.batch,
            self.settings.seed,
        )
    }
}
