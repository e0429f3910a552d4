//! The study: cine data, augmentation, pretext tasks, fine-tuning, evaluation and report.

pub mod augment;
pub mod bench;
pub mod data;
pub mod device;
mod error;
pub mod evaluate;
mod growth;
pub mod model;
pub mod picture;
pub mod predict;
mod predict_files;
pub mod roles;
pub mod run;
pub mod settings;
pub mod step;
pub mod study;
pub mod sweep;
pub mod task;
pub mod train;
mod yaml;

pub use error::{Error, Result};
pub use predict_files::{Tally, predict_files};
pub use tensor::{DType, Device, OutOfMemory};
