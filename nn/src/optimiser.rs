//! Stochastic gradient descent over a network.

use std::collections::{BTreeMap, HashMap};

use kernels::sgd::{self, sgd};
use tensor::{Buffer as Memory, Gradients, Result, ScalarArg, Tensor};

use crate::{Module, Parameter};

/// What stays the same from update to update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdSettings {
    /// Share of the momentum that each update keeps.
    pub momentum: f64,
    /// Nesterov momentum.
    pub nesterov: bool,
    /// No weight decay for biases and other vectors, as in DINO.
    pub decay_matrices_only: bool,
}

/// What schedules may change from update to update.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Step size.
    pub learning_rate: ScalarArg,
    /// Factor of the weights that is added to their gradient.
    pub weight_decay: ScalarArg,
}

impl Rates {
    /// These rates.
    pub fn new(learning_rate: impl Into<ScalarArg>, weight_decay: impl Into<ScalarArg>) -> Self {
        Rates { learning_rate: learning_rate.into(), weight_decay: weight_decay.into() }
    }
}

/// Stochastic gradient descent with momentum, as PyTorch's `SGD`.
///
/// Frozen parameters and those without a gradient stay as they are and keep their momentum.
#[derive(Debug)]
pub struct Sgd {
    settings: SgdSettings,
    /// By parameter name.
    momentum: BTreeMap<String, Tensor>,
    /// Addresses for the one kernel launch that updates everything; empty on the CPU.
    table: sgd::Table,
}

/// A parameter that an update changes.
struct Update<'a> {
    name: String,
    parameter: &'a mut Parameter,
    gradient: Tensor,
}

impl Sgd {
    /// An optimiser without momentum so far.
    pub fn new(settings: SgdSettings) -> Self {
        Sgd { settings, momentum: BTreeMap::new(), table: sgd::Table::default() }
    }

    /// Updates every parameter of `module` that trains and has a gradient: in place, and in one launch
    /// on a GPU.
    ///
    /// # Errors
    /// When a gradient does not fit its parameter, or a device has no memory left.
    pub fn step(
        &mut self,
        module: &mut dyn Module,
        mut gradients: Gradients,
        rates: &Rates,
    ) -> Result<()> {
        let parameters = module.named_parameters_mut().into_iter();
        let with_gradient = parameters.filter(|(_, parameter)| !parameter.is_frozen());
        let with_gradient = with_gradient.filter_map(|(name, parameter)| {
            let gradient = gradients.take(parameter.tensor())?;
            Some(Update { name, parameter, gradient })
        });
        let mut updates: Vec<Update<'_>> = with_gradient.collect();
        for update in &updates {
            self.prepare_momentum(&update.name, update.parameter.tensor())?;
        }
        let momentum = self.momentum.iter_mut().map(|(name, tensor)| (name.as_str(), tensor));
        let mut momentum: HashMap<&str, &mut Tensor> = momentum.collect();
        let mut slots = Vec::with_capacity(updates.len());
        for Update { name, parameter, gradient } in &mut updates {
            let Some(momentum) = momentum.remove(name.as_str()) else { continue };
            let is_vector = parameter.tensor().shape().axes() < 2;
            slots.push(sgd::Slot {
                value: parameter.memory_mut()?,
                momentum: momentum.memory_mut()?,
                gradient,
                decays: !(is_vector && self.settings.decay_matrices_only),
            });
        }
        let SgdSettings { momentum, nesterov, .. } = self.settings;
        let Rates { learning_rate, weight_decay } = rates.clone();
        sgd(slots, &sgd::Sgd { learning_rate, weight_decay, momentum, nesterov }, &mut self.table)
    }

    /// Makes sure that there is momentum for a parameter, on the parameter's device: what was read from
    /// a file is on the CPU.
    fn prepare_momentum(&mut self, name: &str, parameter: &Tensor) -> Result<()> {
        let device = parameter.device();
        match self.momentum.get_mut(name) {
            Some(momentum) => *momentum = momentum.to_device(&device)?,
            None => {
                let (shape, dtype) = (parameter.shape(), parameter.dtype());
                let zeros =
                    Memory::zeroed::<u8>(shape.elements() * dtype.bytes()).to_device(&device)?;
                self.momentum.insert(name.to_owned(), Tensor::from_parts(zeros, shape, dtype));
            }
        }
        Ok(())
    }

    /// Momentum by parameter name.
    pub(crate) fn momentum(&self) -> &BTreeMap<String, Tensor> {
        &self.momentum
    }

    /// Continues from the momentum of an optimiser of the same network.
    pub(crate) fn set_momentum(&mut self, momentum: BTreeMap<String, Tensor>) {
        self.momentum = momentum;
    }
}

/// How many of `momentum` do not fit a parameter of `module`, by name, shape and dtype.
pub(crate) fn misfits(momentum: &BTreeMap<String, Tensor>, module: &dyn Module) -> usize {
    let fitting = module.named_parameters().into_iter().filter(|(name, parameter)| {
        let kind = |tensor: &Tensor| (tensor.shape(), tensor.dtype());
        momentum.get(name).map(kind) == Some(kind(parameter.tensor()))
    });
    momentum.len() - fitting.count()
}
