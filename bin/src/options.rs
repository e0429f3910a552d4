//! Options that several commands share.

use clap::{Args, ValueEnum};
use ssp::settings::{Method, Preset, Settings};
use ssp::{Error, Result};

/// The settings of a run.
#[derive(Debug, Args)]
pub struct SettingOptions {
    /// Settings to start from: demo (minutes, for a look at the built-in cohort; the default),
    /// small (128 x 128 at 2 mm, for real experiments on a CPU), paper (the study's).
    #[arg(long, value_name = "NAME", value_enum)]
    pub preset: Option<PresetName>,

    /// Change one setting, such as finetune.epochs=80 or network.channels=16,32,64. Repeatable.
    /// The settings.json of any run lists all of them.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
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
    /// The preset with every change made.
    pub fn settings(&self, method: Method, default: Preset) -> Result<Settings> {
        let mut settings = Settings::preset(self.preset.map_or(default, Preset::from), method);
        settings.apply(&self.set)?;
        Ok(settings)
    }
}

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Device {
    /// The best that there is.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A GPU of NVIDIA.
    Cuda,
}

impl Device {
    /// Refuses a device that this build does not have.
    pub fn check(self) -> Result<()> {
        match self {
            Device::Auto | Device::Cpu => Ok(()),
            Device::Cuda => Err(Error::Setting(
                "--device cuda: this version has no CUDA kernels; leave --device out to compute \
                 on the processor"
                    .into(),
            )),
        }
    }
}
