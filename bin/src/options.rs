//! Options that several commands share.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use common::Result;
use common::device::Choice;
use serde_json::json;
use settings::published::{Configs, Configured};
use settings::{Method, Preset};
use train::model::Model;

/// The settings of a run.
#[derive(Debug, Args)]
pub struct SettingOptions {
    /// A configuration file: one of the study's (YAML), what cine config show prints, or a run's
    /// settings.json. Repeatable, as the study has one for pretraining and one for supervised
    /// training. What it does not say is as in the preset.
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,

    /// Settings to start from: demo (minutes, for a look at the built-in cohort; the default),
    /// small (128 x 128 at 2 mm, for real experiments on a CPU), paper (the study's; the default
    /// with one of its configurations).
    #[arg(long, value_name = "NAME", value_enum)]
    pub preset: Option<PresetName>,

    /// Change one setting, such as finetune.epochs=80 or network.channels=16,32,64. Repeatable.
    /// cine config keys lists all of them; keys of the study's files will do too.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// A method by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MethodName {
    /// No pretraining.
    Scratch,
    /// SimCLR: two views of a slice belong together.
    Simclr,
    /// Positional contrastive learning: slices at similar heights between base and apex belong
    /// together.
    Pcl,
    /// DINO: a student learns to say of a small view what its teacher says of a large one.
    Dino,
    /// Masked image modelling: hidden patches are painted in.
    Mim,
}

impl From<MethodName> for Method {
    fn from(name: MethodName) -> Self {
        match name {
            MethodName::Scratch => Method::Scratch,
            MethodName::Simclr => Method::SimClr,
            MethodName::Pcl => Method::Pcl,
            MethodName::Dino => Method::Dino,
            MethodName::Mim => Method::Mim,
        }
    }
}

/// A preset by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PresetName {
    /// Minutes on two cores: to see the program at work.
    Demo,
    /// 128 x 128 pixels of 2 mm and a small network: real experiments on a CPU.
    Small,
    /// The published study's.
    Paper,
}

impl From<PresetName> for Preset {
    fn from(name: PresetName) -> Self {
        match name {
            PresetName::Demo => Preset::Demo,
            PresetName::Small => Preset::Small,
            PresetName::Paper => Preset::Paper,
        }
    }
}

impl SettingOptions {
    /// The preset with what files, the split and changes say. The method is the files' where none
    /// is given.
    pub fn resolve(
        &self,
        method: Option<Method>,
        default: Preset,
        split: Option<&Path>,
    ) -> Result<Configured> {
        let configs = Configs::read(&self.config)?;
        // Quoted, so that a name is taken as it is.
        let split = split.map(|path| json!(path.display().to_string()));
        let split = split.map(|path| format!("subjects.split={path}"));
        let changes: Vec<String> = split.into_iter().chain(self.set.iter().cloned()).collect();
        configs.settings(method, self.preset.map(Preset::from), default, &changes)
    }
}

impl SettingOptions {
    /// A network in files, with what these options say of it and its grid.
    pub fn model(&self, weights: &Path) -> Result<Model> {
        let mut changes = match self.config.is_empty() {
            true => vec![],
            false => self.network()?,
        };
        changes.extend(self.set.iter().cloned());
        Model::open(weights, self.preset.map(Preset::from), &changes)
    }

    /// What configuration files say of the network and its grid, as changes of settings.
    fn network(&self) -> Result<Vec<String>> {
        let configs = Configs::read(&self.config)?;
        let method = configs.method()?.unwrap_or(Method::Scratch);
        let settings = configs.settings(Some(method), None, Preset::Paper, &[])?.settings;
        ["channels", "heads", "size", "spacing"]
            .map(|name| format!("network.{name}"))
            .into_iter()
            .map(|key| Ok(format!("{key}={}", settings.value_at(&key)?)))
            .collect()
    }

    /// Whether anything is said.
    pub fn is_empty(&self) -> bool {
        self.config.is_empty() && self.preset.is_none() && self.set.is_empty()
    }
}

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Device {
    /// A GPU that agrees with the processor on a trial, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A GPU of NVIDIA.
    Cuda,
}

impl Device {
    /// Opens it.
    pub fn open(self, note: &dyn Fn(&str)) -> Result<tensor::Device> {
        let choice = match self {
            Device::Auto => Choice::Auto,
            Device::Cpu => Choice::Cpu,
            Device::Cuda => Choice::Cuda,
        };
        choice.open(note)
    }
}
