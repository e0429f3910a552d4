//! Progress reporting.

use std::path::Path;

/// Receives the progress of a long computation: a progress bar, a log.
pub trait Watcher: Sync {
    /// Something worth a line.
    fn note(&self, text: &str);

    /// The folder that a run has, from which it can go on.
    fn folder(&self, path: &Path) {
        self.note(&format!("run folder: {}", path.display()));
    }

    /// A job of so many parts begins.
    fn begin(&self, name: &str, total: u64);

    /// So many parts of the job are done; `text` says how it goes.
    fn advance(&self, done: u64, text: &str);

    /// The job is over.
    fn end(&self);
}
