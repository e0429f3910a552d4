//! Every setting of a run, with the presets and `--set key=value`.
//!
//! Keys are paths such as `finetune.optimisation.epochs`. The doc comment of a field is the
//! description that `cine config keys` prints. A run folder holds all its settings, so that they can
//! be read back.

mod assign;
mod check;
mod explain;
mod finetuning;
mod keys;
mod limits;
mod presets;
mod pretraining;
pub mod published;
mod tree;
mod views;

use common::yaml;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use common::{Error, Result};
pub use finetuning::{Finetuning, Loss};
pub use keys::{Key, keys};
pub use presets::PAPER_CHANNELS;
pub use pretraining::{
    AugmentationChange, Contrastive, Dino, Fill, Masking, Mim, Pretraining, TeacherStart,
};
pub use sampling::{Centre, Phases};

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
    /// Masked image modelling: masked patches are reconstructed (Xie et al., CVPR 2022).
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

    /// Name in text and figures.
    pub fn title(self) -> &'static str {
        match self {
            Method::Scratch => "No pretraining",
            Method::SimClr => "SimCLR",
            Method::Pcl => "PCL",
            Method::Dino => "DINO",
            Method::Mim => "Masked image modelling",
        }
    }

    /// Whether fine-tuning starts from a pretrained tensor of this name: all but the output heads
    /// after masked image modelling, the encoder after the other methods.
    pub fn hands_over(self, name: &str) -> bool {
        let decoder = self == Method::Mim
            && name.starts_with("decoder.")
            && !name.starts_with("decoder.output_convs.");
        self != Method::Scratch && (name.starts_with("encoder.") || decoder)
    }
}

/// A complete set of settings to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Takes minutes on two cores: to try the program.
    Demo,
    /// 128 x 128 pixels and a small network: real experiments on a CPU.
    Small,
    /// The published study.
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

/// How the learning rate changes over time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Half a cosine to `final_learning_rate`, epoch by epoch.
    Cosine,
    /// From 0 to the rate over `warmup_epochs`, then half a cosine; step by step.
    WarmupCosine,
    /// `(1 - epoch / epochs)` to the power of `power`.
    Polynomial,
    /// No change.
    Constant,
}

/// Stochastic gradient descent, as both stages use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Optimisation {
    /// Passes over the data.
    pub epochs: usize,
    /// Slices per step; each gives one or more views.
    pub batch: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// The learning rate is for a batch of 256 slices and is scaled with the batch size.
    pub rate_per_256: bool,
    /// How the learning rate changes: cosine, warmup-cosine, polynomial, constant.
    pub decay: Decay,
    /// Epochs over which the rate rises linearly from 0, for decay warmup-cosine.
    pub warmup_epochs: usize,
    /// The learning rate at the end of a cosine.
    pub final_learning_rate: f64,
    /// Exponent of the polynomial decay.
    pub power: f64,
    /// Momentum.
    pub momentum: f64,
    /// Use Nesterov momentum.
    pub nesterov: bool,
    /// Weight decay: this multiple of the weights is added to their gradient.
    pub weight_decay: f64,
    /// Weight decay at the end, reached by half a cosine, step by step; none to keep it constant.
    pub final_weight_decay: Option<f64>,
    /// Exclude biases and the parameters of batch norm from weight decay.
    pub decay_matrices_only: bool,
    /// Keep images and features in bf16, and parameters, statistics and losses in float32: on a GPU, and on a
    /// CPU that multiplies bf16 faster than float32. Other CPUs compute in float32.
    pub mixed_precision: bool,
}

impl Optimisation {
    /// The highest learning rate, scaled to the batch size if it is per 256 slices.
    pub fn base_rate(&self) -> f64 {
        self.learning_rate * if self.rate_per_256 { self.batch as f64 / 256.0 } else { 1.0 }
    }
}

/// The network and its input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Channels of each resolution, finest first.
    pub channels: Vec<usize>,
    /// Rows and columns of the input, in pixels.
    pub size: usize,
    /// Pixel spacing of the input, in millimetres.
    pub spacing: f64,
    /// Resolutions with an output head: n > 0 the n finest, 0 all, n < 0 all but the -n coarsest.
    pub heads: i64,
}

/// Which subjects train, validate and test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subjects {
    /// A YAML file of the subjects that train, validate and test; none to draw them at random.
    pub split: Option<String>,
    /// A second such file, for fine-tuning: only its training subjects count as labelled.
    pub labelled_split: Option<String>,
    /// Data sets to use, of mm1 (M&Ms), mm2 (M&Ms-2), acdc, folder, phantom; none for all that are
    /// found.
    pub subsets: Vec<String>,
    /// Share of subjects held out for testing where no test set is given.
    pub test_share: f64,
    /// Share of the remaining subjects used for validation.
    pub valid_share: f64,
    /// Seed of the split; none for the seed of the run.
    pub split_seed: Option<u64>,
    /// Vendors whose labels train and validate, by their letters in M&Ms (A Siemens, B Philips, C
    /// General Electric, D Canon) or their names; none for all. Test subjects are not affected.
    pub vendors: Vec<String>,
    /// Subjects of the built-in cohort.
    pub phantom: usize,
    /// Seed of the built-in cohort, independent of the seed of the run.
    pub phantom_seed: u64,
}

/// All settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The preset that the settings started from; set by --preset.
    pub preset: Preset,
    /// How the network is pretrained; set by --method.
    pub method: Method,
    /// Seed of all random numbers; set by --seed.
    pub seed: u64,
    /// Labelled training subjects, 0 for all; set by --labelled.
    pub labelled: usize,
    /// Which subjects train, validate and test.
    pub subjects: Subjects,
    /// The network.
    pub network: Network,
    /// Pretraining, unless the method is scratch.
    pub pretrain: Pretraining,
    /// Supervised training.
    pub finetune: Finetuning,
    /// Least time between checkpoints to resume from, in seconds; they are written at the end of an epoch.
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

    /// One setting, as a configuration file has it.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn value_at(&self, path: &str) -> Result<String> {
        let tree = self.to_value()?;
        Ok(tree::get(&tree, path).map_or_else(|| "None".into(), yaml::to_flow))
    }

    /// Settings from a tree of JSON, such as a run's `settings.json`. Settings that an older version
    /// did not have take the value of the preset.
    ///
    /// # Errors
    /// When a key is unknown, a value does not fit, or a number is out of its range.
    pub fn from_value(value: &Value) -> Result<Self> {
        let part = |key: &str| value.get(key).cloned().unwrap_or(Value::Null);
        let fail = |error: serde_json::Error| Error::Setting(error.to_string());
        let preset = serde_json::from_value(part("preset")).map_err(fail)?;
        let method = serde_json::from_value(part("method")).map_err(fail)?;
        let mut tree = Settings::preset(preset, method).to_value()?;
        merge(&mut tree, value);
        let settings = serde_json::from_value(tree).map_err(fail)?;
        limits::check(&settings)?;
        Ok(settings)
    }
}

/// Overwrites `under` with `over`, key by key. Lists and other values are replaced as a whole.
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
    fn settings_missing_in_old_files_take_the_value_of_the_preset() {
        let settings = Settings::preset(Preset::Small, Method::Dino);
        let mut value = settings.to_value().unwrap();
        value["pretrain"].as_object_mut().unwrap().remove("dino");
        assert_eq!(Settings::from_value(&value).unwrap(), settings);
        value["pretrain"]["dinosaur"] = true.into();
        assert!(Settings::from_value(&value).unwrap_err().to_string().contains("dinosaur"));
    }

    #[test]
    fn fine_tuning_starts_from_the_encoder_or_from_all_but_the_heads() {
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
