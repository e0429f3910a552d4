//! Does the work of a sweep, together with any number of other processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tensor::Device;

use super::arm::{Arm, Candidate};
use super::arm::{PRETRAINING, Pretraining};
use super::cell::{Cell, CellRecord, Outcome, RECORD, read_if_exists, remove, write_record};
use super::check::check_with_roles;
use super::claim::claim;
use super::plan::Plan;
use super::protocol::{SettingChoice, TRIAL, TrialResult, best};
use super::report;
use crate::{Error, Result};
use common::Watcher;
use common::files::{look_anew, remove_abandoned_below};
use settings::{Method, Settings};
use train::roles::Roles;
use train::run::folder::{RunFolder, read_json};
use train::study::{self, Job, Parts};

/// A part of the cells: every `of`-th one, starting with cell `number` (from 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Number of this part, from 1.
    pub number: usize,
    /// Number of parts.
    pub of: usize,
}

impl Shard {
    /// All cells.
    pub const ALL: Shard = Shard { number: 1, of: 1 };

    fn contains(self, index: usize) -> bool {
        index % self.of == self.number - 1
    }
}

/// How often to check whether other processes have finished.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The result of [`run`].
#[derive(Clone, Debug)]
pub struct SweepSummary {
    /// Number of failed cells of the shard.
    pub failed: usize,
    /// The text of `table.md`.
    pub report: String,
}

/// Does the unfinished cells of a shard, with the pretrainings and trials that they need, and writes the
/// report. `plan` is first merged into the plan of the folder. A failed cell is recorded and does not stop the
/// others; with `retry`, cells that failed before are done again.
///
/// # Errors
/// When the plan cannot be carried out (see [`check`](super::check())), or files cannot be read or written.
pub fn run(
    folder: &Path,
    plan: &Plan,
    shard: Shard,
    retry: bool,
    device: &Device,
    watcher: &dyn Watcher,
) -> Result<SweepSummary> {
    let (mut plan, mut roles, mut data) = check_with_roles(folder, plan, watcher)?;
    // Another process may add to the plan between the check and the write.
    loop {
        let merged = plan.write(folder)?;
        if merged == plan {
            break;
        }
        (plan, roles, data) = check_with_roles(folder, &merged, watcher)?;
    }
    let plan = &plan;
    let worker = Worker { folder, plan, device, watcher };
    remove_abandoned_below(folder);
    roles.keep(&RunFolder::new(folder))?;
    data.keep(&RunFolder::new(folder))?;
    let all = plan.cells();
    let mine = || all.iter().enumerate().filter(|(index, _)| shard.contains(*index));
    if retry {
        mine().try_for_each(|(_, cell)| reset_failed(folder, plan, cell))?;
    }
    loop {
        let (mut waiting, mut worked) = (false, false);
        for (index, cell) in mine() {
            if cell.record(folder)?.is_some() {
                continue;
            }
            let position = format!("cell {} of {}", index + 1, all.len());
            match worker.cell(cell, &position)? {
                Progress::Finished(_) => worked = true,
                Progress::Elsewhere => waiting = true,
            }
        }
        if !waiting {
            break;
        }
        if !worked {
            std::thread::sleep(POLL_INTERVAL);
        }
    }
    tidy_all(folder, plan)?;
    let mut failed = 0;
    for (_, cell) in mine() {
        failed += usize::from(cell.record(folder)?.is_some_and(|r| !r.outcome.is_done()));
    }
    Ok(SweepSummary { failed, report: report::write(folder)? })
}

/// The state of a piece of work that this process needs.
enum Progress<T> {
    /// It has finished, in this process or another.
    Finished(T),
    /// Another process is doing it, or something that it needs.
    Elsewhere,
}

/// The weights that a fine-tuning starts from (none for scratch), or the outcome of their failed pretraining.
type Weights = std::result::Result<Option<PathBuf>, Outcome>;

/// A process at work on a sweep.
struct Worker<'a> {
    folder: &'a Path,
    plan: &'a Plan,
    device: &'a Device,
    watcher: &'a dyn Watcher,
}

impl Worker<'_> {
    fn job(&self, settings: &Settings, parts: Parts) -> Job {
        Job { device: self.device.clone(), ..self.plan.job(settings, parts) }
    }

    /// Does a piece of work in the folder `run`, unless it has finished or another process is doing it. Its
    /// result is written to the file `record` at the end, and not before.
    fn once<T: Serialize + DeserializeOwned + AsRef<Outcome>>(
        &self,
        name: &str,
        run: &RunFolder,
        record: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<Progress<T>> {
        let record = &run.path().join(record);
        if let Some(result) = read_if_exists(record)? {
            return Ok(Progress::Finished(result));
        }
        let Some(_lock) = claim(self.folder, name)? else { return Ok(Progress::Elsewhere) };
        // Another machine may have finished it before the lock was taken.
        look_anew(run.path())?;
        if let Some(result) = read_if_exists(record)? {
            return Ok(Progress::Finished(result));
        }
        let result = work()?;
        write_record(record, &result)?;
        tidy(run, result.as_ref())?;
        Ok(Progress::Finished(result))
    }

    /// The outcome of a run from its duration in seconds or its error. An error that the run did not cause, such
    /// as a full disk, is returned instead: it ends the process, and another one can resume the run.
    fn outcome(&self, result: Result<f64>) -> Result<Outcome> {
        let device = Some(device_name(self.device));
        let error = match result {
            Ok(seconds) => return Ok(Outcome { device, ..Outcome::done(seconds) }),
            Err(error) if error.is_of_the_run() => error,
            Err(error) => return Err(error),
        };
        let mut outcome = Outcome { device, ..Outcome::failed(error.to_string()) };
        if let Error::Diverged { checkpoint: Some(path), .. } = &error {
            // Relative, because the folder may be moved.
            outcome.checkpoint = Some(path.strip_prefix(self.folder).unwrap_or(path).to_path_buf());
        }
        self.watcher.note(&format!("failed: {error}"));
        Ok(outcome)
    }

    /// Does a pretraining.
    fn pretraining(&self, work: Pretraining<'_>) -> Result<Progress<Outcome>> {
        let (name, run) = (work.name(), work.folder(self.folder));
        self.once(&name, &run, PRETRAINING, || {
            self.watcher.note(&format!("{name}: pretraining"));
            let mut job = self.job(work.settings(), Parts::Pretrain);
            job.out = Some(run.path().to_path_buf());
            let outcome = study::run(&job, self.watcher);
            self.outcome(outcome.map(|o| o.pretraining.map_or(0.0, |state| state.seconds)))
        })
    }

    /// The pretrained weights of a candidate; pretrains if necessary.
    fn weights(&self, arm: &Arm, candidate: usize) -> Result<Progress<Weights>> {
        if arm.method == Method::Scratch {
            return Ok(Progress::Finished(Ok(None)));
        }
        let work = Pretraining::of(arm, candidate);
        Ok(match self.pretraining(work)? {
            Progress::Elsewhere => Progress::Elsewhere,
            Progress::Finished(outcome) if outcome.is_done() => {
                Progress::Finished(Ok(Some(work.folder(self.folder).path().to_path_buf())))
            }
            Progress::Finished(Outcome { reason, checkpoint, device, .. }) => {
                let reason = format!("its pretraining failed: {}", reason.unwrap_or_default());
                Progress::Finished(Err(Outcome { checkpoint, device, ..Outcome::failed(reason) }))
            }
        })
    }

    /// Does the trial of a candidate: fine-tuning with validation, without a test.
    fn trial(&self, arm: &Arm, candidate: usize) -> Result<Progress<TrialResult>> {
        let run = arm.trial_folder(self.folder, candidate);
        if let Some(result) = read_if_exists(&run.path().join(TRIAL))? {
            return Ok(Progress::Finished(result));
        }
        let Progress::Finished(weights) = self.weights(arm, candidate)? else {
            return Ok(Progress::Elsewhere);
        };
        let Arm { method, candidates } = arm;
        self.once(&arm.trial_name(candidate), &run, TRIAL, || {
            let weights = match weights {
                Ok(weights) => weights,
                Err(outcome) => return Ok(TrialResult { outcome, dice: None }),
            };
            let (number, count) = (candidate + 1, candidates.len());
            let Candidate { changes, settings } = &candidates[candidate];
            let position = format!("protocol: {} {number} of {count}: {changes}", method.name());
            self.watcher.note(&position);
            let cell = SettingChoice::cell(self.plan, *method);
            let settings = self.plan.settings_of(&cell, settings)?;
            let mut job = self.job(&settings, Parts::Validate);
            (job.weights, job.out) = (weights, Some(run.path().to_path_buf()));
            let mut dice = None;
            let outcome = study::run(&job, self.watcher).map(|outcome| {
                let state = outcome.finetuning.unwrap_or_default();
                dice = state.best_dice;
                state.seconds
            });
            Ok(TrialResult { outcome: self.outcome(outcome)?, dice })
        })
    }

    /// The chosen candidate of an arm, after the trials that this takes; none if all trials failed.
    fn choice(&self, arm: &Arm) -> Result<Progress<Option<usize>>> {
        let mut trials = vec![None; arm.candidates.len()];
        if trials.len() > 1 {
            for (candidate, trial) in trials.iter_mut().enumerate() {
                if let Progress::Finished(result) = self.trial(arm, candidate)? {
                    *trial = Some(result);
                }
            }
            if trials.contains(&None) {
                return Ok(Progress::Elsewhere);
            }
        }
        Ok(Progress::Finished(best(&trials)))
    }

    /// Does a cell, and the pretrainings and trials that it needs. `position` is for messages.
    fn cell(&self, cell: &Cell, position: &str) -> Result<Progress<CellRecord>> {
        let arm = self.plan.arm(cell.method).ok_or_else(|| {
            Error::Data(format!("{}: its method is not in the plan", cell.description()))
        })?;
        let Progress::Finished(chosen) = self.choice(arm)? else { return Ok(Progress::Elsewhere) };
        let weights = match chosen {
            None => {
                Progress::Finished(Err(Outcome::failed("all candidate settings failed".into())))
            }
            Some(candidate) => self.weights(arm, candidate)?,
        };
        let Progress::Finished(weights) = weights else { return Ok(Progress::Elsewhere) };
        let run = cell.folder(self.folder);
        self.once(&cell.name(), &run, RECORD, || {
            let (weights, chosen) = match (weights, chosen) {
                (Ok(weights), Some(chosen)) => (weights, &arm.candidates[chosen].settings),
                (Err(outcome), _) => return record(cell, outcome, &run),
                (Ok(_), None) => {
                    return record(cell, Outcome::failed("no settings were chosen".into()), &run);
                }
            };
            self.watcher.note(&format!("{position}: {}", cell.description()));
            let settings = self.plan.settings_of(cell, chosen)?;
            let mut job = self.job(&settings, Parts::Finetune);
            (job.weights, job.out) = (weights, Some(run.path().to_path_buf()));
            let outcome = study::run(&job, self.watcher);
            record(cell, self.outcome(outcome.map(|_| 0.0))?, &run)
        })
    }
}

/// Removes what finished work would be resumed from: with a large network, half of what it has written.
fn tidy(run: &RunFolder, outcome: &Outcome) -> Result<()> {
    if outcome.is_done() { run.discard_progress() } else { Ok(()) }
}

/// The same for all work: a process may have ended between its record and this.
fn tidy_all(folder: &Path, plan: &Plan) -> Result<()> {
    for cell in plan.cells() {
        cell.record(folder)?.iter().try_for_each(|r| tidy(&cell.folder(folder), &r.outcome))?;
    }
    for arm in &plan.arms {
        for work in Pretraining::all(arm) {
            let outcome: Option<Outcome> = read_if_exists(&work.record(folder))?;
            outcome.iter().try_for_each(|outcome| tidy(&work.folder(folder), outcome))?;
        }
        for run in (0..arm.candidates.len()).map(|index| arm.trial_folder(folder, index)) {
            let trial: Option<TrialResult> = read_if_exists(&run.path().join(TRIAL))?;
            trial.iter().try_for_each(|trial| tidy(&run, &trial.outcome))?;
        }
    }
    Ok(())
}

/// Removes the records of a failed cell and of the failed work that it needs, so that they are done again.
pub(super) fn reset_failed(folder: &Path, plan: &Plan, cell: &Cell) -> Result<()> {
    let Some(arm) = plan.arm(cell.method) else { return Ok(()) };
    if cell.record(folder)?.is_none_or(|record| record.outcome.is_done()) {
        return Ok(());
    }
    let trials = (0..arm.candidates.len()).map(|index| arm.trial_folder(folder, index));
    let trials: Vec<PathBuf> = trials.map(|run| run.path().join(TRIAL)).collect();
    let results = trials.iter().map(|path| read_if_exists(path)).collect::<Result<Vec<_>>>()?;
    // Once a candidate has been chosen, finished cells depend on the choice.
    if arm.candidates.len() == 1 || best(&results).is_none() {
        // Only failures: another process may have redone some of them by now.
        for (path, trial) in trials.iter().zip(&results) {
            if trial.as_ref().is_some_and(|trial: &TrialResult| trial.dice.is_none()) {
                remove(path)?;
            }
        }
        for pretraining in Pretraining::all(arm) {
            let path = pretraining.record(folder);
            if read_if_exists::<Outcome>(&path)?.is_some_and(|outcome| !outcome.is_done()) {
                remove(&path)?;
            }
        }
    }
    // This record comes last: if the process ends before, the next one starts again with this cell.
    remove(&cell.folder(folder).path().join(RECORD))
}

/// The device, on the CPU with the instruction set, on which rounding depends.
fn device_name(device: &Device) -> String {
    match device {
        Device::Cpu => format!("{device} ({})", kernels::simd::level().name()),
        Device::Gpu(_) => device.to_string(),
    }
}

/// The record of a cell, with time and subjects from the files of its run.
fn record(cell: &Cell, outcome: Outcome, run: &RunFolder) -> Result<CellRecord> {
    let roles: Option<Roles> = read_if_exists(&run.split())?;
    let result: Value = match outcome.is_done() {
        true => read_json(&run.result())?,
        false => Value::Null,
    };
    let seconds = |part: &str| result["seconds"][part].as_f64().unwrap_or(0.0);
    let outcome = Outcome { seconds: seconds("finetune") + seconds("test"), ..outcome };
    let (train_subjects, test_subjects) =
        roles.map_or((0, 0), |roles| (roles.labelled.len(), roles.test.len()));
    Ok(CellRecord { cell: cell.clone(), outcome, train_subjects, test_subjects })
}
