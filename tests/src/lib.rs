//! Shared helpers of the checks that span crates.

pub mod cases;
pub mod data;
pub mod devices;
pub mod levels;
pub mod made_up;
pub mod suites;
pub mod tasks;
