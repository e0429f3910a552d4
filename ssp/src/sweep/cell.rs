//! One cell of a sweep: a method, a number of labelled subjects, a seed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::Result;
use crate::run::folder::{RunFolder, read_json, write_json};
use crate::settings::{Method, Settings};

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// How weights were pretrained.
    pub method: Method,
    /// Labelled subjects; none for all.
    pub labelled: Option<usize>,
    /// Seed of fine-tuning and of who has labels.
    pub seed: u64,
}

impl Cell {
    /// Its name, of which its folder is made: `pcl-10-s0`, `scratch-all-s2`.
    pub fn name(&self) -> String {
        let count = self.labelled.map_or("all".to_owned(), |count| count.to_string());
        format!("{}-{count}-s{}", self.method.name(), self.seed)
    }

    /// In words: `pcl, 10 labelled, seed 0`.
    pub fn described(&self) -> String {
        let count = self.labelled.map_or("all".to_owned(), |count| count.to_string());
        format!("{}, {count} labelled, seed {}", self.method.name(), self.seed)
    }

    /// Its run.
    pub fn folder(&self, sweep: &Path) -> RunFolder {
        RunFolder::new(sweep.join("cells").join("subjects").join(self.name()))
    }

    /// What came of it; none while it is not over.
    ///
    /// # Errors
    /// When its file cannot be used.
    pub fn record(&self, sweep: &Path) -> Result<Option<Record>> {
        let path = Record::path(&self.folder(sweep));
        if path.exists() { read_json(&path).map(Some) } else { Ok(None) }
    }

    /// The settings of its run.
    pub fn settings(&self, plan: &Plan) -> Settings {
        let mut settings = plan.arm(self.method).clone();
        settings.seed = self.seed;
        settings.labelled = self.labelled.unwrap_or(0);
        settings
    }
}

/// How a cell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// With results.
    Done,
    /// Without.
    Failed,
}

/// `cell.json`: what a cell was, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The table that it belongs to.
    pub table: String,
    /// How weights were pretrained.
    pub method: Method,
    /// Labelled subjects; none for all.
    pub labelled: Option<usize>,
    /// Seed.
    pub seed: u64,
    /// What sets it apart from others of its table, if anything does.
    pub variant: String,
    /// How it ended.
    pub state: Outcome,
    /// Why it failed.
    pub why: Option<String>,
    /// Time of fine-tuning and testing, over all sittings.
    pub seconds: f64,
    /// Subjects whose labels were used.
    pub train_subjects: usize,
    /// Subjects that were tested on.
    pub test_subjects: usize,
}

impl Record {
    fn path(folder: &RunFolder) -> PathBuf {
        folder.path().join("cell.json")
    }

    /// Writes it: the last thing that is done to a cell.
    pub(super) fn keep(&self, folder: &RunFolder) -> Result<()> {
        std::fs::create_dir_all(folder.path()).map_err(|e| crate::Error::io(folder.path(), e))?;
        write_json(&Self::path(folder), self)
    }

    /// Forgets it, so that the cell is done again.
    pub(super) fn forget(folder: &RunFolder) -> Result<()> {
        let path = Self::path(folder);
        std::fs::remove_file(&path).map_err(|e| crate::Error::io(&path, e))
    }
}
