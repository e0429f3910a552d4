//! What a cache was built from.

use std::path::{Path, PathBuf};

use super::file::checksum;
use super::fingerprints::{Fingerprint, Stamp, fingerprints};
use crate::{Error, Result};

/// Names what a cache holds: the reader and its version, and the path and content of every file
/// that was read. When any of them changes, the key does, and the cache is built anew.
#[derive(Clone, Debug)]
pub struct Key {
    reader: String,
    text: String,
    /// The files as they were when their content was hashed.
    sources: Vec<(PathBuf, Stamp)>,
}

impl Key {
    /// The key of what `reader`, in its version `version` and with these settings, makes of the
    /// files `sources`. What spares a later call from reading them is kept in `folder`.
    ///
    /// Paths are part of the key because messages about a file name it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of_files<P: AsRef<Path>>(
        reader: &str,
        version: u32,
        settings: &str,
        sources: &[P],
        folder: &Path,
    ) -> Result<Self> {
        let mut key = Self::of_settings(reader, version, settings);
        let absolute = |path: &P| {
            let path = path.as_ref();
            std::path::absolute(path).map_err(|e| Error::io(path, e))
        };
        let paths = sources.iter().map(absolute).collect::<Result<Vec<_>>>()?;
        let names: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
        let memory = folder.join(named(reader, &names, "files"));
        let found = fingerprints(&paths, &memory)?;
        for (path, Fingerprint { stamp, content, .. }) in paths.into_iter().zip(found) {
            key.text += &format!("{}\t{content}\n", path.display());
            key.sources.push((path, stamp));
        }
        Ok(key)
    }

    /// The key of what `reader` makes of settings alone, as a drawn cohort.
    pub fn of_settings(reader: &str, version: u32, settings: &str) -> Self {
        let text = format!("{reader} {version}\n{settings}\n");
        Key { reader: reader.into(), text, sources: vec![] }
    }

    /// Refuses files that have changed since their content was hashed: what was read of them may be of
    /// either state.
    ///
    /// # Errors
    /// When one has, or is gone.
    pub(super) fn refuse_changed(&self) -> Result<()> {
        for (path, stamp) in &self.sources {
            if Stamp::of(path)? != *stamp {
                let what = "changed while it was read; try again when nothing writes to it";
                return Err(Error::file(path, what));
            }
        }
        Ok(())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Keys that differ have different names, but for one chance in 2^64, which the text of the
    /// key in the file then gives away.
    pub(super) fn file_name(&self) -> String {
        named(&self.reader, &self.text, "cache")
    }
}

/// The name of a file of a reader about `text`.
fn named(reader: &str, text: &str, ending: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let reader: String = reader.chars().map(safe).collect();
    format!("{reader}-{:016x}.{ending}", checksum(text.as_bytes()))
}
