//! A cell of a sweep (a method, a number of labelled subjects, a seed) and its outcome.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::study_table::StudyTable;
use crate::{Error, Result};
use settings::Method;
use train::run::folder::{RunFolder, read_json, write_json};

/// One fine-tuning with its test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The table that it belongs to.
    pub table: StudyTable,
    /// Name of the variant of fine-tuning; empty in [`StudyTable::Subjects`].
    pub variant: String,
    /// How weights were pretrained.
    pub method: Method,
    /// Labelled subjects; none for all.
    pub labelled: Option<usize>,
    /// Seed of fine-tuning and of the choice of labelled subjects.
    pub seed: u64,
}

impl Cell {
    /// Its name, which is part of the path of its folder: `subjects/pcl-10-s0`,
    /// `vendors/A+B-scratch-all-s2`.
    pub fn name(&self) -> String {
        let plain = |c: char| if c.is_alphanumeric() || c == '+' { c } else { '_' };
        let variant: String = self.variant.chars().map(plain).collect();
        let variant = if variant.is_empty() { variant } else { variant + "-" };
        let (table, method, count) = (self.table.name(), self.method.name(), self.count());
        format!("{table}/{variant}{method}-{count}-s{}", self.seed)
    }

    /// The number of labelled subjects, or `all`.
    pub fn count(&self) -> String {
        self.labelled.map_or("all".to_owned(), |count| count.to_string())
    }

    /// For messages: `pcl, 10 labelled, seed 0`; `vendors A+B: scratch, all labelled, seed 2`.
    pub fn description(&self) -> String {
        let (prefix, method) = (self.table_prefix(), self.method.name());
        format!("{prefix}{method}, {} labelled, seed {}", self.count(), self.seed)
    }

    /// Table and variant as a prefix: `vendors A+B: `; empty in [`StudyTable::Subjects`].
    pub(super) fn table_prefix(&self) -> String {
        match self.table {
            StudyTable::Subjects => String::new(),
            table => format!("{} {}: ", table.name(), self.variant),
        }
    }

    /// The folder of its run.
    pub fn folder(&self, sweep: &Path) -> RunFolder {
        RunFolder::new(sweep.join("cells").join(self.name()))
    }

    /// Its record; none before it has finished.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn record(&self, sweep: &Path) -> Result<Option<CellRecord>> {
        read_if_exists(&self.folder(sweep).path().join(RECORD))
    }
}

/// `cell.json`: a finished cell and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellRecord {
    /// The cell.
    #[serde(flatten)]
    pub cell: Cell,
    /// Its outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Subjects whose labels were used.
    pub train_subjects: usize,
    /// Subjects that were tested on.
    pub test_subjects: usize,
}

impl AsRef<Outcome> for CellRecord {
    fn as_ref(&self) -> &Outcome {
        &self.outcome
    }
}

impl AsRef<Outcome> for Outcome {
    fn as_ref(&self) -> &Outcome {
        self
    }
}

/// The file in the folder of a cell that marks it as finished.
pub(super) const RECORD: &str = "cell.json";

/// The outcome of a pretraining, a trial or a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether there are results.
    pub state: OutcomeState,
    /// Why it failed.
    #[serde(rename = "why")]
    pub reason: Option<String>,
    /// The last finite weights before a failure, if any were saved: a path relative to the sweep's folder.
    pub checkpoint: Option<PathBuf>,
    /// Time that it took, over all sessions.
    pub seconds: f64,
    /// The device of the last session: rounding differs between devices and instruction sets.
    #[serde(default)]
    pub device: Option<String>,
}

/// Whether there are results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeState {
    /// There are results.
    Done,
    /// There are none.
    Failed,
}

impl Outcome {
    /// Success after `seconds`.
    pub fn done(seconds: f64) -> Self {
        Outcome { state: OutcomeState::Done, reason: None, checkpoint: None, seconds, device: None }
    }

    /// Failure.
    pub fn failed(reason: String) -> Self {
        Outcome { state: OutcomeState::Failed, reason: Some(reason), ..Outcome::done(0.0) }
    }

    /// Whether there are results.
    pub fn is_done(&self) -> bool {
        self.state == OutcomeState::Done
    }
}

/// Reads a value from a JSON file; none if the file does not exist.
pub(super) fn read_if_exists<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match read_json(path) {
        Ok(value) => Ok(Some(value)),
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a file, unless another process has already done so.
pub(super) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    }
}

/// Writes the file that marks work as finished, so always as its last step.
pub(super) fn write_record(path: &Path, record: &impl Serialize) -> Result<()> {
    if let Some(folder) = path.parent() {
        common::files::create_dir_all(folder)?;
    }
    write_json(path, record)
}
