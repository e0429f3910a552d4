//! The choice of each arm's settings on validation subjects, before any of its cells is tested.
//!
//! Each of several candidates is pretrained and fine-tuned once, with the smallest number of labelled subjects
//! and the first seed of the initial plan, without any test subject. The candidate with the highest Dice on the
//! validation subjects is chosen, the first one if several are equal.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::arm::{Arm, Pretraining};
use super::cell::{Cell, Outcome, read_if_exists};
use super::plan::{InitialPlan, Plan};
use super::study_table::StudyTable;
use super::validation::{Validation, validations};
use crate::Result;
use settings::{Method, Settings};

/// The choice of settings of an arm, as far as it has been made.
#[derive(Clone, Debug)]
pub struct SettingChoice {
    /// The method of the arm.
    pub method: Method,
    /// The candidates. A single one is chosen without a trial.
    pub candidates: Vec<CandidateResult>,
    /// Index of the chosen one; none while trials are unfinished, or if all have failed.
    pub chosen: Option<usize>,
}

/// A candidate and the results of its trial.
#[derive(Clone, Debug)]
pub struct CandidateResult {
    /// The settings in which it differs from the other candidates.
    pub changes: String,
    /// All settings.
    pub settings: Settings,
    /// Outcome of its pretraining; none before it has finished, and for scratch.
    pub pretrained: Option<Outcome>,
    /// Result of its trial; none before it has finished, and for a single candidate.
    pub trial: Option<TrialResult>,
    /// Validation passes of its pretraining.
    pub pretraining: Vec<Validation>,
    /// Validation passes of its trial.
    pub finetuning: Vec<Validation>,
}

/// `trial.json`: the result of the fine-tuning of a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialResult {
    /// Its outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Mean Dice of the validation subjects when their loss was lowest.
    pub dice: Option<f64>,
}

/// The choices of every arm.
///
/// # Errors
/// When a file cannot be read.
pub fn choices(sweep: &Path, plan: &Plan) -> Result<Vec<SettingChoice>> {
    plan.arms.iter().map(|arm| SettingChoice::read(sweep, arm)).collect()
}

impl SettingChoice {
    fn read(sweep: &Path, arm: &Arm) -> Result<Self> {
        let read = |index| CandidateResult::read(sweep, arm, index);
        let candidates = (0..arm.candidates.len()).map(read).collect::<Result<Vec<_>>>()?;
        let trials: Vec<_> = candidates.iter().map(|candidate| candidate.trial.clone()).collect();
        Ok(SettingChoice { method: arm.method, chosen: best(&trials), candidates })
    }

    /// The cell whose count and seed trials use.
    pub fn cell(plan: &Plan, method: Method) -> Cell {
        let InitialPlan { counts, seeds, .. } = plan.initial();
        let (labelled, seed) = (counts[0], seeds[0]);
        Cell { table: StudyTable::Subjects, variant: String::new(), method, labelled, seed }
    }
}

/// The index of the candidate to choose by its trial; none while some are unfinished, or if all have failed.
pub(super) fn best(trials: &[Option<TrialResult>]) -> Option<usize> {
    // A single candidate has no trial.
    if let [_] = trials {
        return Some(0);
    }
    let mut best: Option<(usize, f64)> = None;
    for (index, trial) in trials.iter().enumerate() {
        let TrialResult { outcome, dice } = trial.as_ref()?;
        let dice = dice.filter(|_| outcome.is_done()).unwrap_or(f64::NEG_INFINITY);
        if dice > best.map_or(f64::NEG_INFINITY, |(_, highest)| highest) {
            best = Some((index, dice));
        }
    }
    best.map(|(index, _)| index)
}

impl CandidateResult {
    fn read(sweep: &Path, arm: &Arm, index: usize) -> Result<Self> {
        let candidate = &arm.candidates[index];
        let (pretraining, trial) = (Pretraining::of(arm, index), arm.trial_folder(sweep, index));
        let pretrain_run = pretraining.folder(sweep);
        Ok(CandidateResult {
            changes: candidate.changes.clone(),
            settings: candidate.settings.clone(),
            pretrained: read_if_exists(&pretraining.record(sweep))?,
            trial: read_if_exists(&trial.path().join(TRIAL))?,
            pretraining: validations(&pretrain_run, "pretrain")?,
            finetuning: validations(&trial, "finetune")?,
        })
    }
}

impl AsRef<Outcome> for TrialResult {
    fn as_ref(&self) -> &Outcome {
        &self.outcome
    }
}

/// The file in the folder of a trial that marks it as finished.
pub(super) const TRIAL: &str = "trial.json";
