//! Times one optimiser step of a training task, on inputs that are already there.

use std::time::Instant;

use kernels::dice_ce::{DiceCe, dice_ce};
use kernels::nt_xent::{NtXent, nt_xent};
use nn::{EncoderMlp, Init, Mode, Module, Sgd, SgdSettings, UNet};
use serde::Serialize;
use tensor::random::{Purpose, Stream};
use tensor::{DType, Tensor, memory_use};

use crate::data::CLASSES;
use crate::{Error, Result};

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BenchTask {
    /// Segmentation with labels, at every resolution but the coarsest.
    UNet,
    /// Contrastive learning of pairs.
    SimClr,
    /// Contrastive learning by position.
    Pcl,
}

/// What to time.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The task.
    pub task: BenchTask,
    /// Rows and columns of the images.
    pub size: usize,
    /// Images per step, each view counted.
    pub batch: usize,
    /// Channels of each resolution.
    pub channels: Vec<usize>,
    /// Steps that are timed.
    pub steps: usize,
    /// Steps before them.
    pub warmup: usize,
}

/// How fast it is.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    task: BenchTask,
    device: &'static str,
    simd: &'static str,
    threads: usize,
    size: usize,
    batch: usize,
    channels: Vec<usize>,
    /// Median over the steps.
    step_ms: f64,
    images_per_s: f64,
    /// The most that tensors and scratch took at once.
    tensors_peak_mib: f64,
    /// The most that the process took at once, where the system tells.
    #[serde(rename = "peak_MiB")]
    peak_mib: Option<f64>,
    /// How often the timed steps asked the system for memory.
    allocations: usize,
}

/// A network and the loss of its fixed inputs.
struct Trained {
    network: Network,
    images: Tensor,
    labels: Tensor,
    positions: Vec<f64>,
}

enum Network {
    Segmentation(Box<UNet>),
    Contrastive(Box<EncoderMlp>, bool),
}

impl Trained {
    fn new(bench: &Bench) -> Result<Self> {
        let Bench { size, batch, ref channels, .. } = *bench;
        let mut init = Init::new(0, 0, DType::F32);
        let mut contrastive = |by_position| -> Result<Network> {
            let network = EncoderMlp::new(&mut init, channels, &[512, 512, 512])?;
            Ok(Network::Contrastive(Box::new(network), by_position))
        };
        let network = match bench.task {
            BenchTask::SimClr => contrastive(false)?,
            BenchTask::Pcl => contrastive(true)?,
            BenchTask::UNet => {
                Network::Segmentation(Box::new(UNet::new(&mut init, channels, CLASSES, -1)?))
            }
        };
        let mut stream = Stream::new(0, Purpose::Check, 0, 0);
        let images = Tensor::build::<f32>([batch, size, size, 1], |out| {
            out.iter_mut().for_each(|out| *out = stream.normal() as f32);
        });
        let labels = Tensor::build::<u8>([batch, size, size], |out| {
            out.iter_mut().for_each(|out| *out = stream.below(CLASSES) as u8);
        });
        let positions = (0..batch).map(|row| (row / 2) as f64 / batch as f64).collect();
        Ok(Trained { network, images, labels, positions })
    }

    fn module(&mut self) -> &mut dyn Module {
        match &mut self.network {
            Network::Segmentation(network) => network.as_mut(),
            Network::Contrastive(network, _) => network.as_mut(),
        }
    }

    fn loss(&mut self) -> Result<Tensor> {
        match &mut self.network {
            Network::Segmentation(network) => {
                let outputs = network.forward(&self.images, Mode::Train)?;
                let outputs: Vec<&Tensor> = outputs.iter().collect();
                Ok(dice_ce(&outputs, &self.labels, &DiceCe::default())?.total)
            }
            Network::Contrastive(network, by_position) => {
                let features = network.forward(&self.images, Mode::Train)?;
                let positions = by_position.then_some(self.positions.as_slice());
                Ok(nt_xent(&features, positions, &NtXent::default())?)
            }
        }
    }
}

impl Bench {
    /// Runs the steps.
    ///
    /// # Errors
    /// When the sizes make no network, or no step is to be timed.
    pub fn run(&self) -> Result<Timing> {
        let coarsest = 1usize << (self.channels.len().max(1) - 1).min(30);
        if self.size == 0 || !self.size.is_multiple_of(coarsest) {
            return Err(Error::Setting(format!(
                "--size {}: {} resolutions take a multiple of {coarsest}",
                self.size,
                self.channels.len()
            )));
        }
        if self.batch < 2
            || !self.batch.is_multiple_of(2)
            || self.steps == 0
            || self.channels.contains(&0)
        {
            return Err(Error::Setting(
                "--batch takes an even number, --steps and --channels numbers above 0".into(),
            ));
        }
        let mut trained = Trained::new(self)?;
        let mut optimiser = Sgd::new(SgdSettings {
            momentum: 0.99,
            nesterov: true,
            weight_decay: 3e-5,
            decay_matrices_only: false,
        });
        let mut seconds = Vec::new();
        let mut before = 0;
        for step in 0..self.warmup.saturating_add(self.steps) {
            if step == self.warmup {
                before = memory_use().allocations;
            }
            let started = Instant::now();
            let gradients = trained.loss()?.backward()?;
            optimiser.step(trained.module(), gradients, 1e-3)?;
            if step >= self.warmup {
                seconds.push(started.elapsed().as_secs_f64());
            }
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        let usage = memory_use();
        Ok(Timing {
            task: self.task,
            device: "cpu",
            simd: kernels::simd::level().name(),
            threads: rayon::current_num_threads(),
            size: self.size,
            batch: self.batch,
            channels: self.channels.clone(),
            step_ms: (1e6 * median).round() / 1e3,
            images_per_s: (1e3 * self.batch as f64 / median).round() / 1e3,
            tensors_peak_mib: (usage.peak as f64 / 1048.576).round() / 1e3,
            peak_mib: process_peak_mib(),
            allocations: usage.allocations - before,
        })
    }
}

/// The most memory that this process has taken, where `/proc` tells.
fn process_peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some((kib / 1.024).round() / 1e3)
}
