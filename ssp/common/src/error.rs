//! What can go wrong in the study, each as one line that names the file or setting at fault.

use std::path::{Path, PathBuf};

use crate::text;

/// A failure of the study's library.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("{}: {source}", shown(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file was read, and what it holds cannot be used.
    #[error("{}: {what}", shown(path))]
    File {
        /// The file.
        path: PathBuf,
        /// What was found, and what to do about it.
        what: String,
    },
    /// Data that are readable but do not fit what was asked of them.
    #[error("{0}")]
    Data(String),
    /// A setting that is unknown, out of range or at odds with another.
    #[error("{0}")]
    Setting(String),
    /// A training whose loss is no longer a number.
    #[error("{what}")]
    Diverged {
        /// Of which stage, when, and what to do.
        what: String,
        /// The last file to resume from, or the best weights, where there are any.
        checkpoint: Option<PathBuf>,
    },
    /// Work that a signal ended early, after it was saved; says what was saved.
    #[error("interrupted: {0}")]
    Interrupted(String),
    /// The engine below refused.
    #[error(transparent)]
    Tensor(#[from] tensor::Error),
}

/// The study's result type.
pub type Result<T> = std::result::Result<T, Error>;

/// A path on one line, whatever is in its name.
fn shown(path: &Path) -> String {
    text::line(&path.display().to_string()).into_owned()
}

impl Error {
    /// An operating-system failure on `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// Whether it is a run's own doing, so that another run may well end otherwise: one that asks for less
    /// of a device's memory, too. A full disk or a device that fails are no run's doing.
    pub fn is_of_the_run(&self) -> bool {
        matches!(self, Error::Diverged { .. } | Error::Data(_) | Error::Setting(_))
            || self.is_out_of_device_memory()
    }

    /// Whether a device has not the memory that was asked for.
    pub fn is_out_of_device_memory(&self) -> bool {
        use tensor::Error::DeviceMemory;
        matches!(self, Error::Tensor(DeviceMemory { .. }))
    }

    /// Content of `path` that cannot be used.
    pub fn file(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Error::File { path: path.as_ref().to_path_buf(), what: what.into() }
    }
}

impl From<nn::checkpoint::Error> for Error {
    fn from(error: nn::checkpoint::Error) -> Self {
        use nn::checkpoint::Error as Checkpoint;
        match error {
            Checkpoint::Io { path, source } => Error::Io { path, source },
            Checkpoint::Content { path, what } => Error::File { path, what },
            Checkpoint::Shapes { path, what } => {
                let hint = "was it trained with other channels (network.channels, --preset)?";
                Error::File { path, what: format!("{what}; {hint}") }
            }
            Checkpoint::Tensor(error) => Error::Tensor(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_the_line_of_its_error() {
        let error = Error::file("a\n\u{1b}[2Jb.nii", "is empty").to_string();
        assert_eq!(error, "a\\n\\u{1b}[2Jb.nii: is empty");
    }

    #[test]
    fn what_a_run_does_is_told_from_what_happens_to_it() {
        let memory =
            || tensor::Error::DeviceMemory { device: "a GPU".into(), requested: 2, available: 1 };
        let own = [
            Error::Setting(String::new()),
            Error::Tensor(memory()),
            nn::checkpoint::Error::Tensor(memory()).into(),
        ];
        assert!(own.iter().all(Error::is_of_the_run));
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let failed = tensor::Error::Device { device: "a GPU".into(), what: "it broke".into() };
        let happened = [Error::io("sweep", full), Error::Tensor(failed)];
        assert!(!happened.iter().any(Error::is_of_the_run));
    }
}
