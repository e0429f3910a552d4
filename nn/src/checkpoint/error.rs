//! What can go wrong with weights files.

use std::path::{Path, PathBuf};

/// A failure to read or write a weights file, as one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The file was read, but its content cannot be used.
    #[error("{}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was found, and what to do about it.
        what: String,
    },
    /// The file has weights of the network in other shapes.
    #[error("{}: {what}", path.display())]
    Shapes {
        /// The file.
        path: PathBuf,
        /// The first shapes that differ.
        what: String,
    },
    /// A device has no memory left, or failed.
    #[error(transparent)]
    Tensor(#[from] tensor::Error),
}

/// The result type of reading and writing weights files.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Error::Io { path: path.to_path_buf(), source }
    }

    pub(super) fn content(path: &Path, what: impl Into<String>) -> Self {
        Error::Content { path: path.to_path_buf(), what: what.into() }
    }

    pub(super) fn shapes(path: &Path, what: impl Into<String>) -> Self {
        Error::Shapes { path: path.to_path_buf(), what: what.into() }
    }
}
