//! Training: tasks, the trainer that runs any of them, and the folders that runs leave.

pub mod data_record;
mod growth;
pub mod model;
mod predict_files;
mod progress;
pub mod roles;
pub mod run;
pub mod step;
pub mod study;
pub mod task;
pub mod trainer;

pub use common::{Error, Result};
pub use predict_files::{Tally, predict_files};
