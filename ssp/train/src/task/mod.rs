//! Training tasks: what each sees, its network and its loss.

mod contrastive;
mod dino;
mod mim;
mod segmentation;

use std::collections::HashSet;
use std::sync::Arc;

use nn::{Encoder, Module, Slot};
use tensor::{DType, Device, Number, Tensor};

use crate::{Error, Result};
use sampling::cache::Cache;
use sampling::sampler::{Batch, Crops, Order, Sampler, Selection};
use settings::{Method, Settings};

pub use contrastive::{Contrastive, contrastive_loss};
pub use dino::{Comparison, Dino};
pub use mim::{Mim, Reconstruction, patch_mask_of};
pub use segmentation::{Segmentation, unet};

/// Something to train. The trainer supplies batches, updates the network and keeps the books.
pub trait Task {
    /// The network, whose parameters are updated and saved.
    fn network(&mut self) -> &mut dyn Module;

    /// What changes along with the network and is needed to go on after an interruption, under
    /// names that the network does not use.
    fn companion(&mut self) -> Option<&mut dyn Module> {
        None
    }

    /// Whether a parameter of this name is left as it is in an epoch, counted from 0.
    fn is_frozen(&self, _name: &str, _epoch: usize) -> bool {
        false
    }

    /// The host's part of a step: all that depends on the batch or on where training stands, in as
    /// many tensors and numbers for every step. There is one part of the batch for each sampler of
    /// the task, of the same slices.
    ///
    /// # Errors
    /// When the batch lacks what the task needs.
    fn inputs(&mut self, batch: &[Batch], step: Step) -> Result<Inputs>;

    /// The device's part: the loss of inputs that lie with the network, in training mode, on the
    /// tape. A captured step is replayed without coming here, so the loss hangs on the inputs and on
    /// what is changed in place, and on nothing else that changes.
    ///
    /// # Errors
    /// When the inputs do not fit the network.
    fn loss(&mut self, inputs: &Inputs) -> Result<Tensor>;

    /// Follows an update of the network, on the device as the loss does.
    ///
    /// # Errors
    /// None that a user can cause.
    fn updated(&mut self, _inputs: &Inputs) -> Result<()> {
        Ok(())
    }

    /// Looks at subjects that are not trained on, if there are any.
    ///
    /// # Errors
    /// When they do not fit the network.
    fn validate(&mut self) -> Result<Option<Validation>> {
        Ok(None)
    }
}

/// What the device's part of a step takes from the host's.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Images, labels and the like, in the task's order.
    pub tensors: Vec<Tensor>,
    /// Temperatures, momenta and the like, in the task's order.
    pub numbers: Vec<Number>,
}

impl Inputs {
    /// The same with all tensors on a device.
    ///
    /// # Errors
    /// When it has not so much memory left, or fails.
    pub fn on(mut self, device: &Device) -> Result<Self> {
        for tensor in &mut self.tensors {
            *tensor = tensor.on(device)?;
        }
        Ok(self)
    }
}

/// Where a training stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Optimiser steps taken before this one.
    pub number: u64,
    /// Optimiser steps of the whole training.
    pub total: u64,
}

/// How a network does on subjects that it is not trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validation {
    /// The training loss.
    pub loss: f64,
    /// Mean 3D Dice over structures, frames and subjects, on the source grid; for segmentation.
    pub dice: Option<f64>,
}

/// A task without labels, whose encoder is of use afterwards.
pub trait Pretext: Task {
    /// The encoder.
    fn encoder(&mut self) -> &mut Encoder;

    /// What the network makes of views that are partly hidden from it, if that is its task. It is
    /// left as it is, and nothing is recorded.
    ///
    /// # Errors
    /// When the views do not fit the network.
    fn reconstruction(&mut self, _images: &Tensor) -> Result<Option<Reconstruction>> {
        Ok(None)
    }
}

/// A task with the samplers that feed it.
pub struct Fed<T: ?Sized> {
    /// Yield the parts of a batch: views of the same slices.
    pub samplers: Vec<Sampler>,
    /// The task.
    pub task: Box<T>,
}

/// Where a pretext task's slices come from.
pub struct Source<'a> {
    /// The settings of the run.
    pub settings: &'a Settings,
    /// Slices.
    pub cache: &'a Arc<Cache>,
    /// Places of the subjects to train on.
    pub train: &'a [usize],
    /// Places of the subjects to validate on; may be none.
    pub valid: &'a [usize],
}

impl Source<'_> {
    /// The pretext task of the run's method, on every slice of every phase.
    ///
    /// # Errors
    /// When the method has none, the settings make no network, or there are no slices.
    pub fn pretext(&self) -> Result<Fed<dyn Pretext>> {
        Ok(match self.settings.method {
            Method::Scratch => {
                return Err(Error::Setting("scratch is without pretraining".into()));
            }
            Method::SimClr | Method::Pcl => {
                let samplers = self.train(vec![Contrastive::crops(self.settings)])?;
                let valid = self.valid(Contrastive::crops(self.settings))?;
                Fed { samplers, task: Box::new(Contrastive::new(self.settings, valid)?) }
            }
            Method::Dino => {
                let samplers = self.train(Dino::crops(self.settings))?;
                Fed { samplers, task: Box::new(Dino::new(self.settings)?) }
            }
            Method::Mim => {
                let samplers = self.train(vec![Mim::crops(self.settings)])?;
                let valid = self.valid(Mim::crops(self.settings))?;
                Fed { samplers, task: Box::new(Mim::new(self.settings, valid)?) }
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

/// The mean loss over the batches of validation slices, whose views are the same every time and are
/// made for the network's device.
fn mean_loss(
    sampler: &Sampler,
    device: &Device,
    mut loss: impl FnMut(&Batch, usize) -> Result<Tensor>,
) -> Result<Validation> {
    let batches = sampler.batches();
    let mut sum = 0.0;
    for index in 0..batches {
        let batch = sampler.batch_on(device, 0, index)?;
        sum += tensor::without_tape(|| loss(&batch, index))?.item()?;
    }
    Ok(Validation { loss: sum / batches as f64, dice: None })
}

/// The numbers of networks that are drawn from one seed.
mod network {
    pub const SEGMENTATION: u32 = 0;
    pub const PRETEXT: u32 = 1;
    pub const TEACHER: u32 = 2;
}

/// What pretext networks compute in.
const DTYPE: DType = DType::F32;

/// Freezes what a task leaves as it is in an epoch, and lets the rest of its network train.
pub fn freeze(task: &mut dyn Task, epoch: usize) {
    let mut names = Vec::new();
    task.network().visit("", &mut |name, _| names.push(name.to_owned()));
    names.retain(|name| task.is_frozen(name, epoch));
    let frozen: HashSet<String> = names.into_iter().collect();
    task.network().freeze(&|name| frozen.contains(name));
}

/// A task's network with its companion: all that a resumed run needs.
pub struct Whole<'a>(pub &'a mut dyn Task);

impl Module for Whole<'_> {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        self.0.network().visit(path, visitor);
        if let Some(companion) = self.0.companion() {
            companion.visit(path, visitor);
        }
    }
}
