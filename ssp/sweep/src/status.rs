//! Where a sweep stands.

use std::fmt;
use std::path::Path;

use super::cell::{Cell, Ending, read_if_there};
use super::claim::is_claimed;
use super::plan::Plan;
use super::protocol::{Pretraining, TRIAL, Trial};
use crate::Result;

/// Where a sweep stands: every piece of its work.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// In the order in which it is done, about.
    pub work: Vec<Work>,
}

/// A piece of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// What it is.
    pub kind: Kind,
    /// Which one, in words.
    pub name: String,
    /// Where it stands.
    pub state: State,
}

/// What a piece of work is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A pretraining.
    Pretraining,
    /// A trial of settings on validation subjects.
    Trial,
    /// A cell, of so many labelled subjects (none for all).
    Cell(Option<usize>),
}

/// Where a piece of work stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Nobody is at work on it.
    Waiting,
    /// A process is at work on it.
    Running,
    /// Over, after so many seconds.
    Done(f64),
    /// Over without results, and why.
    Failed(String),
}

/// Looks at a sweep's folder.
///
/// # Errors
/// When it holds none.
pub fn status(folder: &Path) -> Result<Status> {
    let plan = Plan::read(folder)?;
    let mut work = Vec::new();
    let mut add = |kind, claim: &str, name: String, ending: Option<Ending>| {
        let state = match ending {
            Some(ending) if ending.is_done() => State::Done(ending.seconds),
            Some(ending) => State::Failed(ending.why.unwrap_or_default()),
            None if is_claimed(folder, claim) => State::Running,
            None => State::Waiting,
        };
        work.push(Work { kind, name, state });
    };
    for arm in &plan.arms {
        for pretraining in Pretraining::all(arm) {
            let (name, ending) = (pretraining.name(), read_if_there(&pretraining.record(folder))?);
            add(Kind::Pretraining, &name, name.replace('/', " "), ending);
        }
        if arm.candidates.len() > 1 {
            for (index, candidate) in arm.candidates.iter().enumerate() {
                let path = arm.trial_folder(folder, index).path().join(TRIAL);
                let ending = read_if_there::<Trial>(&path)?.map(|trial| trial.ending);
                let name = format!("protocol {}: {}", arm.method.name(), candidate.changes);
                add(Kind::Trial, &arm.trial(index), name, ending);
            }
        }
    }
    for cell in plan.cells() {
        let ending = cell.record(folder)?.map(|record| record.ending);
        let Cell { labelled, .. } = cell;
        add(Kind::Cell(labelled), &cell.name(), cell.described(), ending);
    }
    Ok(Status { work })
}

/// How many of some work stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    waiting: usize,
    running: usize,
    done: usize,
    failed: usize,
}

impl Tally {
    fn all(&self) -> usize {
        self.waiting + self.running + self.done + self.failed
    }
}

impl Status {
    /// Whether all cells are over.
    pub fn is_over(&self) -> bool {
        let cells = self.tally(|kind| matches!(kind, Kind::Cell(_)));
        cells.waiting + cells.running == 0
    }

    fn tally(&self, of: impl Fn(&Kind) -> bool) -> Tally {
        let mut tally = Tally::default();
        for work in self.work.iter().filter(|work| of(&work.kind)) {
            *match work.state {
                State::Waiting => &mut tally.waiting,
                State::Running => &mut tally.running,
                State::Done(_) => &mut tally.done,
                State::Failed(_) => &mut tally.failed,
            } += 1;
        }
        tally
    }

    /// Mean time of what is done of a kind.
    fn mean_seconds(&self, of: impl Fn(&Kind) -> bool) -> Option<f64> {
        let done = self.work.iter().filter(|work| of(&work.kind)).filter_map(|w| match w.state {
            State::Done(seconds) => Some(seconds),
            _ => None,
        });
        let (sum, count) = done.fold((0.0, 0), |(sum, count), seconds| (sum + seconds, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    }

    /// Time until all is done, if as many processes as now work on it (one if none does): what is left
    /// takes as long as the like of it has taken, or as a cell. None as long as nothing is done.
    pub fn seconds_left(&self) -> Option<f64> {
        let trained = |kind: &Kind| *kind != Kind::Pretraining;
        let any = self.mean_seconds(trained).or_else(|| self.mean_seconds(|_| true))?;
        let (mut left, mut running) = (0.0, 0);
        for work in &self.work {
            let share = match work.state {
                State::Waiting => 1.0,
                // Half of it, for all that is known.
                State::Running => 0.5,
                State::Done(_) | State::Failed(_) => continue,
            };
            running += usize::from(work.state == State::Running);
            left += share * self.mean_seconds(|kind| *kind == work.kind).unwrap_or(any);
        }
        Some(left / running.max(1) as f64)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.tally(|kind| matches!(kind, Kind::Cell(_)));
        let Tally { waiting, running, done, failed } = cells;
        let all = cells.all();
        write!(
            f,
            "{done} of {all} cells done, {running} running, {waiting} waiting, {failed} failed"
        )?;
        match self.seconds_left() {
            Some(seconds) if seconds > 0.0 => writeln!(f, "; about {} left", duration(seconds))?,
            _ => writeln!(f)?,
        }
        for (kind, what) in
            [(Kind::Pretraining, "pretrainings"), (Kind::Trial, "trials of settings")]
        {
            let tally = self.tally(|other| *other == kind);
            if tally.all() > 0 {
                writeln!(f, "{} of {} {what} over", tally.done + tally.failed, tally.all())?;
            }
        }
        for Work { name, state, .. } in &self.work {
            match state {
                State::Running => writeln!(f, "running  {name}")?,
                State::Failed(why) => writeln!(f, "failed   {name}: {why}")?,
                State::Waiting | State::Done(_) => {}
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
