//! Cine data: subjects, and the sources that they come from.

pub mod phantom;
mod subject;

pub use phantom::{PhantomCohort, PhantomSettings};
pub use subject::{CLASSES, Frame, Label, Moment, Stack, Subject};
