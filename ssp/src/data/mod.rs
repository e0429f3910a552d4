//! Cine data: subjects, the sources that they come from, and the way from there to batches.

mod acdc;
pub mod anatomy;
pub mod cache;
mod cohort;
mod dataset;
pub mod folder;
pub mod inspect;
mod mnms;
mod mnms2;
mod motion;
pub mod nifti;
mod open;
mod orient;
pub mod phantom;
pub mod sampler;
pub mod split;
pub mod split_file;
mod subject;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod vendor;

pub use acdc::{ACDC_LABELS, Acdc};
pub use cohort::{Cohort, Member, PHANTOM, cache_folder};
pub(crate) use dataset::moments_of;
pub use dataset::{Dataset, Layout, Listing, Loaded, Remarks, Source};
pub use folder::Folder;
pub use mnms::Mnms;
pub use mnms2::{Mnms2, may_be_in_mnms};
pub use motion::centre_of_motion;
pub(crate) use open::holds_mnms_at;
pub use open::{open, open_all};
pub use orient::{Placement, SliceOrder};
pub use phantom::{PhantomCohort, PhantomSettings};
pub use subject::{CLASSES, Frame, Label, Moment, Stack, Subject};
