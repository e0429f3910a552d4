//! A data set's tables of subjects: CSV files with one row per subject.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::files::names_in;
use crate::{Error, Result};

/// Cells by subject and column.
#[derive(Default)]
pub(super) struct SubjectTable {
    /// The CSV files that were read.
    pub files: Vec<PathBuf>,
    rows: HashMap<String, HashMap<String, String>>,
}

impl SubjectTable {
    /// Reads, for each subject's folder, the nearest CSV file in the three folders above it that has a
    /// column named `key`. There may be none. Of several rows of one ID, the first is used.
    pub(super) fn find(subjects: &[PathBuf], key: &str) -> Result<SubjectTable> {
        let mut table = SubjectTable::default();
        let mut visited: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for subject in subjects {
            let full = std::path::absolute(subject).map_err(|error| Error::io(subject, error))?;
            for folder in full.ancestors().skip(1).take(3) {
                let found = match visited.get(folder) {
                    Some(&found) => found,
                    None => table.read_from(folder, key)?,
                };
                visited.insert(folder.to_path_buf(), found);
                if found {
                    break;
                }
            }
        }
        Ok(table)
    }

    /// Reads the first CSV file of a folder with a column named `key`, and returns whether there is one.
    fn read_from(&mut self, folder: &Path, key: &str) -> Result<bool> {
        let Ok(names) = names_in(folder) else { return Ok(false) };
        for name in names.iter().filter(|name| name.to_ascii_lowercase().ends_with(".csv")) {
            let path = folder.join(name);
            if self.read(&path, key)? {
                self.files.push(path);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads a CSV file if it has a column named `key`. Rows may be ragged; fields are trimmed.
    fn read(&mut self, path: &Path, key: &str) -> Result<bool> {
        let error =
            |error: csv::Error| Error::file(path, format!("is not a readable table: {error}"));
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(error)?;
        let columns: Vec<String> =
            reader.byte_headers().map_err(error)?.iter().map(to_text).collect();
        let Some(at) = columns.iter().position(|column| column == key) else { return Ok(false) };
        for record in reader.byte_records() {
            let row: Vec<String> = record.map_err(error)?.iter().map(to_text).collect();
            if let Some(id) = row.get(at).map(|id| without_leading_zeros(id)) {
                let cells = columns.iter().cloned().zip(row);
                self.rows.entry(id).or_insert_with(|| cells.collect());
            }
        }
        Ok(true)
    }

    /// A subject's cell, unless it is missing or empty. Leading zeros of numeric IDs are ignored, as
    /// spreadsheets drop them.
    pub(super) fn get(&self, id: &str, column: &str) -> Option<String> {
        let cell = self.rows.get(&without_leading_zeros(id))?.get(column)?;
        (!cell.is_empty()).then(|| cell.clone())
    }
}

/// A field as text, without the byte order mark that some spreadsheets write first.
fn to_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').to_string()
}

fn without_leading_zeros(id: &str) -> String {
    id.parse::<u64>().map_or_else(|_| id.to_string(), |number| number.to_string())
}
