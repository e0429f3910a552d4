//! From subjects to batches: a cohort behind its cache, samplers, and augmented views.

pub mod augment;
pub mod cache;
mod cohort;
pub mod copies;
mod motion;
pub mod sampler;
pub mod split_file;

pub use cohort::{Cohort, Member, PHANTOM, cache_folder};
pub use common::{Error, Result};
pub use motion::centre_of_motion;
pub use sampler::{Centre, Phases};
