//! The sweep: methods by numbers of labelled subjects by seeds, in a folder that any number of
//! processes work on.
//!
//! | in the folder | what |
//! |---|---|
//! | `sweep.json` | the [`Plan`]: every setting of every arm; counts, seeds, methods and tables may be added |
//! | `pretrain/<method>[-<n>]/` | a run: a pretraining of a method, with the n-th settings that were tried |
//! | `protocol/<method>-<n>/` | a run: the n-th settings that were tried for a method, on validation subjects |
//! | `cells/<table>/<name>/` | a run: fine-tuning and testing, and `cell.json` once it is over |
//! | `claims/` | files that a process locks while it works on one of these |
//! | `report.html`, `table.md`, `table.csv` | what came out |
//!
//! Work without its last file (`pretraining.json`, `trial.json`, `cell.json`) is not done, and a claim
//! dies with its process: so a sweep can be killed anywhere and goes on where its runs were, as runs
//! do. All cells test on the same subjects and never train on them, and the labelled subjects of a seed
//! at one count are among those at the next.

mod ask;
mod cell;
mod claim;
mod kept;
mod plan;
mod possible;
mod protocol;
mod report;
mod results;
mod run;
mod status;

pub use ask::{Ask, Try};
pub use cell::{Cell, Ending, Outcome, Record};
pub use common::{Error, Result};
pub use plan::{Arm, Begun, Candidate, Plan, Subsets, Table, Variant};
pub use possible::check;
pub use protocol::{Choice, Trial, Tried};
pub use report::{bootstrap, holm, wilcoxon, write};
pub use results::{Done, Look, Lost, Results};
pub use run::{Ended, Shard, run};
pub use status::{Status, status};

#[cfg(test)]
mod tests;
