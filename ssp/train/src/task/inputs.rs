//! The inputs of a training step: everything that changes from step to step.

use std::any::Any;

use nn::Rates;
use tensor::{Device, Result, ScalarArg, Tensor};

/// The inputs of a step, which list their tensors and numbers.
///
/// A captured step reads its inputs at fixed addresses. So that the values of the next step can be
/// copied there, a task's inputs must list as many tensors and numbers, in the same order, at every
/// step. Structs implement this by naming their fields: `step_inputs!(MimInputs { images, mask })`.
pub trait StepInputs: Any {
    /// Appends all tensors and numbers, in a fixed order.
    fn list<'a>(&'a mut self, list: &mut InputList<'a>);

    /// Moves all tensors to a device. ScalarArgs follow when a kernel needs them.
    ///
    /// # Errors
    /// When the device has no memory left, or fails.
    fn move_to(&mut self, device: &Device) -> Result<()> {
        let mut list = InputList::default();
        self.list(&mut list);
        for tensor in list.tensors {
            *tensor = tensor.to_device(device)?;
        }
        Ok(())
    }
}

/// The tensors and numbers of a step's inputs.
#[derive(Default)]
pub struct InputList<'a> {
    /// Images, labels and the like.
    pub tensors: Vec<&'a mut Tensor>,
    /// Temperatures, rates and the like.
    pub numbers: Vec<&'a mut ScalarArg>,
}

impl StepInputs for Tensor {
    fn list<'a>(&'a mut self, list: &mut InputList<'a>) {
        list.tensors.push(self);
    }
}

impl StepInputs for ScalarArg {
    fn list<'a>(&'a mut self, list: &mut InputList<'a>) {
        list.numbers.push(self);
    }
}

impl<T: StepInputs> StepInputs for Option<T> {
    fn list<'a>(&'a mut self, list: &mut InputList<'a>) {
        if let Some(inputs) = self {
            inputs.list(list);
        }
    }
}

/// Implements [`StepInputs`] for a struct from the list of its fields.
macro_rules! step_inputs {
    ($inputs:ty { $($field:ident),+ $(,)? }) => {
        impl $crate::task::StepInputs for $inputs {
            fn list<'a>(&'a mut self, list: &mut $crate::task::InputList<'a>) {
                $( $crate::task::StepInputs::list(&mut self.$field, list); )+
            }
        }
    };
}

pub(super) use step_inputs;

step_inputs!(Rates { learning_rate, weight_decay });
