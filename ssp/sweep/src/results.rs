//! The results of a sweep, read from its folder for the report.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cell::{Cell, CellRecord, read_if_exists};
use super::plan::Plan;
use super::protocol::{SettingChoice, choices};
use super::validation::{Validation, validations};
use crate::{Error, Result};
use evaluate::{FrameRow, SliceRow, outlines_nothing, read_frames, read_slices};
use train::roles::Roles;
use train::run::folder::{RunFolder, read_json};

/// What a sweep has produced so far.
#[derive(Debug)]
pub struct SweepResults {
    /// Its folder.
    pub folder: PathBuf,
    /// Its plan.
    pub plan: Plan,
    /// How the settings of each arm were chosen.
    pub choices: Vec<SettingChoice>,
    /// Completed cells, in the order of the plan.
    pub cells: Vec<CompletedCell>,
    /// Cells without results, in the order of the plan.
    pub missing: Vec<MissingCell>,
    /// Description of the data; none before a cell is completed.
    pub source: Option<String>,
    /// Which subjects are for training, validation and testing; none before the sweep has started.
    pub roles: Option<Roles>,
}

/// A completed cell.
#[derive(Clone, Debug)]
pub struct CompletedCell {
    /// The cell and its outcome.
    pub record: CellRecord,
    /// The folder of its run.
    pub run: RunFolder,
    /// Results of the frames of its test subjects.
    pub frames: Vec<FrameRow>,
    /// Results of their slices.
    pub slices: Vec<SliceRow>,
    /// Validation passes of its fine-tuning.
    pub validations: Vec<Validation>,
    /// Whether its network outlines nothing in any test subject.
    pub outlines_nothing: bool,
    /// What may make its results wrong, one line each.
    pub warnings: Vec<String>,
}

/// A cell without results.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingCell {
    /// The cell.
    pub cell: Cell,
    /// Why it failed; none if it is not finished.
    pub failed: Option<String>,
    /// The last finite weights of a failed cell, if any were saved: a path relative to the sweep's folder.
    pub checkpoint: Option<PathBuf>,
}

impl SweepResults {
    /// Reads a sweep.
    ///
    /// # Errors
    /// When the folder has no sweep, or a file of a completed cell cannot be read.
    pub fn read(folder: &Path) -> Result<SweepResults> {
        let plan = Plan::read(folder)?;
        let choices = choices(folder, &plan)?;
        let (mut cells, mut missing) = (Vec::new(), Vec::new());
        for cell in plan.cells() {
            let run = cell.folder(folder);
            match cell.record(folder)? {
                Some(record) if record.outcome.is_done() => {
                    cells.push(CompletedCell::read(record, run)?)
                }
                record => {
                    let outcome = record.map(|record| record.outcome);
                    let failed = outcome.as_ref().map(|o| o.reason.clone().unwrap_or_default());
                    let checkpoint = outcome.and_then(|outcome| outcome.checkpoint);
                    missing.push(MissingCell { cell, failed, checkpoint });
                }
            }
        }
        let source = match cells.first() {
            Some(CompletedCell { run, .. }) => {
                let result: Value = read_json(&run.result())?;
                result["data"].as_str().map(str::to_owned)
            }
            None => None,
        };
        let roles = read_if_exists(&RunFolder::new(folder).split())?;
        Ok(SweepResults {
            folder: folder.to_path_buf(),
            plan,
            choices,
            cells,
            missing,
            source,
            roles,
        })
    }
}

impl CompletedCell {
    fn read(record: CellRecord, run: RunFolder) -> Result<Self> {
        let frames = read_frames(run.frames())?;
        if frames.is_empty() {
            return Err(Error::file(run.frames(), "has no frame; remove the folder of this cell"));
        }
        let (slices, validations) = (read_slices(run.slices())?, validations(&run, "finetune")?);
        let result: Value = read_json(&run.result())?;
        let warnings = result["warnings"].as_array().into_iter().flatten();
        let warnings = warnings.filter_map(|line| line.as_str().map(str::to_owned)).collect();
        let outlines_nothing = outlines_nothing(&frames);
        Ok(CompletedCell { record, run, frames, slices, validations, outlines_nothing, warnings })
    }
}
