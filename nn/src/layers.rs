//! Layers, and the block of two convolutions that the U-Net is built of.

use kernels::batch_norm::{Moments, Statistics, batch_norm, blend};
use kernels::conv_transpose2d::conv_transpose2d;
use kernels::conv2d::{conv2d, conv2d_with_moments};
use kernels::linear::linear;
use tensor::{Result, Tensor};

use crate::{Buffer, Counter, Init, Parameter, WeightLayout, module};

/// Whether batch norm uses the batch's statistics and updates its running ones, or only uses the
/// running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The batch's statistics.
    Train,
    /// Running statistics.
    Evaluate,
}

/// Slope of the leaky ReLU in a [`Block`].
const SLOPE: f64 = 0.01;

/// A 3 x 3 or 1 x 1 convolution with bias.
#[derive(Debug)]
pub struct Conv {
    weight: Parameter,
    bias: Parameter,
    stride: usize,
}

module!(Conv { weight, bias });

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
            weight: Parameter::new(weight, WeightLayout::Convolution)?,
            bias: Parameter::new(init.uniform([cout], fan_in)?, WeightLayout::Plain)?,
            stride,
        })
    }

    /// `[n, rows, columns, cin]`, in one tensor or in several whose channels follow each other, to
    /// `[n, rows / stride, columns / stride, cout]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        conv2d(inputs, self.weight.tensor(), Some(self.bias.tensor()), self.stride)
    }

    fn forward_with_statistics(&self, inputs: &[&Tensor]) -> Result<(Tensor, Moments)> {
        conv2d_with_moments(inputs, self.weight.tensor(), Some(self.bias.tensor()), self.stride)
    }
}

/// A 2 x 2 transposed convolution of stride 2, with bias.
#[derive(Debug)]
pub struct ConvTranspose {
    weight: Parameter,
    bias: Parameter,
}

module!(ConvTranspose { weight, bias });

impl ConvTranspose {
    /// From `cin` to `cout` channels.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, cin: usize, cout: usize) -> Result<Self> {
        // PyTorch computes the fan-in of [in, out, rows, columns] from the second axis.
        let fan_in = cout * 4;
        let weight = init.uniform([2, 2, cin, cout], fan_in)?;
        Ok(ConvTranspose {
            weight: Parameter::new(weight, WeightLayout::TransposedConvolution)?,
            bias: Parameter::new(init.uniform([cout], fan_in)?, WeightLayout::Plain)?,
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

/// A linear layer with bias.
#[derive(Debug)]
pub struct Linear {
    weight: Parameter,
    bias: Parameter,
}

module!(Linear { weight, bias });

impl Linear {
    /// From `cin` to `cout` features.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, cin: usize, cout: usize) -> Result<Self> {
        Self::of(init.uniform([cout, cin], cin)?, init.uniform([cout], cin)?)
    }

    /// From `cin` to `cout` features; weights drawn from a truncated normal distribution of the given
    /// standard deviation, biases 0.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn truncated_normal(
        init: &mut Init,
        cin: usize,
        cout: usize,
        standard_deviation: f64,
    ) -> Result<Self> {
        let weight = init.truncated_normal([cout, cin], standard_deviation)?;
        Self::of(weight, init.constant([cout], 0.0)?)
    }

    fn of(weight: Tensor, bias: Tensor) -> Result<Self> {
        Ok(Linear {
            weight: Parameter::new(weight, WeightLayout::Plain)?,
            bias: Parameter::new(bias, WeightLayout::Plain)?,
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

/// Batch normalisation over the last axis, with PyTorch's defaults.
#[derive(Debug)]
pub struct BatchNorm {
    weight: Parameter,
    bias: Parameter,
    running_mean: Buffer,
    running_var: Buffer,
    num_batches_tracked: Counter,
}

module!(BatchNorm { weight, bias, running_mean, running_var, num_batches_tracked });

impl BatchNorm {
    const EPSILON: f64 = 1e-5;
    /// Weight of the newest batch in the running statistics.
    const MOMENTUM: f64 = 0.1;

    /// Over `channels` channels.
    ///
    /// # Errors
    /// When the dtype is not floating.
    pub fn new(init: &mut Init, channels: usize) -> Result<Self> {
        let [zeros, ones] = [0.0, 1.0].map(|value| init.constant([channels], value));
        let (zeros, ones) = (zeros?, ones?);
        Ok(BatchNorm {
            weight: Parameter::new(ones.clone(), WeightLayout::Plain)?,
            bias: Parameter::new(zeros.clone(), WeightLayout::Plain)?,
            running_mean: Buffer::new(zeros),
            running_var: Buffer::new(ones),
            num_batches_tracked: Counter::default(),
        })
    }

    /// Normalises by a batch's own statistics, which enter the running ones, then applies a leaky
    /// ReLU; a slope of 1 leaves that out.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn train(&mut self, x: &Tensor, batch: &Moments, slope: f64) -> Result<Tensor> {
        // PyTorch normalises by the biased variance but keeps the unbiased one.
        let n = batch.count as f64;
        let unbiased = n / (n - 1.0).max(1.0);
        let momentum = Self::MOMENTUM;
        blend(self.running_mean.tensor_mut(), &batch.mean, 1.0, momentum)?;
        blend(self.running_var.tensor_mut(), &batch.variance, unbiased, momentum)?;
        self.num_batches_tracked.add(1);
        self.normalise(x, Statistics::Batch(batch), slope)
    }

    /// Normalises by the running statistics, then applies a leaky ReLU; a slope of 1 leaves that
    /// out.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn evaluate(&self, x: &Tensor, slope: f64) -> Result<Tensor> {
        let (mean, variance) = (self.running_mean.tensor(), self.running_var.tensor());
        self.normalise(x, Statistics::Running { mean, variance }, slope)
    }

    fn normalise(&self, x: &Tensor, statistics: Statistics<'_>, slope: f64) -> Result<Tensor> {
        let (gamma, beta) = (self.weight.tensor(), self.bias.tensor());
        batch_norm(x, statistics, gamma, beta, Self::EPSILON, slope)
    }
}

/// Two 3 x 3 convolutions, each followed by batch norm and leaky ReLU.
///
/// Results are lazy: the next convolution normalises and activates them as it reads.
#[derive(Debug)]
pub struct Block {
    conv1: Conv,
    bn1: BatchNorm,
    conv2: Conv,
    bn2: BatchNorm,
}

module!(Block { conv1, bn1, conv2, bn2 });

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

    /// `[n, rows, columns, cin]`, in one tensor or in several whose channels follow each other, to
    /// `[n, rows / stride, columns / stride, cout]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&mut self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        let x = conv_norm_relu(&self.conv1, &mut self.bn1, inputs, mode)?;
        conv_norm_relu(&self.conv2, &mut self.bn2, &[&x], mode)
    }
}

fn conv_norm_relu(
    conv: &Conv,
    norm: &mut BatchNorm,
    inputs: &[&Tensor],
    mode: Mode,
) -> Result<Tensor> {
    match mode {
        Mode::Train => {
            let (x, statistics) = conv.forward_with_statistics(inputs)?;
            norm.train(&x, &statistics, SLOPE)
        }
        Mode::Evaluate => norm.evaluate(&conv.forward(inputs)?, SLOPE),
    }
}
