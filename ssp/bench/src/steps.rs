//! Times one optimiser step of a training task on inputs that are already on the device.

use std::time::Instant;

use nn::{Rates, Sgd, SgdSettings};
use serde::Serialize;
use tensor::random::{Purpose, Stream};
use tensor::{DType, Device, Tensor, memory_use};

use crate::{Error, Result};
use data::CLASSES;
use sampling::sampler::Batch;
use settings::{Method, Preset, Settings};
use train::step::Stepper;
use train::task::{Contrastive, Dino, ErasedTask, Mim, Segmentation, Step};

/// The task to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BenchTask {
    /// Supervised segmentation, with deep supervision at every resolution but the coarsest.
    UNet,
    /// Contrastive learning of pairs.
    SimClr,
    /// Contrastive learning by position.
    Pcl,
    /// Self-distillation of two global and six local views.
    Dino,
    /// Masked image modelling.
    Mim,
}

/// Configuration of the benchmark of a training step.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The task.
    pub task: BenchTask,
    /// Rows and columns of the images.
    pub size: usize,
    /// Images of full size per step, each view counted.
    pub batch: usize,
    /// Channels of each resolution.
    pub channels: Vec<usize>,
    /// Timed steps.
    pub steps: usize,
    /// Untimed steps before them.
    pub warmup: usize,
    /// Device to measure.
    pub device: Device,
    /// Images and features in bf16.
    pub mixed: bool,
}

/// Speed and memory use of a training step.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    task: BenchTask,
    device: String,
    /// Dtype of the features.
    dtype: &'static str,
    simd: &'static str,
    threads: usize,
    size: usize,
    batch: usize,
    channels: Vec<usize>,
    /// Whether the steps replayed a captured CUDA graph.
    captured: bool,
    /// Median milliseconds per step.
    step_ms: f64,
    images_per_s: f64,
    /// Peak memory of tensors and scratch buffers.
    tensors_peak_mib: f64,
    /// Peak memory on the GPU.
    #[serde(rename = "device_peak_MiB")]
    device_peak_mib: Option<f64>,
    /// Peak memory of the process, where the system reports it.
    #[serde(rename = "peak_MiB")]
    peak_mib: Option<f64>,
    /// Allocations from the system during the timed steps.
    allocations: usize,
}

/// A task with its inputs.
struct Trained {
    task: Box<dyn ErasedTask>,
    batch: Vec<Batch>,
}

impl Trained {
    fn new(bench: &Bench) -> Result<Self> {
        let Bench { task, size, batch, ref channels, .. } = *bench;
        let method = match task {
            BenchTask::UNet => Method::Scratch,
            BenchTask::SimClr => Method::SimClr,
            BenchTask::Pcl => Method::Pcl,
            BenchTask::Dino => Method::Dino,
            BenchTask::Mim => Method::Mim,
        };
        let mut settings = Settings::preset(Preset::Paper, method);
        settings.network.channels.clone_from(channels);
        settings.network.size = size;
        settings.pretrain.optimisation.batch = batch;
        settings.finetune.optimisation.batch = batch;
        settings.pretrain.dino.local_size = size / 2;
        settings.pretrain.mim.patch = [(size / 8).max(1); 2];
        settings.pretrain.validate_every = 0;
        settings.pretrain.optimisation.mixed_precision = bench.mixed;
        settings.finetune.optimisation.mixed_precision = bench.mixed;
        settings.check()?;
        let task: Box<dyn ErasedTask> = match method {
            Method::Scratch => Box::new(Segmentation::unvalidated(&settings)?),
            Method::SimClr | Method::Pcl => Box::new(Contrastive::new(&settings, None)?),
            Method::Dino => Box::new(Dino::new(&settings)?),
            Method::Mim => Box::new(Mim::new(&settings, None)?),
        };
        let batch = match method {
            // Of eight views of a slice, two are global.
            Method::Dino => vec![drawn(batch, size), drawn(3 * batch, size / 2)],
            _ => vec![drawn(batch, size)],
        };
        Ok(Trained { task, batch })
    }
}

/// Noise with labels, in pairs of neighbouring positions.
fn drawn(images: usize, size: usize) -> Batch {
    let mut stream = Stream::new(0, Purpose::CHECK, 0, 0);
    Batch {
        images: Tensor::build::<f32>([images, size, size, 1], |out| {
            out.iter_mut().for_each(|out| *out = stream.normal() as f32);
        }),
        labels: Some(Tensor::build::<u8>([images, size, size], |out| {
            out.iter_mut().for_each(|out| *out = stream.below(CLASSES) as u8);
        })),
        positions: (0..images).map(|row| (row / 2) as f64 / images as f64).collect(),
        slices: vec![],
    }
}

impl Bench {
    /// Runs the steps.
    ///
    /// # Errors
    /// When the sizes are invalid, there is no step to time, bf16 is requested of a CPU that
    /// [lacks it](kernels::simd::Level::multiplies_bf16), or the device fails.
    pub fn run(&self) -> Result<Timing> {
        if self.batch < 2 || !self.batch.is_multiple_of(2) || self.steps == 0 {
            let what = "--batch takes an even number, --steps a number above 0";
            return Err(Error::Setting(what.into()));
        }
        if self.mixed && self.device == Device::Cpu {
            crate::require_bf16()?;
        }
        let mut trained = Trained::new(self)?;
        trained.task.move_to(&self.device)?;
        let device = &self.device;
        for part in &mut trained.batch {
            part.images = part.images.to_device(device)?;
            part.labels = part.labels.take().map(|labels| labels.to_device(device)).transpose()?;
        }
        let optimiser =
            Sgd::new(SgdSettings { momentum: 0.99, nesterov: true, decay_matrices_only: false });
        let mut stepper = Stepper::new(device, optimiser)?;
        let warmup = match device {
            Device::Cpu => self.warmup,
            // At least until the step is captured as a graph.
            Device::Gpu(_) => self.warmup.max(Stepper::EAGER_STEPS + 1),
        };
        let rates = Rates::new(1e-3, 3e-5);
        let mut seconds = Vec::new();
        let mut before = 0;
        for step in 0..warmup.saturating_add(self.steps) {
            if step == warmup {
                before = memory_use().allocations;
            }
            let started = Instant::now();
            let Trained { task, batch } = &mut trained;
            let at = Step { epoch: 1, number: step as u64, total: u64::from(u32::MAX) };
            stepper.step(task.as_mut(), batch, at, rates.clone())?;
            if let Device::Gpu(gpu) = device {
                gpu.synchronise()?;
            }
            if step >= warmup {
                seconds.push(started.elapsed().as_secs_f64());
            }
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        let usage = memory_use();
        Ok(Timing {
            task: self.task,
            device: match &self.device {
                Device::Cpu => "cpu".into(),
                gpu => gpu.to_string(),
            },
            dtype: if self.mixed { DType::BF16.name() } else { DType::F32.name() },
            simd: kernels::simd::level().name(),
            threads: rayon::current_num_threads(),
            size: self.size,
            batch: self.batch,
            channels: self.channels.clone(),
            captured: stepper.is_captured(),
            step_ms: (1e6 * median).round() / 1e3,
            images_per_s: (1e3 * self.batch as f64 / median).round() / 1e3,
            tensors_peak_mib: mebibytes(usage.peak),
            device_peak_mib: match device {
                Device::Cpu => None,
                Device::Gpu(gpu) => Some(mebibytes(gpu.memory_use().peak)),
            },
            peak_mib: process_peak_mib(),
            allocations: usage.allocations - before,
        })
    }
}

fn mebibytes(bytes: usize) -> f64 {
    (bytes as f64 / 1048.576).round() / 1e3
}

/// Peak resident memory of this process, where `/proc` reports it.
fn process_peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some((kib / 1.024).round() / 1e3)
}
