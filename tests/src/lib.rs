//! Shared helpers of the checks that span crates.

pub mod cases;
pub mod compare;
pub mod data;
pub mod devices;
pub mod gradients;
pub mod made_up;
pub mod projection;
pub mod suites;
pub mod tasks;
