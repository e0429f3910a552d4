//! Works a sweep off, beside any number of other processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tensor::Device;

use super::cell::{Cell, Ending, RECORD, Record, keep, read_if_there, remove};
use super::claim::claim;
use super::plan::{Arm, Candidate, Plan};
use super::possible::possible;
use super::protocol::{Choice, PRETRAINING, Pretraining, TRIAL, Trial, best};
use super::report;
use crate::{Error, Result};
use common::Watcher;
use common::files::look_anew;
use settings::{Method, Settings};
use train::roles::Roles;
use train::run::folder::{RunFolder, read_json};
use train::study::{self, Job, Parts};

/// A part of the cells: every `of`-th, from `number` (counted from 1) on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which.
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

impl Shard {
    /// All of them.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    fn has(self, index: usize) -> bool {
        index % self.of == self.number - 1
    }
}

/// How long to wait for what another process works on before looking again.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of working on a sweep.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Cells of the shard that gave no results.
    pub failed: usize,
    /// The report in words and tables: `table.md`.
    pub report: String,
}

/// Works off what is not done yet of a shard, cell by cell, with the pretrainings and trials that they
/// need, and writes the report. What `plan` has beside that of the folder is added to it. A cell that fails
/// is recorded and does not stop the others; `retry` has failed ones done again.
///
/// # Errors
/// When the plan asks for what there is not, or files cannot be written.
pub fn run(
    folder: &Path,
    plan: &Plan,
    shard: Shard,
    retry: bool,
    device: &Device,
    watcher: &dyn Watcher,
) -> Result<Ended> {
    let (mut plan, mut roles) = possible(folder, plan, watcher)?;
    // Another process may have added to the sweep meanwhile.
    loop {
        let kept = plan.keep(folder)?;
        if kept == plan {
            break;
        }
        (plan, roles) = possible(folder, &kept, watcher)?;
    }
    let plan = &plan;
    let sweep = Sweep { folder, plan, device, watcher };
    roles.keep(&RunFolder::new(folder))?;
    let all = plan.cells();
    let mine = || all.iter().enumerate().filter(|(index, _)| shard.has(*index));
    if retry {
        mine().try_for_each(|(_, cell)| forgive(folder, plan, cell))?;
    }
    loop {
        let (mut waiting, mut worked) = (false, false);
        for (index, cell) in mine() {
            if cell.record(folder)?.is_some() {
                continue;
            }
            let place = format!("cell {} of {}", index + 1, all.len());
            match sweep.cell(cell, &place)? {
                Taken::Over(_) => worked = true,
                Taken::Elsewhere => waiting = true,
            }
        }
        if !waiting {
            break;
        }
        if !worked {
            std::thread::sleep(PATIENCE);
        }
    }
    let mut failed = 0;
    for (_, cell) in mine() {
        failed += usize::from(cell.record(folder)?.is_some_and(|r| !r.ending.is_done()));
    }
    Ok(Ended { failed, report: report::write(folder)? })
}

/// What became of a piece of work.
enum Taken<T> {
    /// It is over, by this process or another.
    Over(T),
    /// Another process works on it, or on what it needs.
    Elsewhere,
}

/// What a training starts from, or how that failed which it was to start from.
type Weights = std::result::Result<Option<PathBuf>, Ending>;

struct Sweep<'a> {
    folder: &'a Path,
    plan: &'a Plan,
    device: &'a Device,
    watcher: &'a dyn Watcher,
}

impl Sweep<'_> {
    fn job(&self, settings: &Settings, parts: Parts) -> Job {
        Job { device: self.device.clone(), ..self.plan.job(settings, parts) }
    }

    /// Does a piece of work in the folder `run`, unless it is over or another process does it. What it
    /// came to is kept in its file `record` when it is over, and not before.
    fn once<T: Serialize + DeserializeOwned + AsRef<Ending>>(
        &self,
        name: &str,
        run: &RunFolder,
        record: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<Taken<T>> {
        let record = &run.path().join(record);
        if let Some(over) = read_if_there(record)? {
            return Ok(Taken::Over(over));
        }
        let Some(_held) = claim(self.folder, name)? else { return Ok(Taken::Elsewhere) };
        // It may have ended between the look and the claim, on another machine.
        look_anew(run.path())?;
        if let Some(over) = read_if_there(record)? {
            return Ok(Taken::Over(over));
        }
        let over = work()?;
        keep(record, &over)?;
        if over.as_ref().is_done() {
            // Half of what a large network leaves on the disk, and nobody goes on from it.
            run.discard_progress()?;
        }
        Ok(Taken::Over(over))
    }

    /// How a run ended, of its seconds or its error. What is no run's own doing, such as a full disk,
    /// ends the process, and the run goes on when there is another.
    fn ending(&self, outcome: Result<f64>) -> Result<Ending> {
        let device = Some(computed_on(self.device));
        let why = match outcome {
            Ok(seconds) => return Ok(Ending { device, ..Ending::done(seconds) }),
            Err(error) if error.is_of_the_run() => error,
            Err(error) => return Err(error),
        };
        let mut ending = Ending { device, ..Ending::failed(why.to_string()) };
        if let Error::Diverged { checkpoint: Some(path), .. } = &why {
            // The folder may be moved.
            ending.checkpoint = Some(path.strip_prefix(self.folder).unwrap_or(path).to_path_buf());
        }
        self.watcher.note(&format!("failed: {why}"));
        Ok(ending)
    }

    /// A pretraining.
    fn pretraining(&self, work: Pretraining<'_>) -> Result<Taken<Ending>> {
        let (name, run) = (work.name(), work.folder(self.folder));
        self.once(&name, &run, PRETRAINING, || {
            self.watcher.note(&format!("{name}: pretraining"));
            let mut job = self.job(work.settings(), Parts::Pretrain);
            job.out = Some(run.path().to_path_buf());
            let outcome = study::run(&job, self.watcher);
            self.ending(outcome.map(|o| o.pretraining.map_or(0.0, |state| state.seconds)))
        })
    }

    /// The pretrained weights of a candidate.
    fn weights(&self, arm: &Arm, candidate: usize) -> Result<Taken<Weights>> {
        if arm.method == Method::Scratch {
            return Ok(Taken::Over(Ok(None)));
        }
        let work = Pretraining::of(arm, candidate);
        Ok(match self.pretraining(work)? {
            Taken::Elsewhere => Taken::Elsewhere,
            Taken::Over(ending) if ending.is_done() => {
                Taken::Over(Ok(Some(work.folder(self.folder).path().to_path_buf())))
            }
            Taken::Over(Ending { why, checkpoint, device, .. }) => {
                let why = format!("its pretraining failed: {}", why.unwrap_or_default());
                Taken::Over(Err(Ending { checkpoint, device, ..Ending::failed(why) }))
            }
        })
    }

    /// The trial of a candidate: its Dice on validation subjects.
    fn trial(&self, arm: &Arm, candidate: usize) -> Result<Taken<Trial>> {
        let run = arm.trial_folder(self.folder, candidate);
        if let Some(over) = read_if_there(&run.path().join(TRIAL))? {
            return Ok(Taken::Over(over));
        }
        let Taken::Over(weights) = self.weights(arm, candidate)? else {
            return Ok(Taken::Elsewhere);
        };
        let Arm { method, candidates } = arm;
        self.once(&arm.trial(candidate), &run, TRIAL, || {
            let weights = match weights {
                Ok(weights) => weights,
                Err(ending) => return Ok(Trial { ending, dice: None }),
            };
            let (number, count) = (candidate + 1, candidates.len());
            let Candidate { changes, settings } = &candidates[candidate];
            let place = format!("protocol: {} {number} of {count}: {changes}", method.name());
            self.watcher.note(&place);
            let cell = Choice::cell(self.plan, *method);
            let settings = self.plan.settings_of(&cell, settings)?;
            let mut job = self.job(&settings, Parts::Validate);
            (job.weights, job.out) = (weights, Some(run.path().to_path_buf()));
            let mut dice = None;
            let outcome = study::run(&job, self.watcher).map(|outcome| {
                let state = outcome.finetuning.unwrap_or_default();
                dice = state.best_dice;
                state.seconds
            });
            Ok(Trial { ending: self.ending(outcome)?, dice })
        })
    }

    /// Which of an arm's candidates is taken; none if none gave results.
    fn choice(&self, arm: &Arm) -> Result<Taken<Option<usize>>> {
        let mut trials = vec![None; arm.candidates.len()];
        if trials.len() > 1 {
            for (candidate, trial) in trials.iter_mut().enumerate() {
                if let Taken::Over(over) = self.trial(arm, candidate)? {
                    *trial = Some(over);
                }
            }
            if trials.contains(&None) {
                return Ok(Taken::Elsewhere);
            }
        }
        Ok(Taken::Over(best(&trials)))
    }

    /// A cell, with all that it needs.
    fn cell(&self, cell: &Cell, place: &str) -> Result<Taken<Record>> {
        let arm = self.plan.arm(cell.method).ok_or_else(|| {
            Error::Data(format!("{}: its method is not in the plan", cell.described()))
        })?;
        let Taken::Over(chosen) = self.choice(arm)? else { return Ok(Taken::Elsewhere) };
        let weights = match chosen {
            None => Taken::Over(Err(Ending::failed(
                "none of the settings that were tried gave results".into(),
            ))),
            Some(candidate) => self.weights(arm, candidate)?,
        };
        let Taken::Over(weights) = weights else { return Ok(Taken::Elsewhere) };
        let run = cell.folder(self.folder);
        self.once(&cell.name(), &run, RECORD, || {
            let (weights, chosen) = match (weights, chosen) {
                (Ok(weights), Some(chosen)) => (weights, &arm.candidates[chosen].settings),
                (Err(ending), _) => return record(cell, ending, &run),
                (Ok(_), None) => {
                    return record(cell, Ending::failed("no settings were chosen".into()), &run);
                }
            };
            self.watcher.note(&format!("{place}: {}", cell.described()));
            let settings = self.plan.settings_of(cell, chosen)?;
            let mut job = self.job(&settings, Parts::Finetune);
            (job.weights, job.out) = (weights, Some(run.path().to_path_buf()));
            let outcome = study::run(&job, self.watcher);
            record(cell, self.ending(outcome.map(|_| 0.0))?, &run)
        })
    }
}

/// Has a failed cell, and what it needs and has failed, done again.
pub(super) fn forgive(folder: &Path, plan: &Plan, cell: &Cell) -> Result<()> {
    let Some(arm) = plan.arm(cell.method) else { return Ok(()) };
    if cell.record(folder)?.is_none_or(|record| record.ending.is_done()) {
        return Ok(());
    }
    let trials = (0..arm.candidates.len()).map(|index| arm.trial_folder(folder, index));
    let trials: Vec<PathBuf> = trials.map(|run| run.path().join(TRIAL)).collect();
    let ended = trials.iter().map(|path| read_if_there(path)).collect::<Result<Vec<_>>>()?;
    // Once a candidate was taken, cells rest on that choice.
    if arm.candidates.len() == 1 || best(&ended).is_none() {
        // What gave results stays: another process may have done it again by now.
        for (path, trial) in trials.iter().zip(&ended) {
            if trial.as_ref().is_some_and(|trial: &Trial| trial.dice.is_none()) {
                remove(path)?;
            }
        }
        for pretraining in Pretraining::all(arm) {
            let path = pretraining.record(folder);
            if read_if_there::<Ending>(&path)?.is_some_and(|ending| !ending.is_done()) {
                remove(&path)?;
            }
        }
    }
    // Last of all: as long as it is there, a process that is cut off here forgives again.
    remove(&cell.folder(folder).path().join(RECORD))
}

/// The device in words, and on the CPU the instruction set that decides about the last bits.
fn computed_on(device: &Device) -> String {
    match device {
        Device::Cpu => format!("{device} ({})", kernels::simd::level().name()),
        Device::Gpu(_) => device.to_string(),
    }
}

/// What came of a cell; time and subjects as its run tells them.
fn record(cell: &Cell, ending: Ending, run: &RunFolder) -> Result<Record> {
    let roles: Option<Roles> = read_if_there(&run.split())?;
    let result: Value = match ending.is_done() {
        true => read_json(&run.result())?,
        false => Value::Null,
    };
    let seconds = |part: &str| result["seconds"][part].as_f64().unwrap_or(0.0);
    let ending = Ending { seconds: seconds("finetune") + seconds("test"), ..ending };
    let (train_subjects, test_subjects) =
        roles.map_or((0, 0), |roles| (roles.labelled.len(), roles.test.len()));
    Ok(Record { cell: cell.clone(), ending, train_subjects, test_subjects })
}
