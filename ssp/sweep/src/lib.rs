//! A sweep trains every method with several numbers of labelled subjects and several seeds, in a folder on
//! which any number of processes can work at once.
//!
//! | path in the folder | contents |
//! |---|---|
//! | `sweep.json` | the [`Plan`]: all settings of all arms. Counts, seeds, methods and tables can be added later |
//! | `pretrain/<method>[-<n>]/` | a run: a pretraining with the settings of the n-th candidate |
//! | `protocol/<method>-<n>/` | a run: the trial of the n-th candidate on validation subjects |
//! | `cells/<table>/<name>/` | a run: fine-tuning and testing; `cell.json` when it has finished |
//! | `claims/` | lock files of the processes at work |
//! | `report.html`, `table.md`, `table.csv` | the report |
//!
//! Work is finished when its last file exists (`pretraining.json`, `trial.json`, `cell.json`), and a lock is
//! released when its process ends. So a sweep can be killed at any time and resumed. All cells test on the same
//! subjects and never train on them. With the same seed, a smaller set of labelled subjects is part of every
//! larger one.

mod arm;
mod cell;
mod check;
mod claim;
mod options;
mod plan;
mod plan_file;
mod protocol;
mod report;
mod results;
mod run;
mod status;
mod study_table;
mod validation;
mod variants;

pub use arm::{Arm, Candidate};
pub use cell::{Cell, CellRecord, Outcome, OutcomeState};
pub use check::check;
pub use common::{Error, Result};
pub use options::{SettingGrid, SweepOptions};
pub use plan::{InitialPlan, Plan, Subsets, Variant};
pub use protocol::{CandidateResult, SettingChoice, TrialResult};
pub use report::{bootstrap, holm, wilcoxon, write};
pub use results::{CompletedCell, MissingCell, SweepResults};
pub use run::{Shard, SweepSummary, run};
pub use status::{Status, WorkItem, WorkKind, WorkState, status};
pub use study_table::StudyTable;
pub use validation::Validation;

#[cfg(test)]
mod tests;
