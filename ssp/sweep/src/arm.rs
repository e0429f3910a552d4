//! An arm of a sweep: a method with its candidate settings, their trials and pretrainings.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use settings::{Method, Settings};
use train::run::folder::RunFolder;

/// A method and its candidate settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// How weights are pretrained.
    pub method: Method,
    /// At least one. Of several, the one with the highest Dice on validation subjects is chosen.
    pub candidates: Vec<Candidate>,
}

/// Candidate settings of an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// How it differs from the other candidates: `pretrain.learning_rate=0.02 finetune.steps=800`; empty for
    /// a single candidate.
    pub changes: String,
    /// All settings. Cells replace `labelled` and `seed`.
    #[serde(deserialize_with = "settings")]
    pub settings: Settings,
}

/// Settings that an older version wrote lack newer keys, which get the default of the preset.
fn settings<'a, D: Deserializer<'a>>(from: D) -> std::result::Result<Settings, D::Error> {
    Settings::from_value(&Value::deserialize(from)?).map_err(serde::de::Error::custom)
}

impl Arm {
    /// The name of a trial's lock and folder.
    pub(super) fn trial_name(&self, index: usize) -> String {
        format!("protocol/{}-{}", self.method.name(), index + 1)
    }

    /// The folder of the run of a trial.
    pub(super) fn trial_folder(&self, sweep: &Path, index: usize) -> RunFolder {
        RunFolder::new(sweep.join(self.trial_name(index)))
    }
}

/// The file in the folder of a pretraining that marks it as finished.
pub(super) const PRETRAINING: &str = "pretraining.json";

/// A pretraining. Candidates that differ in fine-tuning only share one.
#[derive(Clone, Copy)]
pub(super) struct Pretraining<'a> {
    pub arm: &'a Arm,
    /// Index of the first candidate that uses it.
    pub index: usize,
}

impl<'a> Pretraining<'a> {
    /// The pretraining of a candidate.
    pub fn of(arm: &'a Arm, index: usize) -> Self {
        let wanted = &arm.candidates[index].settings;
        let same = |s: &Settings| (&s.pretrain, s.seed) == (&wanted.pretrain, wanted.seed);
        let first = arm.candidates.iter().position(|candidate| same(&candidate.settings));
        Pretraining { arm, index: first.unwrap_or(index) }
    }

    /// All pretrainings of an arm; none for scratch.
    pub fn all(arm: &'a Arm) -> Vec<Self> {
        let indices = 0..arm.candidates.len();
        let first_users = indices.filter(|&index| Pretraining::of(arm, index).index == index);
        match arm.method {
            Method::Scratch => vec![],
            _ => first_users.map(|index| Pretraining { arm, index }).collect(),
        }
    }

    /// The name of its lock and folder.
    pub fn name(&self) -> String {
        let method = self.arm.method.name();
        match Self::all(self.arm).len() {
            0 | 1 => format!("pretrain/{method}"),
            _ => format!("pretrain/{method}-{}", self.index + 1),
        }
    }

    /// The folder of its run.
    pub fn folder(&self, sweep: &Path) -> RunFolder {
        RunFolder::new(sweep.join(self.name()))
    }

    /// The file that marks it as finished.
    pub fn record(&self, sweep: &Path) -> PathBuf {
        self.folder(sweep).path().join(PRETRAINING)
    }

    /// Its settings.
    pub fn settings(&self) -> &'a Settings {
        &self.arm.candidates[self.index].settings
    }
}
