//! Cine data: subjects, the sources that they come from, and the way from there to batches.

mod acdc;
pub mod anatomy;
mod dataset;
pub mod folder;
pub mod inspect;
mod mnms;
mod mnms2;
pub mod nifti;
mod open;
mod orient;
pub mod phantom;
pub mod split;
mod subject;
mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod vendor;

pub use acdc::{ACDC_LABELS, Acdc};
pub use common::{Error, Result};
pub use dataset::moments_of;
pub use dataset::{Dataset, Layout, Listing, Loaded, Remarks, Source};
pub use folder::Folder;
pub use mnms::Mnms;
pub use mnms2::{Mnms2, may_be_in_mnms};
pub use open::{Found, find, holds_mnms, holds_mnms_at, list, open, open_all};
pub use orient::{Placement, SliceOrder};
pub use phantom::{PhantomCohort, PhantomSettings};
pub use subject::{CLASSES, Frame, Label, Moment, Stack, Subject};
