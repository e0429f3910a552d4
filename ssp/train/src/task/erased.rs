//! Tasks behind a trait object, whatever the type of their inputs.

use std::any::Any;

use tensor::Tensor;

use super::{Step, StepInputs, Task};
use crate::{Error, Result};
use sampling::sampler::Batch;

/// A [`Task`] whose inputs are a trait object. Every task implements it.
pub trait ErasedTask: Task {
    /// [`Task::inputs`].
    ///
    /// # Errors
    /// When the batch lacks what the task needs.
    fn erased_inputs(&mut self, batch: &[Batch], step: Step) -> Result<Box<dyn StepInputs>>;

    /// [`Task::loss`].
    ///
    /// # Errors
    /// When the inputs do not fit the network, or are those of another task.
    fn erased_loss(&mut self, inputs: &dyn StepInputs) -> Result<Tensor>;

    /// [`Task::after_update`].
    ///
    /// # Errors
    /// When a device fails, or the inputs are those of another task.
    fn erased_after_update(&mut self, inputs: &dyn StepInputs) -> Result<()>;
}

impl<T: Task> ErasedTask for T {
    fn erased_inputs(&mut self, batch: &[Batch], step: Step) -> Result<Box<dyn StepInputs>> {
        Ok(Box::new(self.inputs(batch, step)?))
    }

    fn erased_loss(&mut self, inputs: &dyn StepInputs) -> Result<Tensor> {
        self.loss(downcast(inputs)?)
    }

    fn erased_after_update(&mut self, inputs: &dyn StepInputs) -> Result<()> {
        self.after_update(downcast(inputs)?)
    }
}

fn downcast<T: StepInputs>(inputs: &dyn StepInputs) -> Result<&T> {
    let inputs: &dyn Any = inputs;
    inputs.downcast_ref().ok_or_else(|| Error::Data("inputs of another task".into()))
}
