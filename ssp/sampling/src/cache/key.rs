//! What a cache was built from.

use std::path::Path;
use std::time::UNIX_EPOCH;

use super::file::checksum;
use crate::{Error, Result};

/// Names what a cache holds: the reader and its version, and the path, size and time of change of
/// every file that was read. When any of them changes, the key does, and the cache is built anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    reader: String,
    text: String,
}

impl Key {
    /// The key of what `reader`, in its version `version`, makes of the files `sources`.
    ///
    /// # Errors
    /// When a file cannot be looked at.
    pub fn of_files<P: AsRef<Path>>(reader: &str, version: u32, sources: &[P]) -> Result<Self> {
        let mut key = Self::of_settings(reader, version, "");
        for path in sources.iter().map(AsRef::as_ref) {
            let absolute = std::path::absolute(path).map_err(|e| Error::io(path, e))?;
            let metadata = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
            let changed = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            let nanoseconds = changed.map_or(0, |time| time.as_nanos());
            let length = metadata.len();
            key.text += &format!("{}\t{length}\t{nanoseconds}\n", absolute.display());
        }
        Ok(key)
    }

    /// The key of what `reader` makes of settings alone, as a drawn cohort.
    pub fn of_settings(reader: &str, version: u32, settings: &str) -> Self {
        Key { reader: reader.into(), text: format!("{reader} {version}\n{settings}\n") }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Keys that differ have different names, but for one chance in 2^64, which the text of the
    /// key in the file then gives away.
    pub(super) fn file_name(&self) -> String {
        let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let reader: String = self.reader.chars().map(safe).collect();
        format!("{reader}-{:016x}.cache", checksum(self.text.as_bytes()))
    }
}
