//! The state of a sweep.

use std::fmt;
use std::path::Path;

use super::arm::Pretraining;
use super::cell::{Cell, Outcome, read_if_exists};
use super::claim::is_claimed;
use super::plan::Plan;
use super::protocol::{TRIAL, TrialResult};
use crate::Result;

/// The state of every piece of work of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Roughly in the order in which it is done.
    pub work: Vec<WorkItem>,
}

/// A piece of work.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkItem {
    /// Its kind.
    pub kind: WorkKind,
    /// Its name for messages.
    pub name: String,
    /// Its state.
    pub state: WorkState,
}

/// The kind of a piece of work.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkKind {
    /// A pretraining.
    Pretraining,
    /// A trial of candidate settings on validation subjects.
    Trial,
    /// A cell with this number of labelled subjects (none for all).
    Cell(Option<usize>),
}

/// The state of a piece of work.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkState {
    /// No process is working on it.
    Waiting,
    /// A process is working on it.
    Running,
    /// Finished, with its duration in seconds.
    Done(f64),
    /// Failed, with the reason.
    Failed(String),
}

/// Reads the state of a sweep from its folder.
///
/// # Errors
/// When the folder has no sweep, or a file cannot be read.
pub fn status(folder: &Path) -> Result<Status> {
    let plan = Plan::read(folder)?;
    let mut work = Vec::new();
    let mut add = |kind, claim: &str, name: String, outcome: Option<Outcome>| {
        let state = match outcome {
            Some(outcome) if outcome.is_done() => WorkState::Done(outcome.seconds),
            Some(outcome) => WorkState::Failed(outcome.reason.unwrap_or_default()),
            None if is_claimed(folder, claim) => WorkState::Running,
            None => WorkState::Waiting,
        };
        work.push(WorkItem { kind, name, state });
    };
    for arm in &plan.arms {
        for pretraining in Pretraining::all(arm) {
            let (name, outcome) =
                (pretraining.name(), read_if_exists(&pretraining.record(folder))?);
            add(WorkKind::Pretraining, &name, name.replace('/', " "), outcome);
        }
        if arm.candidates.len() > 1 {
            for (index, candidate) in arm.candidates.iter().enumerate() {
                let path = arm.trial_folder(folder, index).path().join(TRIAL);
                let outcome = read_if_exists::<TrialResult>(&path)?.map(|trial| trial.outcome);
                let name = format!("protocol {}: {}", arm.method.name(), candidate.changes);
                add(WorkKind::Trial, &arm.trial_name(index), name, outcome);
            }
        }
    }
    for cell in plan.cells() {
        let outcome = cell.record(folder)?.map(|record| record.outcome);
        let Cell { labelled, .. } = cell;
        add(WorkKind::Cell(labelled), &cell.name(), cell.description(), outcome);
    }
    Ok(Status { work })
}

/// Numbers of pieces of work by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    waiting: usize,
    running: usize,
    done: usize,
    failed: usize,
}

impl Tally {
    fn total(&self) -> usize {
        self.waiting + self.running + self.done + self.failed
    }
}

impl Status {
    fn tally(&self, of: impl Fn(&WorkKind) -> bool) -> Tally {
        let mut tally = Tally::default();
        for work in self.work.iter().filter(|work| of(&work.kind)) {
            *match work.state {
                WorkState::Waiting => &mut tally.waiting,
                WorkState::Running => &mut tally.running,
                WorkState::Done(_) => &mut tally.done,
                WorkState::Failed(_) => &mut tally.failed,
            } += 1;
        }
        tally
    }

    /// Mean duration of the finished work of some kinds.
    fn mean_seconds(&self, of: impl Fn(&WorkKind) -> bool) -> Option<f64> {
        let done = self.work.iter().filter(|work| of(&work.kind)).filter_map(|w| match w.state {
            WorkState::Done(seconds) => Some(seconds),
            _ => None,
        });
        let (sum, count) = done.fold((0.0, 0), |(sum, count), seconds| (sum + seconds, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    }

    /// Estimated time until the sweep is finished with the present number of processes (at least one). Unfinished
    /// work is assumed to take as long as finished work of its kind, or as cells and trials; none before
    /// anything has finished.
    pub fn seconds_left(&self) -> Option<f64> {
        let fine_tuned = |kind: &WorkKind| *kind != WorkKind::Pretraining;
        let any = self.mean_seconds(fine_tuned).or_else(|| self.mean_seconds(|_| true))?;
        let (mut left, mut running) = (0.0, 0);
        for work in &self.work {
            let share = match work.state {
                WorkState::Waiting => 1.0,
                // On average, half of it is left.
                WorkState::Running => 0.5,
                WorkState::Done(_) | WorkState::Failed(_) => continue,
            };
            running += usize::from(work.state == WorkState::Running);
            left += share * self.mean_seconds(|kind| *kind == work.kind).unwrap_or(any);
        }
        Some(left / running.max(1) as f64)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.tally(|kind| matches!(kind, WorkKind::Cell(_)));
        let Tally { waiting, running, done, failed } = cells;
        let all = cells.total();
        write!(
            f,
            "{done} of {all} cells done, {running} running, {waiting} waiting, {failed} failed"
        )?;
        match self.seconds_left() {
            Some(seconds) if seconds > 0.0 => writeln!(f, "; about {} left", duration(seconds))?,
            _ => writeln!(f)?,
        }
        for (kind, what) in
            [(WorkKind::Pretraining, "pretrainings"), (WorkKind::Trial, "trials of settings")]
        {
            let tally = self.tally(|other| *other == kind);
            if tally.total() > 0 {
                writeln!(f, "{} of {} {what} over", tally.done + tally.failed, tally.total())?;
            }
        }
        for WorkItem { name, state, .. } in &self.work {
            match state {
                WorkState::Running => writeln!(f, "running  {name}")?,
                WorkState::Failed(why) => writeln!(f, "failed   {name}: {why}")?,
                WorkState::Waiting | WorkState::Done(_) => {}
            }
        }
        Ok(())
    }
}

fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil() as u64;
    match minutes {
        0..=90 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}
