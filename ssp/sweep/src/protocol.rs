//! Protocol before results: each arm's settings are chosen by validation subjects, before any of its
//! cells is tested.
//!
//! Of several candidates each is pretrained and fine-tuned once, with the smallest number of labelled
//! subjects and the first seed with which the sweep began, and never sees a test subject. The highest Dice on the
//! validation subjects wins; the first of equals.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cell::{Cell, Ending, read_if_there};
use super::plan::{Arm, Begun, Plan, Table};
use super::results::{Look, looks};
use crate::Result;
use settings::{Method, Settings};
use train::run::folder::RunFolder;

/// How the settings of an arm were chosen, as far as that has come.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The arm.
    pub method: Method,
    /// What was tried; one alone is not tried, but taken.
    pub candidates: Vec<Tried>,
    /// Which of them was taken; none while some are not over, or if all have failed.
    pub chosen: Option<usize>,
}

/// A candidate.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What sets it apart from the others.
    pub changes: String,
    /// All settings.
    pub settings: Settings,
    /// How its pretraining ended; none while it is not over, and of scratch.
    pub pretrained: Option<Ending>,
    /// How its fine-tuning ended; none while it is not over, and of one that was not tried.
    pub trial: Option<Trial>,
    /// Validations of its pretraining.
    pub pretraining: Vec<Look>,
    /// Validations of its fine-tuning.
    pub finetuning: Vec<Look>,
}

/// `trial.json`: how the fine-tuning of a candidate ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// With results or without.
    #[serde(flatten)]
    pub ending: Ending,
    /// Mean Dice of the validation subjects when their loss was lowest.
    pub dice: Option<f64>,
}

/// The choices of every arm.
///
/// # Errors
/// When a file cannot be used.
pub fn choices(sweep: &Path, plan: &Plan) -> Result<Vec<Choice>> {
    plan.arms.iter().map(|arm| Choice::read(sweep, arm)).collect()
}

impl Choice {
    fn read(sweep: &Path, arm: &Arm) -> Result<Self> {
        let read = |index| Tried::read(sweep, arm, index);
        let candidates = (0..arm.candidates.len()).map(read).collect::<Result<Vec<_>>>()?;
        let trials: Vec<_> = candidates.iter().map(|tried| tried.trial.clone()).collect();
        Ok(Choice { method: arm.method, chosen: best(&trials), candidates })
    }

    /// The cell that candidates are tried in.
    pub fn cell(plan: &Plan, method: Method) -> Cell {
        let Begun { counts, seeds, .. } = plan.begun();
        let (labelled, seed) = (counts[0], seeds[0]);
        Cell { table: Table::Subjects, variant: String::new(), method, labelled, seed }
    }
}

/// Which candidate is taken, of how their trials ended; none while some have not, or if none gave
/// results.
pub(super) fn best(trials: &[Option<Trial>]) -> Option<usize> {
    if let [_] = trials {
        return Some(0);
    }
    let mut best: Option<(usize, f64)> = None;
    for (index, trial) in trials.iter().enumerate() {
        let Trial { ending, dice } = trial.as_ref()?;
        let dice = dice.filter(|_| ending.is_done()).unwrap_or(f64::NEG_INFINITY);
        if dice > best.map_or(f64::NEG_INFINITY, |(_, highest)| highest) {
            best = Some((index, dice));
        }
    }
    best.map(|(index, _)| index)
}

impl Tried {
    fn read(sweep: &Path, arm: &Arm, index: usize) -> Result<Self> {
        let candidate = &arm.candidates[index];
        let (pretraining, trial) = (Pretraining::of(arm, index), arm.trial_folder(sweep, index));
        let pretrain_run = pretraining.folder(sweep);
        Ok(Tried {
            changes: candidate.changes.clone(),
            settings: candidate.settings.clone(),
            pretrained: read_if_there(&pretraining.record(sweep))?,
            trial: read_if_there(&trial.path().join(TRIAL))?,
            pretraining: looks(&pretrain_run, "pretrain")?,
            finetuning: looks(&trial, "finetune")?,
        })
    }
}

impl AsRef<Ending> for Trial {
    fn as_ref(&self) -> &Ending {
        &self.ending
    }
}

/// The file of a trial that is over, in its folder.
pub(super) const TRIAL: &str = "trial.json";

impl Arm {
    /// The name of a trial's claim and folder.
    pub(super) fn trial(&self, index: usize) -> String {
        format!("protocol/{}-{}", self.method.name(), index + 1)
    }

    /// The run of a trial.
    pub(super) fn trial_folder(&self, sweep: &Path, index: usize) -> RunFolder {
        RunFolder::new(sweep.join(self.trial(index)))
    }
}

/// The file of a pretraining that is over, in its folder.
pub(super) const PRETRAINING: &str = "pretraining.json";

/// A pretraining: candidates that differ in fine-tuning alone share one.
#[derive(Clone, Copy)]
pub(super) struct Pretraining<'a> {
    pub arm: &'a Arm,
    /// The first candidate that has it.
    pub index: usize,
}

impl<'a> Pretraining<'a> {
    /// That of a candidate.
    pub fn of(arm: &'a Arm, index: usize) -> Self {
        let wanted = &arm.candidates[index].settings;
        let same = |s: &Settings| (&s.pretrain, s.seed) == (&wanted.pretrain, wanted.seed);
        let first = arm.candidates.iter().position(|candidate| same(&candidate.settings));
        Pretraining { arm, index: first.unwrap_or(index) }
    }

    /// All pretrainings of an arm; none of scratch.
    pub fn all(arm: &'a Arm) -> Vec<Self> {
        let indices = 0..arm.candidates.len();
        let of_their_own = indices.filter(|&index| Pretraining::of(arm, index).index == index);
        match arm.method {
            Method::Scratch => vec![],
            _ => of_their_own.map(|index| Pretraining { arm, index }).collect(),
        }
    }

    /// The name of its claim and folder.
    pub fn name(&self) -> String {
        let method = self.arm.method.name();
        match Self::all(self.arm).len() {
            0 | 1 => format!("pretrain/{method}"),
            _ => format!("pretrain/{method}-{}", self.index + 1),
        }
    }

    /// Its run.
    pub fn folder(&self, sweep: &Path) -> RunFolder {
        RunFolder::new(sweep.join(self.name()))
    }

    /// The file that says that it is over.
    pub fn record(&self, sweep: &Path) -> PathBuf {
        self.folder(sweep).path().join(PRETRAINING)
    }

    /// Its settings.
    pub fn settings(&self) -> &'a Settings {
        &self.arm.candidates[self.index].settings
    }
}
