//! Convolution on graphics processors: sums over taps, forward and backward.

use tensor::gpu::{Gpu, Program};
use tensor::{DType, Result, Tensor};

use super::Convolution;
use crate::batch_norm::Moments;
use crate::concat::concat;
use crate::taps::cuda::{Kind, Taps, Weights};

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    let mut programs = Vec::new();
    for (kernel, stride) in [(1, 1), (1, 2), (3, 1), (3, 2)] {
        for transposed in [false, true] {
            programs.extend(Kind { kernel, stride, transposed }.programs(dtype));
        }
    }
    programs
}

impl Convolution {
    fn taps(&self) -> Taps {
        let dims = self.inputs[0].dims();
        let (kernel, stride) = (self.weight.dims()[0], self.stride);
        let input = [dims[1], dims[2]];
        Taps {
            kind: Kind { kernel, stride, transposed: false },
            batch: dims[0],
            input,
            output: input.map(|n| n.div_ceil(stride)),
        }
    }

    /// The inputs as two at most: more than the network ever has are joined in memory.
    fn pair(&self) -> Result<Vec<Tensor>> {
        match self.inputs.len() {
            1 | 2 => Ok(self.inputs.clone()),
            _ => {
                let all: Vec<&Tensor> = self.inputs.iter().collect();
                Ok(vec![tensor::no_grad(|| concat(&all, 3))?])
            }
        }
    }
}

pub(super) fn forward(
    gpu: &dyn Gpu,
    c: &Convolution,
    measure: bool,
) -> Result<(Tensor, Option<Moments>)> {
    let [_, _, cin, cout] = c.weight.shape().as_array().unwrap_or_default();
    let weights = Weights { tensor: &c.weight, first: 0, steps: [cin * cout, cout, 1] };
    c.taps().sum(gpu, &c.pair()?, weights, c.bias.as_ref(), cout, measure)
}

/// Gradients of the inputs, the weight and the bias, in this order.
pub(super) fn backward(
    gpu: &dyn Gpu,
    c: &Convolution,
    gradient: &Tensor,
    wanted: &[bool],
) -> Result<Vec<Option<Tensor>>> {
    let (inputs, rest) = wanted.split_at(c.inputs.len());
    let mut gradients = Vec::with_capacity(wanted.len());
    let mut first_channel = 0;
    for (input, &wanted) in c.inputs.iter().zip(inputs) {
        let of_input = || of_input(gpu, c, gradient, input, first_channel);
        gradients.push(wanted.then(of_input).transpose()?);
        first_channel += input.shape().last();
    }
    let biased = rest.get(1).is_some_and(|&wanted| wanted);
    let (weight, bias) = match rest[0] {
        true => {
            let (weight, bias) = c.taps().of_parameters(gpu, &c.pair()?, gradient, biased)?;
            (Some(weight), bias)
        }
        false => (None, biased.then(|| c.taps().of_bias(gpu, gradient)).transpose()?),
    };
    gradients.push(weight);
    gradients.extend(c.bias.is_some().then_some(bias));
    Ok(gradients)
}

/// The gradient of one input, whose channels start at `first_channel` of the weight.
fn of_input(
    gpu: &dyn Gpu,
    c: &Convolution,
    gradient: &Tensor,
    input: &Tensor,
    first_channel: usize,
) -> Result<Tensor> {
    let [_, _, cin, cout] = c.weight.shape().as_array().unwrap_or_default();
    let Taps { kind, batch, input: from, output } = c.taps();
    let kind = Kind { transposed: true, ..kind };
    let taps = Taps { kind, batch, input: output, output: from };
    let first = first_channel * cout;
    let weights = Weights { tensor: &c.weight, first, steps: [cin * cout, 1, cout] };
    let inputs = [gradient.clone()];
    Ok(taps.sum(gpu, &inputs, weights, None, input.shape().last(), false)?.0)
}
