//! Stochastic gradient descent over a network.

use std::collections::BTreeMap;

use kernels::sgd::{self, sgd};
use tensor::{Buffer, Gradients, Number, Tensor};

use crate::{Error, Module, Result, Slot};

/// How to update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdSettings {
    /// Momentum.
    pub momentum: f64,
    /// Nesterov's form of it.
    pub nesterov: bool,
    /// Factor of the weights that is added to their gradient.
    pub weight_decay: f64,
    /// Leave biases and other vectors out of the decay, as DINO does.
    pub decay_matrices_only: bool,
}

/// Stochastic gradient descent with momentum, as PyTorch's `SGD`.
///
/// Parameters without a gradient, frozen ones among them, stay as they are and keep their
/// momentum.
#[derive(Debug)]
pub struct Sgd {
    settings: SgdSettings,
    weight_decay: Number,
    /// By parameter name.
    momentum: BTreeMap<String, Tensor>,
    /// Where everything lies on a GPU.
    table: sgd::Table,
}

impl Sgd {
    /// Nothing remembered yet.
    pub fn new(settings: SgdSettings) -> Self {
        let weight_decay = settings.weight_decay.into();
        Sgd { settings, weight_decay, momentum: BTreeMap::new(), table: sgd::Table::default() }
    }

    /// Changes the weight decay of the steps that follow.
    pub fn set_weight_decay(&mut self, weight_decay: impl Into<Number>) {
        self.weight_decay = weight_decay.into();
    }

    /// Updates every parameter of `module` that has a gradient, in place, in one launch on a GPU.
    ///
    /// # Errors
    /// When a gradient does not fit its parameter.
    pub fn step(
        &mut self,
        module: &mut dyn Module,
        mut gradients: Gradients,
        learning_rate: impl Into<Number>,
    ) -> Result<()> {
        struct Taken {
            name: String,
            value: Buffer,
            momentum: Buffer,
            gradient: Tensor,
            decays: bool,
        }
        let mut taken = Vec::new();
        let mut failure = None;
        module.visit("", &mut |name, slot| {
            let Slot::Parameter(parameter) = slot else { return };
            let Some(gradient) = gradients.take(parameter.tensor()) else { return };
            let vector = parameter.tensor().shape().axes() < 2;
            let decays = !(vector && self.settings.decay_matrices_only);
            let momentum = match self.momentum.remove(name) {
                // What was read from a file lies on the host.
                Some(momentum) => {
                    momentum.into_memory().and_then(|m| m.on(&parameter.tensor().device()))
                }
                None => zeros_like(parameter.tensor()),
            };
            match momentum {
                Ok(momentum) => taken.push(Taken {
                    name: name.to_owned(),
                    momentum,
                    value: parameter.take(),
                    gradient,
                    decays,
                }),
                Err(error) => failure = Some(error),
            }
        });
        let slots = taken.iter_mut().map(|t| sgd::Slot {
            value: &mut t.value,
            momentum: &mut t.momentum,
            gradient: &t.gradient,
            decays: t.decays,
        });
        let SgdSettings { momentum, nesterov, .. } = self.settings;
        let (learning_rate, weight_decay) = (learning_rate.into(), self.weight_decay.clone());
        let update = sgd::Sgd { learning_rate, weight_decay, momentum, nesterov };
        let outcome = match failure {
            None => sgd(slots.collect(), &update, &mut self.table),
            Some(error) => Err(error),
        };
        let mut taken = taken.into_iter().peekable();
        module.visit("", &mut |name, slot| {
            let Slot::Parameter(parameter) = slot else { return };
            let Some(t) = taken.next_if(|t| t.name == name) else { return };
            let (shape, dtype) = (t.gradient.shape(), t.gradient.dtype());
            parameter.give_back(t.value, shape, dtype);
            self.momentum.insert(t.name, Tensor::over(t.momentum, shape, dtype));
        });
        outcome.map_err(Error::Tensor)
    }

    /// What is remembered, by parameter name.
    pub(crate) fn momentum(&self) -> &BTreeMap<String, Tensor> {
        &self.momentum
    }

    /// Goes on from what an optimiser of the same network remembered.
    pub(crate) fn remember(&mut self, momentum: BTreeMap<String, Tensor>) {
        self.momentum = momentum;
    }

    /// Whether `momentum` can be that of `module`'s parameters.
    pub(crate) fn check(
        &self,
        momentum: &BTreeMap<String, Tensor>,
        module: &mut dyn Module,
    ) -> std::result::Result<(), String> {
        let mut fitting = 0;
        module.visit("", &mut |name, slot| {
            let Slot::Parameter(parameter) = slot else { return };
            let Some(momentum) = momentum.get(name) else { return };
            let value = parameter.tensor();
            let fits = momentum.shape() == value.shape() && momentum.dtype() == value.dtype();
            fitting += usize::from(fits);
        });
        match momentum.len() - fitting {
            0 => Ok(()),
            strange => Err(format!(
                "the momentum of {strange} of {} parameters is not of this network",
                momentum.len()
            )),
        }
    }
}
/// As many zeros, of the same dtype, where `tensor` lies.
fn zeros_like(tensor: &Tensor) -> tensor::Result<Buffer> {
    let zeros = Buffer::zeroed::<u8>(tensor.shape().elements() * tensor.dtype().bytes());
    zeros.on(&tensor.device())
}
