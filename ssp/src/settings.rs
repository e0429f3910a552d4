//! Every setting of a run, with the presets and `--set key=value`.
//!
//! Keys are paths such as `finetune.epochs`. A run folder holds its settings resolved, so that
//! they can be read back.

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

    /// Sets one value by its path, as `--set` gives it: `finetune.epochs=80`.
    ///
    /// # Errors
    /// When there is no such key (the nearest is named) or the value is of another kind. Whether
    /// all values go together is for [`check`](Self::check) to say, once all are set.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(Error::Setting(format!(
                "--set {assignment}: not key=value; for example --set finetune.epochs=80"
            )));
        };
        let (key, value) = (key.trim(), value.trim());
        let mut tree = self.to_value()?;
        let key = &resolve(key, &leaves(&tree)).map_err(Error::Setting)?;
        if let "method" | "preset" | "seed" | "labelled" = key.as_str() {
            return Err(Error::Setting(format!("{key} is not for --set; use --{key}")));
        }
        let place = key.split('.').try_fold(&mut tree, |node, part| node.get_mut(part));
        let Some(place) = place else {
            return Err(Error::Setting(format!("there is no setting {key}")));
        };
        *place = parse(value);
        *self = serde_json::from_value(tree)
            .map_err(|error| Error::Setting(format!("{key}={value}: {error}")))?;
        Ok(())
    }

    /// The settings as a tree of JSON.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn to_value(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(|error| Error::Setting(error.to_string()))
    }

    /// Refuses values that no run could work with, naming the key.
    ///
    /// # Errors
    /// The first such value.
    pub fn check(&self) -> Result<()> {
        let Network { channels, size, spacing, .. } = &self.network;
        let refuse = |what: String| Err(Error::Setting(what));
        if channels.len() < 2 || channels.contains(&0) {
            return refuse(format!(
                "network.channels={channels:?}: takes two or more counts above 0, finest first"
            ));
        }
        let coarsest = 1usize << (channels.len() - 1).min(30);
        if *size == 0 || size % coarsest != 0 {
            return refuse(format!(
                "network.size={size}: takes a multiple of {coarsest}, as {} resolutions halve it \
                 {} times",
                channels.len(),
                channels.len() - 1
            ));
        }
        if !(*spacing > 0.0 && spacing.is_finite()) {
            return refuse(format!("network.spacing={spacing}: takes millimetres above 0"));
        }
        let stages =
            [("pretrain", &self.pretrain.optimisation), ("finetune", &self.finetune.optimisation)];
        for (stage, o) in stages {
            if o.batch == 0 || o.epochs == 0 {
                return refuse(format!(
                    "{stage}.optimisation: epochs={} and batch={} must be above 0",
                    o.epochs, o.batch
                ));
            }
            let rates = [o.learning_rate, self.finetune.pretrained_learning_rate];
            if !rates.iter().all(|rate| *rate > 0.0 && rate.is_finite()) {
                return refuse(format!(
                    "learning rates of {stage} are {rates:?}; takes numbers above 0"
                ));
            }
            if !(0.0..1.0).contains(&o.momentum) || o.weight_decay < 0.0 {
                return refuse(format!(
                    "{stage}.optimisation: momentum={} takes 0 up to 1, weight_decay={} 0 or more",
                    o.momentum, o.weight_decay
                ));
            }
        }
        let Subjects { test_share, valid_share, .. } = self.subjects;
        for (key, share) in [("test_share", test_share), ("valid_share", valid_share)] {
            if !(0.0..1.0).contains(&share) {
                return refuse(format!(
                    "subjects.{key}={share}: takes 0 up to but not including 1"
                ));
            }
        }
        if self.save_every.is_nan() || self.save_every < 0.0 {
            return refuse(format!("save_every={}: takes seconds from 0", self.save_every));
        }
        self.augmentation.check()?;
        if self.pretrain.temperature.is_nan()
            || self.pretrain.temperature <= 0.0
            || self.pretrain.mlp.is_empty()
            || self.pretrain.mlp.contains(&0)
        {
            return refuse(
                "pretrain: temperature must be above 0, and mlp a list of widths above 0".into(),
            );
        }
        Ok(())
    }
}

/// A value as written on the command line: JSON where it is, else text.
fn parse(text: &str) -> Value {
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    // A list without brackets: 16,32,64.
    if let (true, Ok(value)) = (text.contains(','), serde_json::from_str(&format!("[{text}]"))) {
        return value;
    }
    Value::String(text.to_owned())
}

/// The paths of all values of a tree; lists are values.
fn leaves(tree: &Value) -> Vec<String> {
    let Value::Object(map) = tree else { return vec![String::new()] };
    let mut paths = Vec::new();
    for (key, value) in map {
        for rest in leaves(value) {
            paths.push(if rest.is_empty() { key.clone() } else { format!("{key}.{rest}") });
        }
    }
    paths
}

/// The full path of a key, of which parts may be left out where no other key fits:
/// `finetune.epochs` for `finetune.optimisation.epochs`.
fn resolve(key: &str, keys: &[String]) -> std::result::Result<String, String> {
    if keys.iter().any(|k| k == key) {
        return Ok(key.to_owned());
    }
    let fits = |full: &&String| {
        let mut parts = full.split('.');
        full.rsplit('.').next() == key.rsplit('.').next()
            && key.split('.').all(|wanted| parts.any(|part| part == wanted))
    };
    match keys.iter().filter(fits).collect::<Vec<_>>().as_slice() {
        [one] => Ok((*one).clone()),
        [first, second, ..] => Err(format!("{key} could be {first} or {second}; name one")),
        [] => {
            let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
            // The first and the last part say what is meant; what lies between may be left out.
            let first = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
            let distance = |k: &&String| {
                2 * edit_distance(&last(k), &last(key)) + edit_distance(&first(k), &first(key))
            };
            let nearest = keys.iter().min_by_key(distance).map_or("", String::as_str);
            Err(format!("there is no setting {key}; the nearest is {nearest}"))
        }
    }
}

/// Levenshtein's distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
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

    #[test]
    fn a_value_is_set_by_its_path() {
        let mut settings = Settings::preset(Preset::Small, Method::Pcl);
        settings.set("finetune.epochs=7").unwrap();
        settings.set("network.channels = 8,16").unwrap();
        settings.set("pretrain.cyclic=true").unwrap();
        settings.set("finetune.optimisation.decay=cosine").unwrap();
        assert_eq!(settings.finetune.optimisation.epochs, 7);
        assert_eq!(settings.network.channels, [8, 16]);
        assert!(settings.pretrain.cyclic);
        assert_eq!(settings.finetune.optimisation.decay, Decay::Cosine);
    }

    #[test]
    fn what_cannot_be_set_is_refused_in_one_line() {
        let settings = Settings::preset(Preset::Small, Method::Pcl);
        let refusal = |text: &str| {
            let mut settings = settings.clone();
            settings.set(text).and_then(|()| settings.check()).unwrap_err().to_string()
        };
        assert_eq!(
            refusal("finetune.optimisation.epoch=7"),
            "there is no setting finetune.optimisation.epoch; the nearest is \
             finetune.optimisation.epochs"
        );
        assert_eq!(
            refusal("epochs=7"),
            "epochs could be pretrain.optimisation.epochs or finetune.optimisation.epochs; name one"
        );
        assert!(refusal("epochs").contains("not key=value"));
        assert!(
            refusal("finetune.optimisation.epochs=many")
                .starts_with("finetune.optimisation.epochs=many: ")
        );
        assert!(refusal("network.size=100").contains("multiple of 16"));
        assert!(refusal("network.channels=8").contains("network.channels"));
    }
}
