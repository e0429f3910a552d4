//! Networks over a few steps: outputs, gradients, weights and running statistics afterwards.

use std::collections::HashMap;
use std::error::Error;

use kernels::dice_ce::{DiceCe, dice_ce};
use kernels::nt_xent::{NtXent, nt_xent};
use nn::{EncoderMlp, Init, Layout, Mode, Module, Sgd, SgdSettings, Slot, UNet, checkpoint};
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use tensor::{DType, Tensor, without_tape};

use crate::Outcome;
use crate::case::{Case, Golden, Goldens};
use crate::operations::{NtXentConfig, mean_dice};

/// PyTorch's `SGD`. Rates are given step by step.
#[derive(Deserialize)]
struct Optimizer {
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
}

impl Optimizer {
    fn sgd(&self) -> Sgd {
        Sgd::new(SgdSettings {
            momentum: self.momentum,
            nesterov: self.nesterov,
            weight_decay: self.weight_decay,
            decay_matrices_only: false,
        })
    }
}

#[derive(Deserialize)]
struct UNetConfig {
    channels: Vec<usize>,
    classes: usize,
    scales: i64,
    optimizer: Optimizer,
    learning_rates: Vec<f64>,
    class_weights: Vec<f64>,
}

/// U-Net under the segmentation loss over all scales.
pub fn unet(case: &Case, dtype: DType) -> Outcome {
    let config: UNetConfig = case.settings();
    let mut init = Init::new(0, 0, dtype);
    let mut net = UNet::new(&mut init, &config.channels, config.classes, config.scales)?;
    start(case, &mut net)?;
    let image = case.input("image").channels_last().tensor(dtype)?;
    let (size, truth) = case.input("onehot").classes();
    let labels = Tensor::from_slice(&truth, size.as_slice())?;
    let settings = DiceCe { class_weights: config.class_weights, ..DiceCe::default() };

    let steps = Steps { sgd: config.optimizer.sgd(), rates: &config.learning_rates };
    let mut found = steps.run(&mut net, |net, found| {
        let logits = net.forward(&image, Mode::Train)?;
        let loss = dice_ce(&logits.iter().collect::<Vec<_>>(), &labels, &settings)?;
        let goldens: Vec<_> = logits.iter().map(|l| Golden::of(l).channels_first()).collect();
        found.insert("out.dice".into(), mean_dice(&goldens[0], &truth)?);
        let parts = vec![loss.total.item()?, loss.cross_entropy, loss.dice];
        found.insert("out.loss".into(), Golden::list(parts));
        let named = goldens.into_iter().enumerate();
        found.extend(named.map(|(scale, logits)| (format!("out.logits{scale}"), logits)));
        Ok(loss.total)
    })?;
    let logits = without_tape(|| net.forward(&image, Mode::Evaluate))?;
    found.insert("out.eval_logits0".into(), Golden::of(&logits[0]).channels_first());
    Ok(found)
}

#[derive(Deserialize)]
struct ContrastiveConfig {
    channels: Vec<usize>,
    mlp: Vec<usize>,
    #[serde(flatten)]
    loss: NtXentConfig,
    optimizer: Optimizer,
    learning_rates: Vec<f64>,
}

/// Encoder and projection under NT-Xent: SimCLR, or PCL where the case gives slice positions.
pub fn contrastive(case: &Case, dtype: DType) -> Outcome {
    let config: ContrastiveConfig = case.settings();
    let mut net = EncoderMlp::new(&mut Init::new(0, 0, dtype), &config.channels, &config.mlp)?;
    start(case, &mut net)?;
    let image = case.input("image").channels_last().tensor(dtype)?;
    let positions = case.has_input("labels").then(|| case.input("labels").values.clone());
    let settings: NtXent = config.loss.into();

    let steps = Steps { sgd: config.optimizer.sgd(), rates: &config.learning_rates };
    steps.run(&mut net, |net, found| {
        let features = net.forward(&image, Mode::Train)?;
        let loss = nt_xent(&features, positions.as_deref(), &settings)?;
        found.insert("out.features".into(), Golden::of(&features));
        found.insert("out.loss".into(), Golden::scalar(loss.item()?));
        Ok(loss)
    })
}

/// Optimiser steps on the same batch.
struct Steps<'a> {
    sgd: Sgd,
    rates: &'a [f64],
}

impl Steps<'_> {
    /// Runs all steps of `loss`, which notes its outputs. Returns the outputs and gradients of the
    /// first step, the loss of each, and the network as it is then.
    fn run<N: Module>(
        mut self,
        net: &mut N,
        mut loss: impl FnMut(&mut N, &mut Goldens) -> Result<Tensor, Box<dyn Error>>,
    ) -> Outcome {
        let (mut found, mut losses) = (Goldens::new(), Vec::new());
        for (step, &rate) in self.rates.iter().enumerate() {
            let mut outputs = Goldens::new();
            let loss = loss(net, &mut outputs)?;
            losses.push(loss.item()?);
            let gradients = loss.backward()?;
            if step == 0 {
                found = outputs;
                net.visit("", &mut |name, slot| {
                    let Slot::Parameter(parameter) = slot else { return };
                    let Some(gradient) = gradients.get(parameter.tensor()) else { return };
                    let gradient = published(gradient, parameter.layout());
                    found.insert(format!("grad.{name}"), gradient);
                });
            }
            self.sgd.step(net, gradients, rate)?;
        }
        found.insert("out.losses".into(), Golden::list(losses));
        net.visit("", &mut |name, slot| {
            let value = match slot {
                Slot::Parameter(parameter) => published(parameter.tensor(), parameter.layout()),
                Slot::Buffer(buffer) => Golden::of(buffer),
                Slot::Counter(count) => Golden::scalar(*count as f64),
            };
            found.insert(format!("after.{name}"), value);
        });
        Ok(found)
    }
}

/// A tensor in the layout that PyTorch has for it, `[rows, columns, in, out]` being the engine's.
fn published(tensor: &Tensor, layout: Layout) -> Golden {
    let inside = Golden::of(tensor);
    match layout {
        Layout::Plain => inside,
        Layout::Convolution => inside.permuted([3, 2, 0, 1]),
        Layout::TransposedConvolution => inside.permuted([2, 3, 0, 1]),
    }
}

/// Starts the network from the case's parameters, by way of a checkpoint such as PyTorch writes:
/// names and layouts must be the published ones.
fn start(case: &Case, net: &mut dyn Module) -> Result<(), Box<dyn Error>> {
    let stored = |(name, golden): (&str, &Golden)| {
        let (dtype, bytes): (_, Vec<u8>) = if name.ends_with("num_batches_tracked") {
            (Dtype::I64, golden.values.iter().flat_map(|&v| (v as i64).to_le_bytes()).collect())
        } else {
            (Dtype::F64, golden.values.iter().flat_map(|v| v.to_le_bytes()).collect())
        };
        (name.to_owned(), (dtype, golden.shape.clone(), bytes))
    };
    let stored: HashMap<_, _> = case.parameters().map(stored).collect();
    let views: Result<HashMap<_, _>, _> = stored
        .iter()
        .map(|(name, (dtype, shape, bytes))| {
            Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?))
        })
        .collect::<Result<_, safetensors::SafeTensorError>>();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("start.safetensors");
    safetensors::serialize_to_file(views?, None, &path)?;
    let report = checkpoint::load(&path, net)?;
    if !(report.missing.is_empty() && report.unexpected.is_empty()) {
        return Err(format!("the network is not the published one: {report}").into());
    }
    Ok(())
}
