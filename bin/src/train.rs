//! `cine train`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use ssp::settings::{Method, Preset};
use ssp::study::{Job, Parts};
use ssp::{Result, evaluate, study};

use crate::options::{Device, SettingOptions};
use crate::print;
use crate::watch::Terminal;

/// Pretrains without labels, fine-tunes on labelled slices, tests on held-out subjects.
///
/// Leaves a folder with the settings, the split, metrics.csv, weights, Dice per frame and slice,
/// result.json and pictures. The same command with the same --out goes on where it was cut off.
#[derive(Debug, Args)]
pub struct Train {
    /// How weights are pretrained before fine-tuning.
    #[arg(long, value_enum)]
    method: MethodName,

    /// A folder of subjects: ACDC, M&Ms, M&Ms-2, or images/ and labels/. Repeatable. The built-in
    /// phantom cohort if not given.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,

    /// A folder of test subjects, none of them in --data. Repeatable. A share of the subjects
    /// (subjects.test_share) is held out if not given.
    #[arg(long, value_name = "DIR")]
    test: Vec<PathBuf>,

    /// Train on the labels of so many subjects only; the others still pretrain.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    labelled: Option<u32>,

    #[command(flatten)]
    settings: SettingOptions,

    /// Seed of everything that is drawn: weights, order, augmentation, split.
    #[arg(long, default_value = "0")]
    seed: u64,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t)]
    device: Device,

    /// Folder of the run; runs/<method>-<preset>-<n> if not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// What to do.
    #[arg(long, value_enum, default_value_t)]
    stage: StageName,

    /// Weights to fine-tune from, instead of pretraining: a run folder or a safetensors file.
    #[arg(long, value_name = "RUN|FILE")]
    weights: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MethodName {
    /// No pretraining.
    Scratch,
    /// Positional contrastive learning: slices at similar heights between base and apex belong
    /// together.
    Pcl,
    /// SimCLR: two views of a slice belong together.
    Simclr,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum StageName {
    /// Pretraining, fine-tuning and testing.
    #[default]
    All,
    /// Pretraining alone.
    Pretrain,
    /// Fine-tuning and testing, from --weights.
    Finetune,
}

impl Train {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        self.device.check()?;
        let method = match self.method {
            MethodName::Scratch => Method::Scratch,
            MethodName::Pcl => Method::Pcl,
            MethodName::Simclr => Method::SimClr,
        };
        let mut settings = self.settings.settings(method, Preset::Demo)?;
        settings.seed = self.seed;
        settings.labelled = self.labelled.map_or(settings.labelled, |n| n as usize);
        let job = Job {
            settings,
            data: self.data,
            test: self.test,
            parts: match self.stage {
                StageName::All => Parts::All,
                StageName::Pretrain => Parts::Pretrain,
                StageName::Finetune => Parts::Finetune,
            },
            weights: self.weights,
            out: self.out,
        };
        let outcome = study::run(&job, &Terminal::new())?;
        if let Some(results) = &outcome.results {
            print(&format!(
                "\nDice in 3D on the test subjects, mean ± deviation\n{}",
                evaluate::mean_table(&results.frames)
            ));
        }
        let folder = outcome.folder.path().display();
        print(&format!("\nrun folder: {folder}\n"));
        if self.stage == StageName::Pretrain {
            let method = method.name();
            print(&format!(
                "to go on: cine train --method {method} --stage finetune --weights {folder}\n"
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
