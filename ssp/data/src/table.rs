//! A source's tables of subjects: CSV files, a row per subject.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::open::names_in;
use crate::{Error, Result};

/// Rows by the subject's ID.
#[derive(Default)]
pub(super) struct Table {
    /// Where they are from.
    pub files: Vec<PathBuf>,
    rows: HashMap<String, HashMap<String, String>>,
}

impl Table {
    /// Reads, for each subject's folder, the nearest CSV file above it (three levels at most) that has a
    /// column named `key`. There may be none; of rows of one ID the first is taken.
    ///
    /// # Errors
    /// If one is found and cannot be read.
    pub(super) fn find(subjects: &[PathBuf], key: &str) -> Result<Table> {
        let mut table = Table::default();
        let mut seen: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for subject in subjects {
            let full = std::path::absolute(subject).map_err(|error| Error::io(subject, error))?;
            for folder in full.ancestors().skip(1).take(3) {
                let there = match seen.get(folder) {
                    Some(&there) => there,
                    None => {
                        let there = table.read_from(folder, key)?;
                        seen.insert(folder.to_path_buf(), there);
                        there
                    }
                };
                if there {
                    break;
                }
            }
        }
        Ok(table)
    }

    /// Reads the first table of a folder with a column named `key`, if there is one.
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

    /// Reads a table, if it has a column named `key`. Rows may be ragged; fields are trimmed.
    fn read(&mut self, path: &Path, key: &str) -> Result<bool> {
        let wrong = |error: csv::Error| Error::file(path, format!("is no readable table: {error}"));
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(wrong)?;
        // Some spreadsheets put a mark of the encoding before the first name.
        let columns: Vec<String> = match reader.byte_headers() {
            Ok(names) => names.iter().map(text).collect(),
            Err(error) => return Err(wrong(error)),
        };
        let Some(at) = columns.iter().position(|column| column == key) else { return Ok(false) };
        for record in reader.byte_records() {
            let row: Vec<String> = record.map_err(wrong)?.iter().map(text).collect();
            if let Some(id) = row.get(at).map(|id| plain(id)) {
                let cells = columns.iter().cloned().zip(row);
                self.rows.entry(id).or_insert_with(|| cells.collect());
            }
        }
        Ok(true)
    }

    /// A subject's cell, if there is one with anything in it. IDs that are numbers match whatever
    /// their leading zeros: spreadsheets drop them.
    pub(super) fn get(&self, id: &str, column: &str) -> Option<String> {
        let cell = self.rows.get(&plain(id))?.get(column)?;
        (!cell.is_empty()).then(|| cell.clone())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').to_string()
}

fn plain(id: &str) -> String {
    id.parse::<u64>().map_or_else(|_| id.to_string(), |number| number.to_string())
}
