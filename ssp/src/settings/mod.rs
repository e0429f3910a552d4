//! Every setting of a run, with the presets and `--set key=value`.
//!
//! Keys are paths such as `finetune.epochs`. A run folder holds its settings resolved, so that
//! they can be read back.

mod assign;
mod check;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::augment;
use crate::{Error, Result};

/// How the encoder gets its weights before fine-tuning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// No pretraining.
    Scratch,
    /// Positional contrastive learning (Zeng et al., MICCAI 2021).
    Pcl,
    /// Contrastive learning of two views (Chen et al., ICML 2020).
    SimClr,
}

impl Method {
    /// Every method.
    pub const ALL: [Method; 3] = [Method::Scratch, Method::Pcl, Method::SimClr];

    /// Name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Method::Scratch => "scratch",
            Method::Pcl => "pcl",
            Method::SimClr => "simclr",
        }
    }
}

/// A set of settings to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Minutes on two cores: to see the program at work.
    Demo,
    /// 128 x 128 pixels and a small network: real experiments on a CPU.
    Small,
    /// The study's.
    Paper,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Preset; 3] = [Preset::Demo, Preset::Small, Preset::Paper];

    /// Name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Demo => "demo",
            Preset::Small => "small",
            Preset::Paper => "paper",
        }
    }
}

/// Learning rate over the epochs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Half a cosine, to 0.
    Cosine,
    /// `(1 - epoch / epochs)` to the power of 0.9.
    Polynomial,
    /// None.
    Constant,
}

/// Stochastic gradient descent, as both stages use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimisation {
    /// Passes over the data.
    pub epochs: usize,
    /// Images per step, before views are made of them.
    pub batch: usize,
    /// Learning rate of the first epoch.
    pub learning_rate: f64,
    /// How it falls.
    pub decay: Decay,
    /// Momentum.
    pub momentum: f64,
    /// Nesterov's momentum instead of Polyak's.
    pub nesterov: bool,
    /// Factor of the weights that is added to their gradient.
    pub weight_decay: f64,
}

/// Pretraining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretraining {
    /// Steps and rates.
    pub optimisation: Optimisation,
    /// Temperature of the contrastive loss.
    pub temperature: f64,
    /// PCL: slices whose relative positions differ by less than this are positives.
    pub threshold: f64,
    /// PCL: relative positions wrap around, as phases do.
    pub cyclic: bool,
    /// Widths of the projection's linear layers.
    pub mlp: Vec<usize>,
}

/// Supervised training, from scratch or fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finetuning {
    /// Steps and rates; `learning_rate` is that from scratch.
    pub optimisation: Optimisation,
    /// Learning rate of the first epoch where weights were pretrained.
    pub pretrained_learning_rate: f64,
    /// Epochs at the start during which pretrained weights stay as they are.
    pub frozen_epochs: usize,
    /// Epochs between looks at the validation subjects.
    pub validate_every: usize,
    /// Stop after this many epochs without a lower validation loss; 0: never.
    pub patience: usize,
}

/// The network and what it sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Channels of each resolution, finest first.
    pub channels: Vec<usize>,
    /// Rows and columns of what the network sees, in pixels.
    pub size: usize,
    /// Distance of those pixels, in millimetres.
    pub spacing: f64,
    /// Resolutions with an output head: n > 0 the n finest, 0 all, n < 0 all but the -n coarsest.
    pub heads: i64,
}

/// Who is trained on and who is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subjects {
    /// Share of subjects held out for testing where no test set is given.
    pub test_share: f64,
    /// Share of the remaining subjects that validate.
    pub valid_share: f64,
    /// Subjects of the built-in cohort.
    pub phantom: usize,
    /// Seed that the built-in cohort is drawn from, whatever the seed of the run.
    pub phantom_seed: u64,
}

/// All settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What they started from.
    pub preset: Preset,
    /// How weights are pretrained.
    pub method: Method,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Labelled training subjects; 0: all.
    pub labelled: usize,
    /// Who is trained on.
    pub subjects: Subjects,
    /// The network.
    pub network: Network,
    /// Views of images.
    pub augmentation: augment::Augmentation,
    /// Pretraining, unless the method is scratch.
    pub pretrain: Pretraining,
    /// Supervised training.
    pub finetune: Finetuning,
    /// Seconds between files to resume from; they are written after an epoch.
    pub save_every: f64,
}

impl Settings {
    /// The settings of a preset.
    pub fn preset(preset: Preset, method: Method) -> Self {
        let paper = Self::paper(method);
        match preset {
            Preset::Paper => paper,
            Preset::Small => paper.small(),
            Preset::Demo => paper.small().demo(),
        }
    }

    /// The published study's.
    fn paper(method: Method) -> Self {
        let contrastive = Optimisation {
            epochs: 100,
            batch: if method == Method::SimClr { 224 } else { 64 },
            learning_rate: 0.1,
            decay: Decay::Cosine,
            momentum: 0.9,
            nesterov: false,
            weight_decay: if method == Method::SimClr { 1e-4 } else { 1e-5 },
        };
        Settings {
            preset: Preset::Paper,
            method,
            seed: 0,
            labelled: 0,
            subjects: Subjects { test_share: 0.25, valid_share: 0.2, phantom: 60, phantom_seed: 0 },
            network: Network {
                channels: vec![32, 64, 128, 256, 512, 512, 512],
                size: 256,
                spacing: 1.25,
                heads: -1,
            },
            augmentation: augment::Augmentation::default(),
            pretrain: Pretraining {
                optimisation: contrastive,
                temperature: 0.1,
                threshold: 0.1,
                cyclic: false,
                mlp: vec![512, 512, 512],
            },
            finetune: Finetuning {
                optimisation: Optimisation {
                    epochs: 1000,
                    batch: 32,
                    learning_rate: 0.01,
                    decay: Decay::Polynomial,
                    momentum: 0.99,
                    nesterov: true,
                    weight_decay: 3e-5,
                },
                pretrained_learning_rate: 0.005,
                frozen_epochs: 0,
                validate_every: 1,
                patience: 0,
            },
            save_every: 30.0,
        }
    }

    fn small(mut self) -> Self {
        self.preset = Preset::Small;
        self.network.channels = vec![16, 32, 64, 128, 128];
        self.network.size = 128;
        self.network.spacing = 2.0;
        self.pretrain.mlp = vec![128, 128, 128];
        self.pretrain.optimisation.batch = 32;
        self.pretrain.optimisation.epochs = 40;
        self.finetune.optimisation.batch = 16;
        self.finetune.optimisation.epochs = 80;
        self.finetune.validate_every = 5;
        self
    }

    fn demo(mut self) -> Self {
        self.preset = Preset::Demo;
        self.subjects.phantom = 32;
        self.network.size = 96;
        self.network.spacing = 2.5;
        self.network.channels = vec![16, 32, 64, 64];
        self.pretrain.optimisation.epochs = 3;
        // A momentum of 0.99 takes hundreds of steps to get going, which the demo does not have.
        self.finetune.optimisation.epochs = 14;
        self.finetune.optimisation.batch = 8;
        self.finetune.optimisation.momentum = 0.9;
        self.finetune.optimisation.learning_rate = 0.1;
        self.finetune.pretrained_learning_rate = 0.1;
        self.finetune.validate_every = 2;
        self
    }

    /// The settings as a tree of JSON.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn to_value(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(|error| Error::Setting(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_passes_its_own_checks_and_survives_a_round_trip() {
        for preset in Preset::ALL {
            for method in Method::ALL {
                let settings = Settings::preset(preset, method);
                settings.check().unwrap();
                let back: Settings = serde_json::from_value(settings.to_value().unwrap()).unwrap();
                assert_eq!(back, settings);
            }
        }
    }
}
