//! Convolutions and transposed convolutions: forward, data gradient, weight gradient.

use std::ops::Range;

use kernels::batch_norm::{Statistics, batch_norm};
use kernels::conv_transpose2d::conv_transpose2d;
use kernels::conv2d::{conv2d, conv2d_with_moments};
use serde_json::json;
use tensor::{Result, Tensor};

use super::super::case::{Argument, Case, Dtypes, Pass};
use super::super::shapes::{Convolution, Network};

pub fn cases(network: &Network, dtypes: Dtypes) -> Vec<Case> {
    let batch = network.batch;
    let convolutions = network.convolutions();
    let convolutions = convolutions.into_iter().map(|layer| convolution(layer, batch, dtypes));
    let upsamplings = network.upsamplings();
    let upsamplings = upsamplings.into_iter().map(|layer| upsampling(layer, batch, dtypes));
    convolutions.chain(upsamplings).collect()
}

/// A convolution on plain inputs, which PyTorch has too, and as the network runs it: one input
/// normalised and activated on load, the statistics of the result computed in the epilogue.
fn convolution(layer: Convolution, batch: usize, dtypes: Dtypes) -> Case {
    let Convolution { rows, ref inputs, out, kernel, stride, normalised, uses } = layer;
    let (cin, to) = (inputs.iter().sum::<usize>(), rows.div_ceil(stride));
    let features = |rows: usize, channels: usize| {
        Argument::normal([batch, rows, rows, channels], dtypes.features)
    };
    let mut arguments: Vec<Argument> = inputs.iter().map(|&c| features(rows, c)).collect();
    let first = Tensors { inputs: 0..inputs.len(), normalised };
    let weight = first.inputs.end;
    arguments.push(Argument::normal([kernel, kernel, cin, out], dtypes.parameters));
    let vectors = [out].into_iter().chain(normalised.iter().flat_map(|&k| [inputs[k]; 4]));
    arguments.extend(vectors.map(|channels| Argument::positive([channels], dtypes.parameters)));

    let x: f64 = arguments[first.inputs.clone()].iter().map(Argument::bytes).sum();
    let (w, y) = (arguments[weight].bytes(), features(to, out).bytes());
    let flop = (2 * batch * to * to * kernel * kernel * cin * out) as f64;
    let plain = first.clone();
    let plainly =
        move |t: &[Tensor]| conv2d(&plain.plain(t), &t[weight], Some(&t[weight + 1]), stride);
    let whole = plainly.clone();
    let mut passes = vec![
        Pass::forward(x + w + y, plainly.clone()),
        Pass::gradient("weight gradient", [weight], x + w + y, plainly),
    ];
    // The gradient of the images is never needed.
    if inputs[0] > 1 {
        let of: Vec<usize> = first.inputs.clone().collect();
        passes.insert(1, Pass::gradient("data gradient", of, x + w + y, whole));
    }
    if normalised.is_some() {
        let measured = kernel == 3;
        let fused = move |t: &[Tensor]| first.fused(t, stride, measured);
        passes.push(Pass::forward(x + w + y, fused.clone()).named("forward, fused"));
        let of_weight = Pass::gradient("weight gradient, fused", [weight], x + w + y, fused);
        passes.push(of_weight);
    }
    let from = inputs.iter().map(usize::to_string).collect::<Vec<_>>().join("+");
    Case {
        operation: "conv2d",
        shape: format!(
            "{batch} x {rows} x {rows}, {from} to {out}, {kernel} x {kernel} / {stride}"
        ),
        uses,
        arguments,
        passes: passes.into_iter().map(|pass| pass.of_flop(flop)).collect(),
        peer: Some(json!({
            "batch": batch, "rows": rows, "inputs": inputs, "out": out, "kernel": kernel,
            "stride": stride, "normalised": normalised,
        })),
    }
}

/// Indices of a convolution's tensors among the arguments: the inputs, the weight, the bias, and
/// mean, variance, scale and shift of the input that is normalised.
#[derive(Clone)]
struct Tensors {
    inputs: Range<usize>,
    normalised: Option<usize>,
}

impl Tensors {
    fn plain<'a>(&self, arguments: &'a [Tensor]) -> Vec<&'a Tensor> {
        arguments[self.inputs.clone()].iter().collect()
    }

    fn fused(&self, arguments: &[Tensor], stride: usize, measured: bool) -> Result<Tensor> {
        let [weight, bias, mean, variance, gamma, beta] = &arguments[self.inputs.end..] else {
            return Err(tensor::Error::value("bench", "a convolution without its vectors"));
        };
        let mut inputs = arguments[self.inputs.clone()].to_vec();
        if let Some(input) = self.normalised.map(|k| &mut inputs[k]) {
            let statistics = Statistics::Running { mean, variance };
            *input = batch_norm(input, statistics, gamma, beta, 1e-5, 0.01)?;
        }
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        match measured {
            true => Ok(conv2d_with_moments(&inputs, weight, Some(bias), stride)?.0),
            false => conv2d(&inputs, weight, Some(bias), stride),
        }
    }
}

fn upsampling([rows, from, to]: [usize; 3], batch: usize, dtypes: Dtypes) -> Case {
    let features = |rows: usize, channels: usize| {
        Argument::normal([batch, rows, rows, channels], dtypes.features)
    };
    let arguments = vec![
        features(rows, from),
        Argument::normal([2, 2, from, to], dtypes.parameters),
        Argument::normal([to], dtypes.parameters),
    ];
    let bytes = arguments[0].bytes() + arguments[1].bytes() + features(2 * rows, to).bytes();
    let run = |t: &[Tensor]| conv_transpose2d(&t[0], &t[1], Some(&t[2]));
    let passes = [
        Pass::forward(bytes, run),
        Pass::gradient("data gradient", [0], bytes, run),
        Pass::gradient("weight gradient", [1], bytes, run),
    ];
    let flop = (8 * batch * rows * rows * from * to) as f64;
    Case {
        operation: "conv_transpose2d",
        shape: format!("{batch} x {rows} x {rows}, {from} to {to}, 2 x 2 / 2"),
        uses: 1,
        arguments,
        passes: passes.into_iter().map(|pass| pass.of_flop(flop)).collect(),
        peer: Some(json!({"batch": batch, "rows": rows, "from": from, "to": to})),
    }
}
