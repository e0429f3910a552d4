//! Transposed convolution on graphics processors: sums over taps, forward and backward.

use std::slice;

use tensor::gpu::{Gpu, Program};
use tensor::{DType, Result, Tensor};

use crate::taps::cuda::{Kind, Taps, Weights};

const KERNEL: usize = 2;

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    [false, true].into_iter().flat_map(|transposed| kind(transposed).programs(dtype)).collect()
}

fn kind(transposed: bool) -> Kind {
    Kind { kernel: KERNEL, stride: KERNEL, transposed }
}

/// From the pixels of `x` to four times as many.
fn upsampling(x: &Tensor) -> Taps {
    let input = [x.dims()[1], x.dims()[2]];
    Taps { kind: kind(true), batch: x.dims()[0], input, output: input.map(|n| KERNEL * n) }
}

pub(super) fn forward(
    gpu: &dyn Gpu,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let [cin, cout] = [weight.dims()[2], weight.dims()[3]];
    let weights = Weights { tensor: weight, first: 0, steps: [cin * cout, cout, 1] };
    Ok(upsampling(x).sum(gpu, slice::from_ref(x), weights, bias, cout, false)?.0)
}

/// Gradients of input, weight and, if it is a parent, bias.
pub(super) fn backward(
    gpu: &dyn Gpu,
    x: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
    wanted: &[bool],
) -> Result<Vec<Option<Tensor>>> {
    let taps = upsampling(x);
    let biased = wanted.get(2).is_some_and(|&wanted| wanted);
    let of_input = wanted[0].then(|| of_input(gpu, taps, weight, gradient)).transpose()?;
    let (of_weight, of_bias) = match wanted[1] {
        true => {
            let (weight, bias) = taps.of_parameters(gpu, slice::from_ref(x), gradient, biased)?;
            (Some(weight), bias)
        }
        false => (None, biased.then(|| taps.of_bias(gpu, gradient)).transpose()?),
    };
    let mut gradients = vec![of_input, of_weight, of_bias];
    gradients.truncate(wanted.len());
    Ok(gradients)
}

fn of_input(gpu: &dyn Gpu, taps: Taps, weight: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let [cin, cout] = [weight.dims()[2], weight.dims()[3]];
    let Taps { batch, input, output, .. } = taps;
    let downsampling = Taps { kind: kind(false), batch, input: output, output: input };
    let weights = Weights { tensor: weight, first: 0, steps: [cin * cout, 1, cout] };
    Ok(downsampling.sum(gpu, slice::from_ref(gradient), weights, None, cin, false)?.0)
}
