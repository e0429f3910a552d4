//! A sweep's folder, read: all that its report is made from.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cell::{Cell, Record, read_if_there};
use super::plan::Plan;
use super::protocol::{Choice, choices};
use crate::{Error, Result};
use evaluate::{FrameRow, SliceRow, read_frames, read_slices};
use train::roles::Roles;
use train::run::folder::{RunFolder, read_json};
use train::run::metrics;

/// A sweep as far as it has come.
#[derive(Debug)]
pub struct Results {
    /// Its folder.
    pub folder: PathBuf,
    /// What it is to do.
    pub plan: Plan,
    /// How the settings of each arm were chosen.
    pub choices: Vec<Choice>,
    /// Cells that are done, in the plan's order.
    pub cells: Vec<Done>,
    /// The others, in the plan's order.
    pub lost: Vec<Lost>,
    /// The data, in words.
    pub source: Option<String>,
    /// Who trains, validates and tests; none before anything is done.
    pub roles: Option<Roles>,
}

/// A cell that is done.
#[derive(Clone, Debug)]
pub struct Done {
    /// Which one, and how it went.
    pub record: Record,
    /// Its run.
    pub run: RunFolder,
    /// Dice of the frames of its test subjects.
    pub frames: Vec<FrameRow>,
    /// Dice of their slices.
    pub slices: Vec<SliceRow>,
    /// How validation went.
    pub looks: Vec<Look>,
}

/// A cell without results.
#[derive(Clone, Debug, PartialEq)]
pub struct Lost {
    /// Which one.
    pub cell: Cell,
    /// Why it failed; none where it is not over.
    pub failed: Option<String>,
    /// The last good weights before it failed, where any were kept: a path in the sweep's folder.
    pub checkpoint: Option<PathBuf>,
}

/// A look at the validation subjects during a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Optimiser steps before it.
    pub step: u64,
    /// Validation loss.
    pub loss: f64,
    /// Mean Dice of the validation subjects, where there is one.
    pub dice: Option<f64>,
}

impl Results {
    /// Reads a sweep.
    ///
    /// # Errors
    /// When the folder holds none, or a file of a cell that is done cannot be used.
    pub fn read(folder: &Path) -> Result<Results> {
        let plan = Plan::read(folder)?;
        let choices = choices(folder, &plan)?;
        let (mut cells, mut lost) = (Vec::new(), Vec::new());
        for cell in plan.cells() {
            let run = cell.folder(folder);
            match cell.record(folder)? {
                Some(record) if record.ending.is_done() => cells.push(Done::read(record, run)?),
                record => {
                    let ending = record.map(|record| record.ending);
                    let failed = ending.as_ref().map(|e| e.why.clone().unwrap_or_default());
                    let checkpoint = ending.and_then(|ending| ending.checkpoint);
                    lost.push(Lost { cell, failed, checkpoint });
                }
            }
        }
        let source = match cells.first() {
            Some(Done { run, .. }) => {
                let result: Value = read_json(&run.result())?;
                result["data"].as_str().map(str::to_owned)
            }
            None => None,
        };
        let roles = read_if_there(&RunFolder::new(folder).split())?;
        Ok(Results { folder: folder.to_path_buf(), plan, choices, cells, lost, source, roles })
    }
}

impl Done {
    fn read(record: Record, run: RunFolder) -> Result<Self> {
        let frames = read_frames(run.frames())?;
        if frames.is_empty() {
            return Err(Error::file(
                run.frames(),
                "holds no frame; remove the folder of that cell",
            ));
        }
        let (slices, looks) = (read_slices(run.slices())?, looks(&run, "finetune")?);
        Ok(Done { record, run, frames, slices, looks })
    }
}

/// The validations of a stage of a run, as its books have them.
pub(super) fn looks(run: &RunFolder, stage: &str) -> Result<Vec<Look>> {
    if !run.metrics().exists() {
        return Ok(vec![]);
    }
    let rows = metrics::read(run.metrics())?.into_iter().filter(|row| row.stage == stage);
    let look = |row: metrics::Record| {
        Some(Look { step: row.step, loss: row.validation_loss?, dice: row.validation_dice })
    };
    Ok(rows.filter_map(look).collect())
}
