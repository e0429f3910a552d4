//! Cine data: subjects, and the data sets that they come from.

mod acdc;
mod acdc_info;
pub mod anatomy;
mod assemble;
mod dataset;
mod diagnostics;
mod files;
pub mod folder;
mod folder_numbering;
pub mod inspect;
mod intensities;
mod mnms;
mod mnms2;
pub mod nifti;
mod open;
mod orient;
pub mod phantom;
pub mod phase_suffix;
pub mod plausibility;
pub mod split;
mod subject;
mod subject_folder;
mod subject_table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_doubts;
#[cfg(test)]
mod tests_names;
mod text;
pub mod vendor;

pub use acdc::ACDC_LABELS;
pub use assemble::cardiac_phases_by_size;
pub use common::{Error, Result};
pub use dataset::{Dataset, DatasetLayout, LoadedSubject, SubjectEntry};
pub use diagnostics::{Diagnostics, by_line};
pub use files::composed;
pub use open::{Found, find, holds_mnms, holds_mnms_at, list, open, open_all};
pub use orient::{SliceOrder, StackMapping};
pub use phantom::{PhantomCohort, PhantomSettings};
pub use subject::{CLASSES, CardiacPhase, Label, LabelledFrame, Stack, Subject};
