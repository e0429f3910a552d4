//! `cine train`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use ssp::settings::{Method, Preset};
use ssp::study::{Job, Parts};
use ssp::train::Watcher;
use ssp::{Result, evaluate, study};

use crate::options::{Device, MethodName, SettingOptions};
use crate::print;
use crate::watch::Terminal;

/// Pretrains without labels, fine-tunes on labelled slices, tests on held-out subjects.
///
/// Leaves a folder with the settings, the split, metrics.csv, weights, Dice per frame and slice,
/// result.json and pictures. The same command with the same --out goes on where it was cut off.
#[derive(Debug, Args)]
pub struct Train {
    /// How weights are pretrained before fine-tuning; may be left out where --config says it.
    #[arg(long, value_enum)]
    method: Option<MethodName>,

    /// A folder of subjects: ACDC, M&Ms, M&Ms-2, or images/ and labels/. Repeatable. The built-in
    /// phantom cohort if neither this nor --config names one.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,

    /// A file (YAML) of the subjects that train, validate and test, by data set (mm1, mm2, acdc,
    /// folder, phantom); short for --set subjects.split=FILE.
    #[arg(long, value_name = "FILE")]
    split: Option<PathBuf>,

    /// A folder of test subjects, none of them in --data. Repeatable. A share of the subjects
    /// (subjects.test_share) is held out if not given.
    #[arg(long, value_name = "DIR")]
    test: Vec<PathBuf>,

    /// Train on the labels of so many subjects only; the others still pretrain.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    labelled: Option<u32>,

    #[command(flatten)]
    settings: SettingOptions,

    /// Seed of everything that is drawn: weights, order, augmentation, split; 0 if neither this nor
    /// --config says.
    #[arg(long)]
    seed: Option<u64>,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t)]
    device: Device,

    /// Folder of the run; runs/<method>-<preset>-<n> if not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// What to do.
    #[arg(long, value_enum, default_value_t)]
    stage: StageName,

    /// Weights to fine-tune from, instead of pretraining: a run folder, a safetensors file, or a
    /// state dict that PyTorch saved (.pt).
    #[arg(long, value_name = "RUN|FILE")]
    weights: Option<PathBuf>,
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
        let watcher = Terminal::new();
        let configured = self.settings.resolve(
            self.method.map(Method::from),
            Preset::Demo,
            self.split.as_deref(),
        )?;
        let data = match self.data.is_empty() {
            true => configured.data()?.into_iter().collect(),
            false => self.data,
        };
        let mut settings = configured.settings;
        let method = settings.method;
        settings.seed = self.seed.unwrap_or(settings.seed);
        settings.labelled = self.labelled.map_or(settings.labelled, |n| n as usize);
        configured.notes.iter().for_each(|note| watcher.note(note));
        let device = self.device.open(&|text| watcher.note(text))?;
        let job = Job {
            settings,
            data,
            test: self.test,
            parts: match self.stage {
                StageName::All => Parts::All,
                StageName::Pretrain => Parts::Pretrain,
                StageName::Finetune => Parts::Finetune,
            },
            weights: self.weights.or(configured.weights),
            out: self.out,
            device,
        };
        let outcome = study::run(&job, &watcher)?;
        if let Some(results) = &outcome.results {
            let tables = evaluate::summary_tables(&results.frames);
            print(&format!("\nOn the test subjects, mean ± SD over frames\n{tables}"));
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
