//! Networks over a few steps: outputs, gradients, weights and running statistics afterwards.

use std::collections::HashMap;
use std::error::Error;

use kernels::dice_ce::{DiceCe, dice_ce};
use kernels::masked_error::masked_error;
use kernels::nt_xent::{NtXent, nt_xent};
use nn::{
    EncoderMlp, Init, Mode, Module, Rates, Sgd, SgdSettings, StateList, StateMut, StateRef, UNet,
    WeightLayout, checkpoint,
};
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use settings::{self, Method, Preset, Settings};
use tensor::{DType, Gradients, Tensor, no_grad};
use train::task::{Comparison, Dino, Task};

use crate::Outcome;
use crate::case::{Case, Golden, Goldens, Place};
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
pub fn unet(case: &Case, on: &Place) -> Outcome {
    let config: UNetConfig = case.settings();
    let mut init = Init::new(0, 0, on.dtype);
    let mut net = UNet::new(&mut init, &config.channels, config.classes, config.scales)?;
    start(case, &mut net)?;
    net.move_to(&on.device)?;
    let image = case.input("image").channels_last().tensor(on)?;
    let (size, truth) = case.input("onehot").classes();
    let labels = Tensor::from_slice(&truth, size.as_slice())?.to_device(&on.device)?;
    let settings = DiceCe { class_weights: config.class_weights, ..DiceCe::default() };

    let steps = Steps::new(&config.optimizer, &config.learning_rates);
    let mut found = steps.run(&mut net, |net, found| {
        let logits = net.forward(&image, Mode::Train)?;
        let loss = dice_ce(&logits.iter().collect::<Vec<_>>(), &labels, &settings)?;
        let goldens: Vec<_> = logits.iter().map(|l| Golden::of(l).channels_first()).collect();
        found.insert("out.dice".into(), mean_dice(&goldens[0], &truth)?);
        let mut parts = vec![loss.total.item()?];
        parts.extend(Golden::of(&loss.parts).values);
        found.insert("out.loss".into(), Golden::list(parts));
        let named = goldens.into_iter().enumerate();
        found.extend(named.map(|(scale, logits)| (format!("out.logits{scale}"), logits)));
        Ok(loss.total)
    })?;
    let logits = no_grad(|| net.forward(&image, Mode::Evaluate))?;
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
pub fn contrastive(case: &Case, on: &Place) -> Outcome {
    let config: ContrastiveConfig = case.settings();
    let mut net = EncoderMlp::new(&mut Init::new(0, 0, on.dtype), &config.channels, &config.mlp)?;
    start(case, &mut net)?;
    net.move_to(&on.device)?;
    let image = case.input("image").channels_last().tensor(on)?;
    let positions = case.has_input("labels").then(|| case.input("labels").tensor(&on.exact()));
    let positions = positions.transpose()?;
    let settings: NtXent = config.loss.into();

    let steps = Steps::new(&config.optimizer, &config.learning_rates);
    steps.run(&mut net, |net, found| {
        let features = net.forward(&image, Mode::Train)?;
        let loss = nt_xent(&features, positions.as_ref(), &settings)?;
        found.insert("out.features".into(), Golden::of(&features));
        found.insert("out.loss".into(), Golden::scalar(loss.item()?));
        Ok(loss)
    })
}

#[derive(Deserialize)]
struct MimConfig {
    channels: Vec<usize>,
    fill: f64,
    optimizer: Optimizer,
    learning_rates: Vec<f64>,
}

/// U-Net under the error of hidden pixels.
pub fn mim(case: &Case, on: &Place) -> Outcome {
    let config: MimConfig = case.settings();
    let mut net = UNet::new(&mut Init::new(0, 0, on.dtype), &config.channels, 1, 1)?;
    start(case, &mut net)?;
    net.move_to(&on.device)?;
    let (image, hidden) = (case.input("image").channels_last(), case.input("mask").channels_last());
    let seen = image.values.iter().zip(&hidden.values);
    let seen = seen.map(|(&v, &hidden)| if hidden == 1.0 { config.fill } else { v }).collect();
    let seen = Golden { shape: image.shape.clone(), values: seen }.tensor(on)?;
    let image = image.tensor(on)?;
    let bytes: Vec<u8> = hidden.values.iter().map(|&v| v as u8).collect();
    let mask = Tensor::from_slice(&bytes, &hidden.shape[..3])?.to_device(&on.device)?;

    let steps = Steps::new(&config.optimizer, &config.learning_rates);
    steps.run(&mut net, |net, found| {
        let output = net.forward(&seen, Mode::Train)?.swap_remove(0);
        let loss = masked_error(&output, &image, &mask)?;
        found.insert("out.reconstruction".into(), Golden::of(&output).channels_first());
        found.insert("out.loss".into(), Golden::scalar(loss.item()?));
        Ok(loss)
    })
}

#[derive(Deserialize)]
struct DinoConfig {
    channels: Vec<usize>,
    local: usize,
    out: usize,
    hidden: usize,
    bottleneck: usize,
    student_temp: f64,
    teacher_temps: Vec<f64>,
    center_momentum: f64,
    learning_rates: Vec<f64>,
    teacher_momenta: Vec<f64>,
    frozen_last_layer_steps: usize,
    sgd_momentum: f64,
    weight_decay: f64,
}

impl DinoConfig {
    fn task(&self, dtype: DType) -> common::Result<Dino> {
        let study = Settings::preset(Preset::Paper, Method::Dino).pretrain.dino;
        let settings = settings::Dino {
            local_views: self.local,
            hidden: self.hidden,
            bottleneck: self.bottleneck,
            outputs: self.out,
            student_temperature: self.student_temp,
            centre_momentum: self.center_momentum,
            ..study
        };
        Dino::of(&settings, &self.channels, 0, dtype)
    }
}

/// The task itself over a few steps: student, teacher and centre.
pub fn dino(case: &Case, on: &Place) -> Outcome {
    let config: DinoConfig = case.settings();
    let mut task = config.task(on.dtype)?;
    start(case, &mut Published(&mut task))?;
    Published(&mut task).move_to(&on.device)?;
    let globals = case.input("global").channels_last().tensor(on)?;
    let locals = case.input("local").by_view(config.local).channels_last().tensor(on)?;
    let mut sgd = Sgd::new(SgdSettings {
        momentum: config.sgd_momentum,
        nesterov: false,
        decay_matrices_only: true,
    });
    let (mut found, mut losses) = (Goldens::new(), Vec::new());
    for (step, &rate) in config.learning_rates.iter().enumerate() {
        let Comparison { student, teacher, loss } =
            task.compare(&[&globals, &locals], config.teacher_temps[step])?;
        losses.push(loss.item()?);
        let gradients = loss.backward()?;
        if step == 0 {
            found.insert("out.student".into(), Golden::of(&student));
            found.insert("out.teacher".into(), Golden::of(&teacher));
            note_gradients(task.network(), &gradients, &mut found);
            for (name, state) in Published(&mut task).state() {
                if let (StateRef::Buffer(centre), "center") = (state, &*name) {
                    found.insert("out.center".into(), Golden::of(centre.tensor()));
                }
            }
        }
        // The gradients of frozen parameters are dropped, as PyTorch's `p.grad = None` does.
        let frozen = step < config.frozen_last_layer_steps;
        task.network_mut().freeze(&|name| frozen && name.contains("last_layer"))?;
        let rates = Rates::new(rate, config.weight_decay);
        sgd.step(task.network_mut(), gradients, &rates)?;
        task.network_mut().freeze(&|_| false)?;
        task.update_teacher(config.teacher_momenta[step])?;
    }
    found.insert("out.losses".into(), Golden::list(losses));
    note_state(&Published(&mut task), &mut found);
    // PyTorch's centre is a matrix of one row.
    for name in ["out.center", "after.center"] {
        if let Some(centre) = found.get_mut(name) {
            centre.shape.insert(0, 1);
        }
    }
    Ok(found)
}

/// Student, teacher and centre under the names that the cases have for them.
struct Published<'a>(&'a mut Dino);

fn published_name(name: &str) -> String {
    match name {
        "centre" => "center".into(),
        name if name.starts_with("teacher.") => name.into(),
        name => format!("student.{name}"),
    }
}

impl Module for Published<'_> {
    fn list_state<'a>(&'a self, list: &mut StateList<StateRef<'a>>) {
        for (name, state) in self.0.state() {
            list.push(&published_name(&name), state);
        }
    }

    fn list_state_mut<'a>(&'a mut self, list: &mut StateList<StateMut<'a>>) {
        for (name, state) in self.0.state_mut() {
            list.push(&published_name(&name), state);
        }
    }
}

/// Optimiser steps on the same batch.
struct Steps<'a> {
    sgd: Sgd,
    learning_rates: &'a [f64],
    weight_decay: f64,
}

impl<'a> Steps<'a> {
    fn new(optimizer: &Optimizer, learning_rates: &'a [f64]) -> Self {
        Steps { sgd: optimizer.sgd(), learning_rates, weight_decay: optimizer.weight_decay }
    }

    /// Runs all steps of `loss`, which notes its outputs. Returns the outputs and gradients of the
    /// first step, the loss of each, and the network as it is then.
    fn run<N: Module>(
        mut self,
        net: &mut N,
        mut loss: impl FnMut(&mut N, &mut Goldens) -> Result<Tensor, Box<dyn Error>>,
    ) -> Outcome {
        let (mut found, mut losses) = (Goldens::new(), Vec::new());
        for (step, &rate) in self.learning_rates.iter().enumerate() {
            let mut outputs = Goldens::new();
            let loss = loss(net, &mut outputs)?;
            losses.push(loss.item()?);
            let gradients = loss.backward()?;
            if step == 0 {
                found = outputs;
                note_gradients(net, &gradients, &mut found);
            }
            self.sgd.step(net, gradients, &Rates::new(rate, self.weight_decay))?;
        }
        found.insert("out.losses".into(), Golden::list(losses));
        note_state(net, &mut found);
        Ok(found)
    }
}

/// The gradient of every parameter that has one.
fn note_gradients(net: &dyn Module, gradients: &Gradients, found: &mut Goldens) {
    for (name, parameter) in net.named_parameters() {
        let Some(gradient) = gradients.get(parameter.tensor()) else { continue };
        found.insert(format!("grad.{name}"), published(gradient, parameter.layout()));
    }
}

/// Every parameter, buffer and counter as it is now.
fn note_state(net: &dyn Module, found: &mut Goldens) {
    for (name, state) in net.state() {
        let value = match state {
            StateRef::Parameter(parameter) => published(parameter.tensor(), parameter.layout()),
            StateRef::Buffer(buffer) => Golden::of(buffer.tensor()),
            StateRef::Counter(counter) => Golden::scalar(counter.get() as f64),
        };
        found.insert(format!("after.{name}"), value);
    }
}

/// A tensor in the layout that PyTorch has for it, `[rows, columns, in, out]` being the engine's.
fn published(tensor: &Tensor, layout: WeightLayout) -> Golden {
    let inside = Golden::of(tensor);
    match layout {
        WeightLayout::Plain => inside,
        WeightLayout::Convolution => inside.permuted([3, 2, 0, 1]),
        WeightLayout::TransposedConvolution => inside.permuted([2, 3, 0, 1]),
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
    let mut stored: HashMap<_, _> = case.parameters().map(stored).collect();
    if case.has_input("center") {
        // Given as an input, and as a matrix of one row.
        let bytes: Vec<u8> =
            case.input("center").values.iter().flat_map(|v| v.to_le_bytes()).collect();
        stored.insert("center".into(), (Dtype::F64, vec![bytes.len() / 8], bytes));
    }
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
