//! What every part of the study uses: errors, files that are replaced atomically, progress reporting,
//! the choice of a device, the purposes of random numbers, text for terminals and tables, and YAML that
//! remembers where each value stands.

pub mod device;
mod error;
pub mod files;
mod progress;
pub mod purposes;
pub mod text;
pub mod yaml;

pub use error::{Error, Result};
pub use progress::Watcher;
