//! Files for readers that take paths.

use std::path::{Path, PathBuf};

/// A folder of the thread, kept from one input to the next.
pub struct Desk(tempfile::TempDir);

impl Desk {
    /// An empty folder.
    pub fn new() -> Self {
        Desk(tempfile::tempdir().expect("a temporary folder"))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the folders above it.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        std::fs::write(&path, bytes).expect("a file");
        path
    }
}

/// Checks that an error is one line that a terminal shows as it is.
pub fn line<T>(result: common::Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            shown(&error.to_string());
            None
        }
    }
}

/// Checks a line.
pub fn shown(text: &str) {
    assert!(!text.is_empty() && text.len() < 4000, "{} bytes: {text:.200}", text.len());
    assert!(!text.contains('\n'), "several lines: {text}");
}
