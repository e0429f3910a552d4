//! Cine data: subjects, and the sources that they come from.

mod subject;

pub use subject::{CLASSES, Frame, Label, Moment, Stack, Subject};
