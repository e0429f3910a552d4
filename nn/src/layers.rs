//! Layers, and the block of two of them that the networks are built of.

use kernels::batch_norm::{Moments, Statistics, batch_norm, blend};
use kernels::conv_transpose2d::conv_transpose2d;
use kernels::conv2d::{conv2d, conv2d_with_moments};
use kernels::linear::linear;
use tensor::{Result, Tensor};

use crate::module::join;
use crate::{Init, Layout, Module, Parameter, Slot};

/// Whether batch norm uses the batch's statistics and updates its own, or only uses its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The batch's statistics.
    Train,
    /// Running statistics.
    Evaluate,
}

/// Slope of the network's leaky ReLU.
const SLOPE: f64 = 0.01;

/// A 3 x 3 or 1 x 1 convolution with bias.
#[derive(Debug)]
pub struct Conv {
    weight: Parameter,
    bias: Parameter,
    stride: usize,
}

impl Conv {
    /// From `cin` to `cout` channels.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(
        init: &mut Init,
        cin: usize,
        cout: usize,
        kernel: usize,
        stride: usize,
    ) -> Result<Self> {
        let fan_in = cin * kernel * kernel;
        let weight = init.uniform([kernel, kernel, cin, cout], fan_in)?;
        Ok(Conv {
            weight: Parameter::new(weight, Layout::Convolution),
            bias: Parameter::new(init.uniform([cout], fan_in)?, Layout::Plain),
            stride,
        })
    }

    /// `[n, rows, columns, cin]`, in one or several tensors side by side, to
    /// `[n, rows / stride, columns / stride, cout]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        conv2d(inputs, self.weight.tensor(), Some(self.bias.tensor()), self.stride)
    }

    fn forward_with_moments(&self, inputs: &[&Tensor]) -> Result<(Tensor, Moments)> {
        conv2d_with_moments(inputs, self.weight.tensor(), Some(self.bias.tensor()), self.stride)
    }
}

impl Module for Conv {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        visitor(&join(path, "weight"), Slot::Parameter(&mut self.weight));
        visitor(&join(path, "bias"), Slot::Parameter(&mut self.bias));
    }
}

/// A 2 x 2 transposed convolution of stride 2, with bias.
#[derive(Debug)]
pub struct ConvTranspose {
    weight: Parameter,
    bias: Parameter,
}

impl ConvTranspose {
    /// From `cin` to `cout` channels.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, cin: usize, cout: usize) -> Result<Self> {
        // PyTorch counts the second axis of [in, out, rows, columns] as what fans in.
        let fan_in = cout * 4;
        Ok(ConvTranspose {
            weight: Parameter::new(
                init.uniform([2, 2, cin, cout], fan_in)?,
                Layout::TransposedConvolution,
            ),
            bias: Parameter::new(init.uniform([cout], fan_in)?, Layout::Plain),
        })
    }

    /// `[n, rows, columns, cin]` to `[n, 2 rows, 2 columns, cout]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        conv_transpose2d(x, self.weight.tensor(), Some(self.bias.tensor()))
    }
}

impl Module for ConvTranspose {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        visitor(&join(path, "weight"), Slot::Parameter(&mut self.weight));
        visitor(&join(path, "bias"), Slot::Parameter(&mut self.bias));
    }
}

/// A linear layer with bias.
#[derive(Debug)]
pub struct Linear {
    weight: Parameter,
    bias: Parameter,
}

impl Linear {
    /// From `cin` to `cout` features.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, cin: usize, cout: usize) -> Result<Self> {
        Ok(Linear {
            weight: Parameter::new(init.uniform([cout, cin], cin)?, Layout::Plain),
            bias: Parameter::new(init.uniform([cout], cin)?, Layout::Plain),
        })
    }

    /// From `cin` to `cout` features; weights normal with the given deviation, biases 0.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn truncated_normal(
        init: &mut Init,
        cin: usize,
        cout: usize,
        deviation: f64,
    ) -> Result<Self> {
        let weight = init.truncated_normal([cout, cin], deviation)?;
        Ok(Linear {
            weight: Parameter::new(weight, Layout::Plain),
            bias: Parameter::new(init.constant([cout], 0.0)?, Layout::Plain),
        })
    }

    /// `[rows, cin]` to `[rows, cout]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, self.weight.tensor(), Some(self.bias.tensor()))
    }
}

impl Module for Linear {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        visitor(&join(path, "weight"), Slot::Parameter(&mut self.weight));
        visitor(&join(path, "bias"), Slot::Parameter(&mut self.bias));
    }
}

/// Batch normalisation over the last axis, with PyTorch's defaults.
#[derive(Debug)]
pub struct BatchNorm {
    weight: Parameter,
    bias: Parameter,
    running_mean: Tensor,
    running_var: Tensor,
    num_batches_tracked: u64,
}

impl BatchNorm {
    const EPSILON: f64 = 1e-5;
    /// Weight of the newest batch in the running statistics.
    const MOMENTUM: f64 = 0.1;

    /// Over `channels` channels.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, channels: usize) -> Result<Self> {
        Ok(BatchNorm {
            weight: Parameter::new(init.constant([channels], 1.0)?, Layout::Plain),
            bias: Parameter::new(init.constant([channels], 0.0)?, Layout::Plain),
            running_mean: init.constant([channels], 0.0)?,
            running_var: init.constant([channels], 1.0)?,
            num_batches_tracked: 0,
        })
    }

    /// Normalises by a batch's moments, which enter the running statistics, then leaky ReLU.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn train(&mut self, x: &Tensor, moments: &Moments, slope: f64) -> Result<Tensor> {
        // PyTorch normalises by the biased variance but keeps the unbiased one.
        let n = moments.count as f64;
        let unbiased = n / (n - 1.0).max(1.0);
        let momentum = Self::MOMENTUM;
        blend(&mut self.running_mean, &moments.mean, 1.0, momentum)?;
        blend(&mut self.running_var, &moments.variance, unbiased, momentum)?;
        self.num_batches_tracked += 1;
        let (gamma, beta) = (self.weight.tensor(), self.bias.tensor());
        batch_norm(x, Statistics::Batch(moments), gamma, beta, Self::EPSILON, slope)
    }

    /// Normalises by the running statistics, then leaky ReLU.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn evaluate(&self, x: &Tensor, slope: f64) -> Result<Tensor> {
        let statistics =
            Statistics::Running { mean: &self.running_mean, variance: &self.running_var };
        let (gamma, beta) = (self.weight.tensor(), self.bias.tensor());
        batch_norm(x, statistics, gamma, beta, Self::EPSILON, slope)
    }
}

impl Module for BatchNorm {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        visitor(&join(path, "weight"), Slot::Parameter(&mut self.weight));
        visitor(&join(path, "bias"), Slot::Parameter(&mut self.bias));
        visitor(&join(path, "running_mean"), Slot::Buffer(&mut self.running_mean));
        visitor(&join(path, "running_var"), Slot::Buffer(&mut self.running_var));
        let count = Slot::Counter(&mut self.num_batches_tracked);
        visitor(&join(path, "num_batches_tracked"), count);
    }
}

/// Two 3 x 3 convolutions, each followed by batch norm and leaky ReLU.
///
/// Results are deferred: the next convolution normalises as it reads.
#[derive(Debug)]
pub struct Block {
    conv1: Conv,
    bn1: BatchNorm,
    conv2: Conv,
    bn2: BatchNorm,
}

impl Block {
    /// From `cin` to `cout` channels, the first convolution with the given stride.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, cin: usize, cout: usize, stride: usize) -> Result<Self> {
        Ok(Block {
            conv1: Conv::new(init, cin, cout, 3, stride)?,
            bn1: BatchNorm::new(init, cout)?,
            conv2: Conv::new(init, cout, cout, 3, 1)?,
            bn2: BatchNorm::new(init, cout)?,
        })
    }

    /// `[n, rows, columns, cin]`, in one or several tensors side by side, to
    /// `[n, rows / stride, columns / stride, cout]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&mut self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        let x = normalised(&self.conv1, &mut self.bn1, inputs, mode)?;
        normalised(&self.conv2, &mut self.bn2, &[&x], mode)
    }
}

fn normalised(conv: &Conv, norm: &mut BatchNorm, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
    match mode {
        Mode::Train => {
            let (x, moments) = conv.forward_with_moments(inputs)?;
            norm.train(&x, &moments, SLOPE)
        }
        Mode::Evaluate => norm.evaluate(&conv.forward(inputs)?, SLOPE),
    }
}

impl Module for Block {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        self.conv1.visit(&join(path, "conv1"), visitor);
        self.bn1.visit(&join(path, "bn1"), visitor);
        self.conv2.visit(&join(path, "conv2"), visitor);
        self.bn2.visit(&join(path, "bn2"), visitor);
    }
}

/// Shows each of a list of parts under `path.name.index`.
pub(crate) fn visit_list<M: Module>(
    parts: &mut [M],
    path: &str,
    name: &str,
    visitor: &mut dyn FnMut(&str, Slot<'_>),
) {
    for (index, part) in parts.iter_mut().enumerate() {
        part.visit(&join(path, &format!("{name}.{index}")), visitor);
    }
}
