//! `cine bench`.

use std::path::PathBuf;
use std::process::ExitCode;

use bench::operations::KernelBench;
use bench::{self, BenchTask, Dtypes, Network, Pace};
use clap::{Args, Subcommand, ValueEnum};
use common::{Error, Result};
use tensor::DType;

use crate::options::Device;
use crate::{print, tell};

/// Measure speed and memory.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Time one optimiser step of a training task; prints one line of JSON.
    Train(BenchTrain),
    /// Time every operation on the shapes of a network, beside what the hardware can do.
    ///
    /// Ceilings are measured first: a large copy, and a large matrix product. `share` is the time
    /// that an operation would take at the nearer of the two, divided by the time that it took;
    /// GB/s counts the bytes that must be read and written at least.
    Kernels(BenchKernels),
}

#[derive(Debug, Args)]
struct BenchTrain {
    /// What is trained.
    #[arg(long, value_enum, default_value_t)]
    task: TaskName,

    /// Rows and columns of the images.
    #[arg(long, default_value_t = 256)]
    size: usize,

    /// Images of full size per step; each view counts. DINO has three local ones for each.
    #[arg(long, default_value_t = 4)]
    batch: usize,

    /// Channels of each resolution, finest first.
    #[arg(long, value_delimiter = ',', default_value = "32,64,128,256,512,512,512")]
    channels: Vec<usize>,

    /// What features are kept in; if left out, bf16 where the device multiplies it faster than f32.
    #[arg(long, value_enum)]
    dtype: Option<Features>,

    /// Steps that are timed; their median is reported.
    #[arg(long, default_value_t = 5)]
    steps: usize,

    /// Steps before them.
    #[arg(long, default_value_t = 2)]
    warmup: usize,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

#[derive(Debug, Args)]
struct BenchKernels {
    /// Rows and columns of the images.
    #[arg(long, default_value_t = 256)]
    size: usize,

    /// Images of a supervised step. The batches of pretext tasks are in the study's proportion.
    #[arg(long, default_value_t = 32)]
    batch: usize,

    /// Channels of each resolution, finest first; paper are the study's.
    #[arg(long, default_value = "paper", value_parser = channels)]
    channels: Channels,

    /// What features are kept in; if left out, bf16 where the device multiplies it faster than f32.
    #[arg(long, value_enum)]
    dtype: Option<Features>,

    /// Only this operation: a folder of kernels/src, or a function of its pointwise table. Repeatable.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,

    /// A Python that has PyTorch, whose operations are timed too.
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,

    /// Write all that was measured to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

/// Widths of a network.
#[derive(Clone, Debug)]
struct Channels(Vec<usize>);

fn channels(text: &str) -> std::result::Result<Channels, String> {
    if text == "paper" {
        return Ok(Channels(settings::PAPER_CHANNELS.to_vec()));
    }
    let widths = text.split(',').map(|width| width.trim().parse().ok()).collect::<Option<_>>();
    widths.map(Channels).ok_or_else(|| "give paper, or widths such as 16,32,64".into())
}

/// Dtypes of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Features {
    /// 32 bits, as everything else.
    F32,
    /// 16 bits; parameters, statistics and losses have 32.
    Bf16,
}

impl Features {
    /// Those asked for, or what a device is good at.
    fn or_best_of(asked: Option<Self>, device: &tensor::Device) -> Self {
        asked.unwrap_or(if bench::is_faster_in_bf16(device) {
            Features::Bf16
        } else {
            Features::F32
        })
    }

    fn dtypes(self) -> Dtypes {
        match self {
            Features::F32 => Dtypes::of(DType::F32),
            Features::Bf16 => Dtypes::of(DType::BF16),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum TaskName {
    #[default]
    Unet,
    Simclr,
    Pcl,
    Dino,
    Mim,
}

impl Bench {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            BenchCommand::Train(options) => options.run(),
            BenchCommand::Kernels(options) => options.run(),
        }
    }
}

impl BenchTrain {
    fn run(self) -> Result<ExitCode> {
        let device = self.device.open(&|text| tell(text))?;
        let timing = bench::Bench {
            task: match self.task {
                TaskName::Unet => BenchTask::UNet,
                TaskName::Simclr => BenchTask::SimClr,
                TaskName::Pcl => BenchTask::Pcl,
                TaskName::Dino => BenchTask::Dino,
                TaskName::Mim => BenchTask::Mim,
            },
            size: self.size,
            batch: self.batch,
            channels: self.channels,
            steps: self.steps,
            warmup: self.warmup,
            mixed: Features::or_best_of(self.dtype, &device) == Features::Bf16,
            device,
        }
        .run()?;
        let line = serde_json::to_string(&timing).map_err(|e| Error::Data(e.to_string()))?;
        print(&(line + "\n"));
        Ok(ExitCode::SUCCESS)
    }
}

impl BenchKernels {
    fn run(self) -> Result<ExitCode> {
        let network = Network::new(self.size, self.batch, self.channels.0)?;
        let device = self.device.open(&|text| tell(text))?;
        let bench = KernelBench {
            dtypes: Features::or_best_of(self.dtype, &device).dtypes(),
            device,
            network,
            only: self.only,
            peer: self.peer,
            pace: Pace::default(),
            full_ceilings: true,
        };
        let bar = indicatif::ProgressBar::new_spinner();
        let report = bench.run(&|what| bar.set_message(what.to_owned()))?;
        bar.finish_and_clear();
        if let Some(path) = self.json {
            let text =
                serde_json::to_string_pretty(&report).map_err(|e| Error::Data(e.to_string()))?;
            std::fs::write(&path, text + "\n").map_err(|e| Error::io(&path, e))?;
        }
        print(&report.to_string());
        Ok(ExitCode::SUCCESS)
    }
}
