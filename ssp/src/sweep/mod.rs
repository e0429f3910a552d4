//! The sweep: methods by numbers of labelled subjects by seeds, in a folder that any number of
//! processes work on.
//!
//! | in the folder | what |
//! |---|---|
//! | `sweep.json` | the [`Plan`]: every setting of every arm, written once |
//! | `pretrain/<method>/` | a run: one pretraining for all cells of a method |
//! | `cells/subjects/<method>-<count>-s<seed>/` | a run: fine-tuning and testing, and `cell.json` once it is over |
//! | `claims/` | files that a process locks while it works on one of these |
//! | `table.csv`, `table.md` | what came out |
//!
//! A cell without `cell.json` is not done, and a claim dies with its process: so a sweep can be killed
//! anywhere and goes on where its runs were, as runs do. All cells test on the same subjects and never
//! train on them, and the labelled subjects of a seed at one count are among those at the next.

mod cell;
mod run;
mod statistics;
mod status;
mod table;

pub use cell::{Cell, Outcome, Record};
pub use run::{Shard, run};
pub use statistics::{holm, wilcoxon};
pub use status::{Status, status};
pub use table::write;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::run::folder::{read_json, write_json};
use crate::settings::{Method, Settings};
use crate::{Error, Result};

/// What is swept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The settings of each method; `labelled` and `seed` are the cells'.
    pub arms: Vec<Settings>,
    /// Labelled subjects; none for all.
    pub counts: Vec<Option<usize>>,
    /// Seeds of fine-tuning and of who has labels.
    pub seeds: Vec<u64>,
    /// Folders of subjects; none for the built-in cohort.
    pub data: Vec<PathBuf>,
    /// Folders of test subjects; none to hold some out.
    pub test: Vec<PathBuf>,
}

impl Plan {
    /// Settles what all arms must share: the same split, whatever the seed of a cell.
    ///
    /// # Errors
    /// When there is nothing to do, or a method stands twice.
    pub fn settled(mut self) -> Result<Self> {
        if self.arms.is_empty() || self.counts.is_empty() || self.seeds.is_empty() {
            let what = "a sweep takes a method, a count and a seed at least";
            return Err(Error::Setting(what.into()));
        }
        for (index, arm) in self.arms.iter().enumerate() {
            if self.arms[..index].iter().any(|other| other.method == arm.method) {
                let what = format!("method {} stands twice among --methods", arm.method.name());
                return Err(Error::Setting(what));
            }
        }
        let split_seed = self.arms[0].subjects.split_seed.unwrap_or(self.arms[0].seed);
        for arm in &mut self.arms {
            arm.subjects.split_seed = Some(split_seed);
            arm.check()?;
        }
        self.counts.sort_by_key(|count| count.unwrap_or(usize::MAX));
        self.counts.dedup();
        Ok(self)
    }

    /// The plan of a sweep's folder, which is kept there if there was none.
    ///
    /// # Errors
    /// When the folder holds another, or cannot be written.
    pub fn keep(&self, folder: &Path) -> Result<()> {
        let path = folder.join("sweep.json");
        if path.exists() {
            if Plan::read(folder)? == *self {
                return Ok(());
            }
            let what = "holds a sweep of another plan; leave all but --out away to go on with it, \
                        or name another folder with --out";
            return Err(Error::file(folder, what));
        }
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        write_json(&path, self)
    }

    /// The plan that a folder holds.
    ///
    /// # Errors
    /// When it holds none that can be used.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("sweep.json");
        if !path.exists() {
            return Err(Error::file(folder, "holds no sweep: there is no sweep.json"));
        }
        read_json(&path)
    }

    /// Every cell: small counts first, so that a sweep that is cut off has whole columns.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &labelled in &self.counts {
            for &seed in &self.seeds {
                let arms = self.arms.iter().map(|arm| arm.method);
                cells.extend(arms.map(|method| Cell { method, labelled, seed }));
            }
        }
        cells
    }

    /// The settings of a method's arm.
    pub fn arm(&self, method: Method) -> &Settings {
        let found = self.arms.iter().find(|arm| arm.method == method);
        found.expect("cells are made of the plan's own arms")
    }
}

#[cfg(test)]
mod tests;
