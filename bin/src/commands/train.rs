//! `cine train`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use common::Result;
use common::Watcher;
use settings::{Method, Preset};
use train::run::folder::RunFolder;
use train::study;
use train::study::{Job, Parts};

use crate::interrupt::{self, Work};
use crate::options::{Device, MethodName, SettingOptions};
use crate::watch::Terminal;
use crate::{print, warn};

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

    /// Use the labels of N training subjects only; the others still pretrain.
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
        let out = self.out.as_ref().map(RunFolder::new);
        interrupt::set_work(out.map_or(Work::Unsaved, Work::Run));
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
        warn(&outcome.warnings);
        let folder = outcome.folder.path().display();
        print(&format!("\nrun folder: {folder}\n"));
        if self.stage == StageName::Pretrain {
            let arguments = std::env::args_os().skip(1);
            let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
            let again = next_stage(arguments, &folder.to_string());
            print(&format!("to go on: cine {again}\n"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The arguments that pretraining was asked for with, for what follows it: fine-tuning of the weights that
/// it left, with the same data, settings and seed.
fn next_stage(arguments: impl Iterator<Item = String>, pretrained: &str) -> String {
    let mut kept = Vec::new();
    let mut skips = false;
    for argument in arguments {
        let own = ["--stage", "--out"].iter().any(|name| {
            argument == *name || argument.strip_prefix(name).is_some_and(|end| end.starts_with('='))
        });
        if !own && !skips {
            kept.push(argument.clone());
        }
        skips = own && !argument.contains('=');
    }
    kept.extend(["--stage", "finetune", "--weights", pretrained].map(str::to_owned));
    let plain = |c: char| c.is_alphanumeric() || "-_./=,:+@%".contains(c);
    let quoted = kept.iter().map(|argument| match argument.chars().all(plain) {
        true => argument.clone(),
        false => format!("'{}'", argument.replace('\'', "'\\''")),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::next_stage;

    #[test]
    fn what_follows_pretraining_has_all_that_it_had() {
        let asked =
            "train --method pcl --data my|hearts --stage pretrain --seed 3 --out=x --set a=[1,2]";
        let asked = asked.split(' ').map(|argument| argument.replace('|', " "));
        let wanted = "train --method pcl --data 'my hearts' --seed 3 --set 'a=[1,2]' --stage finetune \
                      --weights runs/pcl-1";
        assert_eq!(next_stage(asked, "runs/pcl-1"), wanted);
    }
}
