//! Training tasks: the views that each sees, its network and its loss.

mod contrastive;
mod dino;
mod erased;
mod inputs;
mod mim;
mod pretext;
mod segmentation;

use std::collections::HashSet;

use nn::Module;
use tensor::{DType, Device, Tensor};

use crate::Result;
use sampling::sampler::{Batch, Sampler};

pub use contrastive::{Contrastive, ContrastiveInputs, contrastive_loss};
pub use dino::{Comparison, Dino, DinoInputs};
pub use erased::ErasedTask;
pub use inputs::{InputList, StepInputs};
pub use mim::{Mim, MimInputs, Reconstruction, patch_mask_of};
pub use pretext::{Pretext, PretextData, PretextSetup};
pub use segmentation::{Segmentation, SegmentationInputs, unet};

/// Something to train. The trainer supplies batches, updates the network and records metrics.
///
/// As a module, a task consists of everything that a resumed run needs: the network, under its own
/// names, and what training changes beside it. The trainer uses tasks as `dyn` [`ErasedTask`], which
/// every task implements.
pub trait Task: Module {
    /// Everything that changes from step to step.
    type Inputs: StepInputs
    where
        Self: Sized;

    /// The network, whose parameters are updated and saved.
    fn network(&self) -> &dyn Module;

    /// The network, to be changed.
    fn network_mut(&mut self) -> &mut dyn Module;

    /// Whether the parameter of this name is frozen in an epoch, counted from 0.
    fn is_frozen(&self, _name: &str, _epoch: usize) -> bool {
        false
    }

    /// Prepares a step on the host. `batch` has one part for each sampler of the task, views of the same
    /// slices.
    ///
    /// # Errors
    /// When the batch lacks what the task needs.
    fn inputs(&mut self, batch: &[Batch], step: Step) -> Result<Self::Inputs>
    where
        Self: Sized;

    /// The loss, in training mode and on the tape, of inputs on the network's device. A captured step is
    /// replayed without calling this, so the loss may depend only on the inputs and on tensors that are
    /// changed in place.
    ///
    /// # Errors
    /// When the inputs do not fit the network.
    fn loss(&mut self, inputs: &Self::Inputs) -> Result<Tensor>
    where
        Self: Sized;

    /// Follows each update of the network, on the same device and under the same rules as
    /// [`loss`](Self::loss).
    ///
    /// # Errors
    /// When a device fails.
    fn after_update(&mut self, _inputs: &Self::Inputs) -> Result<()>
    where
        Self: Sized,
    {
        Ok(())
    }

    /// Evaluates the network on the validation subjects, if there are any.
    ///
    /// # Errors
    /// When they do not fit the network.
    fn validate(&mut self) -> Result<Option<Validation>> {
        Ok(None)
    }
}

/// A position in a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Optimiser steps taken before this one.
    pub number: u64,
    /// Optimiser steps of the whole training.
    pub total: u64,
}

/// Results of a network on subjects that it is not trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validation {
    /// The training loss.
    pub loss: f64,
    /// Mean 3D Dice over structures, frames and subjects, on the source grid; for segmentation.
    pub dice: Option<f64>,
}

/// The mean loss over the batches of validation slices, whose views are the same every time. They are
/// made on the network's device.
fn mean_loss(
    sampler: &Sampler,
    device: &Device,
    mut loss: impl FnMut(&Batch, usize) -> Result<Tensor>,
) -> Result<Validation> {
    let batches = sampler.batches();
    let mut sum = 0.0;
    for index in 0..batches {
        let batch = sampler.batch_on(device, 0, index)?;
        sum += tensor::no_grad(|| loss(&batch, index))?.item()?;
    }
    Ok(Validation { loss: sum / batches as f64, dice: None })
}

/// Numbers that distinguish the networks initialised from one seed.
mod network {
    pub const SEGMENTATION: u32 = 0;
    pub const PRETEXT: u32 = 1;
    pub const TEACHER: u32 = 2;
}

/// The dtype of networks.
const DTYPE: DType = DType::F32;

/// Freezes the parameters that a task wants frozen in an epoch, and lets the others train.
///
/// # Errors
/// When a parameter is shared and there is no memory for a copy of it.
pub fn freeze(task: &mut dyn ErasedTask, epoch: usize) -> Result<()> {
    let names = task.network().named_parameters().into_iter().map(|(name, _)| name);
    let frozen: HashSet<String> = names.filter(|name| task.is_frozen(name, epoch)).collect();
    Ok(task.network_mut().freeze(&|name| frozen.contains(name))?)
}
