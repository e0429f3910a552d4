//! One cell of a sweep: a method, a number of labelled subjects, a seed; and what came of it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::Table;
use crate::{Error, Result};
use settings::Method;
use train::run::folder::{RunFolder, read_json, write_json};

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The table that it belongs to.
    pub table: Table,
    /// The change to fine-tuning that it stands for, by its name in that table; empty in
    /// [`Table::Subjects`].
    pub variant: String,
    /// How weights were pretrained.
    pub method: Method,
    /// Labelled subjects; none for all.
    pub labelled: Option<usize>,
    /// Seed of fine-tuning and of who has labels.
    pub seed: u64,
}

impl Cell {
    /// Its name, of which its folder is made: `subjects/pcl-10-s0`, `vendors/A+B-scratch-all-s2`.
    pub fn name(&self) -> String {
        let plain = |c: char| if c.is_alphanumeric() || c == '+' { c } else { '_' };
        let variant: String = self.variant.chars().map(plain).collect();
        let variant = if variant.is_empty() { variant } else { variant + "-" };
        let (table, method, count) = (self.table.name(), self.method.name(), self.count());
        format!("{table}/{variant}{method}-{count}-s{}", self.seed)
    }

    /// Labelled subjects: a number, or `all`.
    pub fn count(&self) -> String {
        self.labelled.map_or("all".to_owned(), |count| count.to_string())
    }

    /// In words: `pcl, 10 labelled, seed 0`; `vendors A+B: scratch, all labelled, seed 2`.
    pub fn described(&self) -> String {
        let (place, method) = (self.place(), self.method.name());
        format!("{place}{method}, {} labelled, seed {}", self.count(), self.seed)
    }

    /// The table and variant before the rest: `vendors A+B: `; nothing in [`Table::Subjects`].
    pub(super) fn place(&self) -> String {
        match self.table {
            Table::Subjects => String::new(),
            table => format!("{} {}: ", table.name(), self.variant),
        }
    }

    /// Its run.
    pub fn folder(&self, sweep: &Path) -> RunFolder {
        RunFolder::new(sweep.join("cells").join(self.name()))
    }

    /// What came of it; none while it is not over.
    ///
    /// # Errors
    /// When its file cannot be used.
    pub fn record(&self, sweep: &Path) -> Result<Option<Record>> {
        read_if_there(&self.folder(sweep).path().join(RECORD))
    }
}

/// `cell.json`: a cell, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Which one.
    #[serde(flatten)]
    pub cell: Cell,
    /// How it ended.
    #[serde(flatten)]
    pub ending: Ending,
    /// Subjects whose labels were used.
    pub train_subjects: usize,
    /// Subjects that were tested on.
    pub test_subjects: usize,
}

impl AsRef<Ending> for Record {
    fn as_ref(&self) -> &Ending {
        &self.ending
    }
}

impl AsRef<Ending> for Ending {
    fn as_ref(&self) -> &Ending {
        self
    }
}

/// The file of a cell that is over, in its folder.
pub(super) const RECORD: &str = "cell.json";

/// How a piece of work ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// With results or without.
    pub state: Outcome,
    /// Why it failed.
    pub why: Option<String>,
    /// The last good weights before it failed, where any were kept: a path in the sweep's folder.
    pub checkpoint: Option<PathBuf>,
    /// Time that it took, over all sittings.
    pub seconds: f64,
    /// Where it was computed at last: bits differ between devices and instruction sets.
    #[serde(default)]
    pub device: Option<String>,
}

/// Whether there are results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// With results.
    Done,
    /// Without.
    Failed,
}

impl Ending {
    /// One with results, that took so many seconds.
    pub fn done(seconds: f64) -> Self {
        Ending { state: Outcome::Done, why: None, checkpoint: None, seconds, device: None }
    }

    /// One without.
    pub fn failed(why: String) -> Self {
        Ending { state: Outcome::Failed, why: Some(why), ..Ending::done(0.0) }
    }

    /// With results.
    pub fn is_done(&self) -> bool {
        self.state == Outcome::Done
    }
}

/// Reads a value from JSON; none where there is no file, or none any more.
pub(super) fn read_if_there<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match read_json(path) {
        Ok(value) => Ok(Some(value)),
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a file; another process may have done so.
pub(super) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    }
}

/// Writes the file that says that work is over: the last thing that is done to it.
pub(super) fn keep(path: &Path, record: &impl Serialize) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    write_json(path, record)
}
