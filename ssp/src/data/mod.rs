//! Cine data: subjects, the data sets that they come from, and the way from there to batches.

mod acdc;
pub mod anatomy;
mod assemble;
pub mod cache;
mod cohort;
mod dataset;
mod files;
pub mod folder;
pub mod inspect;
mod mnms;
mod mnms2;
mod motion;
pub mod nifti;
mod open;
mod orient;
pub mod phantom;
pub mod phase_suffix;
pub mod sampler;
pub mod split;
pub mod split_file;
mod subject;
mod subject_table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod vendor;

pub use acdc::ACDC_LABELS;
pub(crate) use assemble::cardiac_phases_by_size;
pub use cohort::{Cohort, Member, PHANTOM, cache_folder};
pub use dataset::{Dataset, DatasetLayout, Diagnostics, LoadedSubject, SubjectEntry};
pub use motion::centre_of_motion;
pub(crate) use open::holds_mnms_at;
pub use open::{open, open_all};
pub use orient::{SliceOrder, StackMapping};
pub use phantom::{PhantomCohort, PhantomSettings};
pub use subject::{CLASSES, CardiacPhase, Label, LabelledFrame, Stack, Subject};
