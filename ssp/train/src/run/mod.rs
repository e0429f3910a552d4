//! A run: a folder that holds what a training did, and survives being cut off at any moment.

pub mod folder;
pub mod metrics;
pub mod pictures;
