//! The study: cine data, augmentation, pretext tasks, fine-tuning, evaluation and report.

pub mod augment;
pub mod data;
mod error;
pub mod evaluate;
pub mod picture;
pub mod run;

pub use error::{Error, Result};
