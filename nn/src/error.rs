//! What can go wrong with networks and their files.

use std::path::{Path, PathBuf};

/// A failure of the network library, as one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file was read, and what it holds cannot be used.
    #[error("{}: {what}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What was found, and what to do about it.
        what: String,
    },
    /// The engine below refused.
    #[error(transparent)]
    Tensor(#[from] tensor::Error),
}

/// The network library's result type.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Error::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn checkpoint(path: &Path, what: impl Into<String>) -> Self {
        Error::Checkpoint { path: path.to_path_buf(), what: what.into() }
    }
}
