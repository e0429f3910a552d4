//! `cine bench`.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use ssp::bench::{self, BenchTask};
use ssp::{Error, Result};

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
        let BenchCommand::Train(options) = self.command;
        let device = options.device.open(&|text| tell(text))?;
        let timing = bench::Bench {
            task: match options.task {
                TaskName::Unet => BenchTask::UNet,
                TaskName::Simclr => BenchTask::SimClr,
                TaskName::Pcl => BenchTask::Pcl,
                TaskName::Dino => BenchTask::Dino,
                TaskName::Mim => BenchTask::Mim,
            },
            size: options.size,
            batch: options.batch,
            channels: options.channels,
            steps: options.steps,
            warmup: options.warmup,
            device,
        }
        .run()?;
        let line = serde_json::to_string(&timing).map_err(|e| Error::Data(e.to_string()))?;
        print(&(line + "\n"));
        Ok(ExitCode::SUCCESS)
    }
}
