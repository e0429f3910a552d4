//! Where a sweep stands.

use std::fmt;
use std::path::Path;

use super::Plan;
use super::cell::{Cell, Outcome};
use super::run::is_running;
use crate::Result;

/// Where a sweep stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Cells of the plan.
    pub cells: usize,
    /// With results.
    pub done: usize,
    /// Being worked on.
    pub running: Vec<String>,
    /// Without results, and why.
    pub failed: Vec<(String, String)>,
    /// Mean time of a cell that is done.
    pub seconds_each: Option<f64>,
}

/// Looks at a sweep's folder.
///
/// # Errors
/// When it holds none.
pub fn status(folder: &Path) -> Result<Status> {
    let plan = Plan::read(folder)?;
    let mut status = Status::default();
    let mut seconds = 0.0;
    for cell in plan.cells() {
        status.cells += 1;
        match cell.record(folder)? {
            Some(record) if record.state == Outcome::Done => {
                status.done += 1;
                seconds += record.seconds;
            }
            Some(record) => status.failed.push((name(&cell), record.why.unwrap_or_default())),
            None if is_running(folder, &cell) => status.running.push(name(&cell)),
            None => {}
        }
    }
    status.seconds_each = (status.done > 0).then(|| seconds / status.done as f64);
    Ok(status)
}

fn name(cell: &Cell) -> String {
    cell.described()
}

impl Status {
    /// Cells that nobody has begun.
    pub fn waiting(&self) -> usize {
        self.cells - self.done - self.running.len() - self.failed.len()
    }

    /// Time until all is done, if as many processes as now work on it (one if none does), and
    /// pretraining is over.
    pub fn seconds_left(&self) -> Option<f64> {
        let left = (self.waiting() + self.running.len()) as f64;
        self.seconds_each.map(|each| each * left / self.running.len().max(1) as f64)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status { cells, done, running, failed, .. } = self;
        write!(
            f,
            "{done} of {cells} cells done, {} running, {} waiting, {} failed",
            running.len(),
            self.waiting(),
            failed.len()
        )?;
        match self.seconds_left() {
            Some(seconds) if seconds > 0.0 => writeln!(f, "; about {} left", duration(seconds))?,
            _ => writeln!(f)?,
        }
        for cell in running {
            writeln!(f, "running  {cell}")?;
        }
        for (cell, why) in failed {
            writeln!(f, "failed   {cell}: {why}")?;
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
