//! Shared helpers of the checks that span crates.

pub mod cases;
pub mod gradients;
pub mod projection;
pub mod suites;
pub mod tasks;
