//! Progress reporting.

use std::path::Path;

/// Receives the progress of a long computation: a progress bar, a log.
pub trait Watcher: Sync {
    /// A note for the user, in one line.
    fn note(&self, text: &str);

    /// The folder of the run, from which it can be resumed.
    fn folder(&self, path: &Path) {
        self.note(&format!("run folder: {}", path.display()));
    }

    /// A job of `total` parts starts.
    fn begin(&self, name: &str, total: u64);

    /// `done` parts of the job are complete; `text` describes its state.
    fn advance(&self, done: u64, text: &str);

    /// The job has ended.
    fn end(&self);

    /// From now on, or no longer, the work asks [`is_interrupted`](Self::is_interrupted) every few seconds at
    /// most, and can save what it did.
    fn can_save(&self, _can: bool) {}

    /// Whether the work is to be saved and to end, with [`Error::Interrupted`](crate::Error::Interrupted).
    fn is_interrupted(&self) -> bool {
        false
    }
}
