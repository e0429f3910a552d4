//! Every setting of a run, with the presets and `--set key=value`.
//!
//! Keys are paths such as `finetune.optimisation.epochs`; the comment of a field here is what the
//! program says of its key. A run folder holds its settings resolved, so that they can be read
//! back.

mod assign;
mod check;
mod finetuning;
mod keys;
mod presets;
mod pretraining;
pub mod published;
mod short;
mod tree;
mod views;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result};

pub use finetuning::{Finetuning, Loss, Phases};
pub use keys::{Key, keys};
pub use presets::PAPER_CHANNELS;
pub use pretraining::{
    AugmentationChange, Contrastive, Dino, Fill, Masking, Mim, Pretraining, TeacherStart,
};

/// How a network gets its weights before fine-tuning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// No pretraining.
    Scratch,
    /// Contrastive learning of two views (Chen et al., ICML 2020).
    SimClr,
    /// Positional contrastive learning (Zeng et al., MICCAI 2021).
    Pcl,
    /// Self-distillation of global and local views (Caron et al., ICCV 2021).
    Dino,
    /// Masked image modelling: hidden patches are painted in (Xie et al., CVPR 2022).
    Mim,
}

impl Method {
    /// Every method.
    pub const ALL: [Method; 5] =
        [Method::Scratch, Method::SimClr, Method::Pcl, Method::Dino, Method::Mim];

    /// Name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Method::Scratch => "scratch",
            Method::SimClr => "simclr",
            Method::Pcl => "pcl",
            Method::Dino => "dino",
            Method::Mim => "mim",
        }
    }

    /// Name as it stands in text and pictures.
    pub fn title(self) -> &'static str {
        match self {
            Method::Scratch => "No pretraining",
            Method::SimClr => "SimCLR",
            Method::Pcl => "PCL",
            Method::Dino => "DINO",
            Method::Mim => "Masked image modelling",
        }
    }

    /// Whether fine-tuning takes over a pretrained tensor of this name: all but the outputs of
    /// masked image modelling, the encoder of the others.
    pub fn hands_over(self, name: &str) -> bool {
        let decoder = self == Method::Mim
            && name.starts_with("decoder.")
            && !name.starts_with("decoder.output_convs.");
        self != Method::Scratch && (name.starts_with("encoder.") || decoder)
    }
}

/// A set of settings to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Learning rate over time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Half a cosine to `final_learning_rate`, epoch by epoch.
    Cosine,
    /// From 0 to the rate over `warmup_epochs`, then half a cosine; step by step.
    WarmupCosine,
    /// `(1 - epoch / epochs)` to the power of `power`.
    Polynomial,
    /// None.
    Constant,
}

/// Stochastic gradient descent, as both stages use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Optimisation {
    /// Passes over the data.
    pub epochs: usize,
    /// Slices per step, before views are made of them.
    pub batch: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// The learning rate is for a batch of 256 slices and scales with the batch.
    pub rate_per_256: bool,
    /// How the learning rate changes: cosine, warmup-cosine, polynomial, constant.
    pub decay: Decay,
    /// Epochs over which the rate rises from 0; for decay warmup-cosine.
    pub warmup_epochs: usize,
    /// Where a cosine ends.
    pub final_learning_rate: f64,
    /// Exponent of the polynomial decay.
    pub power: f64,
    /// Momentum.
    pub momentum: f64,
    /// Nesterov's momentum instead of Polyak's.
    pub nesterov: bool,
    /// Factor of the weights that is added to their gradient.
    pub weight_decay: f64,
    /// Weight decay at the end, approached by half a cosine, step by step; none for no change.
    pub final_weight_decay: Option<f64>,
    /// Biases and the vectors of batch norm do not decay.
    pub decay_matrices_only: bool,
    /// On a GPU, images and features in bf16, beside parameters, statistics and losses in float32. The
    /// CPU computes in float32.
    pub mixed_precision: bool,
}

impl Optimisation {
    /// The highest learning rate, as steps take it.
    pub fn base_rate(&self) -> f64 {
        self.learning_rate * if self.rate_per_256 { self.batch as f64 / 256.0 } else { 1.0 }
    }
}

/// What lies in the middle of a training view, before random shifts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Centre {
    /// The smallest circle around all labels of the subject; the middle of the slice where it has
    /// none. As published, also for pretraining, which so knows where the heart is.
    Labels,
    /// Where the heart moves across the phases: no label is needed. The middle of the slice where
    /// there is one phase only.
    Motion,
    /// The middle of the slice.
    Slice,
}

/// The network and what it sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subjects {
    /// A file of subjects that train, validate and test (YAML); none to draw them.
    pub split: Option<String>,
    /// A second such file for fine-tuning: only those of its training subjects have labels.
    pub labelled_split: Option<String>,
    /// Data sets to use, of mm1 (M&Ms), mm2 (M&Ms-2), acdc, folder, phantom; none for all that are
    /// found.
    pub subsets: Vec<String>,
    /// Share of subjects held out for testing where no test set is given.
    pub test_share: f64,
    /// Share of the remaining subjects that validate.
    pub valid_share: f64,
    /// Seed that the split is drawn from; none for that of the run.
    pub split_seed: Option<u64>,
    /// Vendors whose labels train and validate, by their letters in M&Ms (A Siemens, B Philips, C
    /// General Electric, D Canon) or their names; none for all. Whoever is tested on stays.
    pub vendors: Vec<String>,
    /// Subjects of the built-in cohort.
    pub phantom: usize,
    /// Seed that the built-in cohort is drawn from, whatever the seed of the run.
    pub phantom_seed: u64,
}

/// All settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What they started from; set by --preset.
    pub preset: Preset,
    /// How weights are pretrained; set by --method.
    pub method: Method,
    /// Seed of everything that is drawn; set by --seed.
    pub seed: u64,
    /// Labelled training subjects, 0 for all; set by --labelled.
    pub labelled: usize,
    /// Who is trained on.
    pub subjects: Subjects,
    /// The network.
    pub network: Network,
    /// Pretraining, unless the method is scratch.
    pub pretrain: Pretraining,
    /// Supervised training.
    pub finetune: Finetuning,
    /// Seconds between files to resume from; they are written after an epoch.
    pub save_every: f64,
}

impl Settings {
    /// The settings as a tree of JSON.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn to_value(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(|error| Error::Setting(error.to_string()))
    }

    /// Settings from a tree of JSON, such as a run's `settings.json`. What an older version did
    /// not have yet is as in the preset.
    ///
    /// # Errors
    /// When a key is unknown or a value does not fit.
    pub fn from_value(value: &Value) -> Result<Self> {
        let part = |key: &str| value.get(key).cloned().unwrap_or(Value::Null);
        let fail = |error: serde_json::Error| Error::Setting(error.to_string());
        let preset = serde_json::from_value(part("preset")).map_err(fail)?;
        let method = serde_json::from_value(part("method")).map_err(fail)?;
        let mut tree = Settings::preset(preset, method).to_value()?;
        merge(&mut tree, value);
        serde_json::from_value(tree).map_err(fail)
    }
}

/// Lays `over` over `under`, key by key; lists and other values are replaced whole.
fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
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
                let back = Settings::from_value(&settings.to_value().unwrap()).unwrap();
                assert_eq!(back, settings);
            }
        }
    }

    #[test]
    fn what_an_older_version_did_not_have_is_as_in_the_preset() {
        let settings = Settings::preset(Preset::Small, Method::Dino);
        let mut value = settings.to_value().unwrap();
        value["pretrain"].as_object_mut().unwrap().remove("dino");
        assert_eq!(Settings::from_value(&value).unwrap(), settings);
        value["pretrain"]["dinosaur"] = true.into();
        assert!(Settings::from_value(&value).unwrap_err().to_string().contains("dinosaur"));
    }

    #[test]
    fn what_is_handed_over() {
        let takes = |method: Method, name: &str| method.hands_over(name);
        for method in [Method::SimClr, Method::Pcl, Method::Dino, Method::Mim] {
            assert!(takes(method, "encoder.enc_blocks.0.conv1.weight"));
            assert_eq!(takes(method, "decoder.upconvs.0.weight"), method == Method::Mim);
            assert!(!takes(method, "decoder.output_convs.0.weight"));
            assert!(!takes(method, "mlp.mlp.0.weight") && !takes(method, "head.mlp.0.weight"));
        }
        assert!(!takes(Method::Scratch, "encoder.enc_blocks.0.conv1.weight"));
    }
}
