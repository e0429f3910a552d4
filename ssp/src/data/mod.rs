//! Cine data: subjects, and the sources that they come from.

pub mod cache;
pub mod sampler;
pub mod split;
mod subject;

pub use subject::{CLASSES, Frame, Label, Moment, Stack, Subject};
