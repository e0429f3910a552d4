//! Layers that follow each other, over rows of features.

use kernels::batch_norm::moments;
use kernels::pointwise::{gelu, relu};
use tensor::{Result, Tensor};

use crate::{BatchNorm, Linear, Mode, Module, StateList, StateMut, StateRef, module};

/// A layer of a [`Sequential`].
#[derive(Debug)]
pub enum Layer {
    /// A linear layer with bias.
    Linear(Linear),
    /// Batch normalisation over features.
    BatchNorm(BatchNorm),
    /// `max(x, 0)`.
    Relu,
    /// `x` times the normal distribution's cumulative probability at `x`.
    Gelu,
}

impl Layer {
    fn forward(&mut self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        match (self, mode) {
            (Layer::Linear(linear), _) => linear.forward(x),
            // A slope of 1 leaves the leaky ReLU out.
            (Layer::BatchNorm(norm), Mode::Train) => norm.train(x, &moments(x)?, 1.0),
            (Layer::BatchNorm(norm), Mode::Evaluate) => norm.evaluate(x, 1.0),
            (Layer::Relu, _) => relu(x),
            (Layer::Gelu, _) => gelu(x),
        }
    }
}

impl Module for Layer {
    fn list_state<'a>(&'a self, list: &mut StateList<StateRef<'a>>) {
        match self {
            Layer::Linear(linear) => linear.list_state(list),
            Layer::BatchNorm(norm) => norm.list_state(list),
            Layer::Relu | Layer::Gelu => {}
        }
    }

    fn list_state_mut<'a>(&'a mut self, list: &mut StateList<StateMut<'a>>) {
        match self {
            Layer::Linear(linear) => linear.list_state_mut(list),
            Layer::BatchNorm(norm) => norm.list_state_mut(list),
            Layer::Relu | Layer::Gelu => {}
        }
    }
}

/// Layers that follow each other. Names have the index of each layer, activations counted, as those of
/// PyTorch's `Sequential` do.
#[derive(Debug)]
pub struct Sequential {
    layers: Vec<Layer>,
}

module!(Sequential { layers as "" });

impl Sequential {
    /// These layers, in order.
    pub fn new(layers: Vec<Layer>) -> Self {
        Sequential { layers }
    }

    /// `[rows, features]` through every layer.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&mut self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.layers.iter_mut().try_fold(x.clone(), |x, layer| layer.forward(&x, mode))
    }
}
