//! A source's table of subjects: a CSV file, a row per subject.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::open::names_in;
use crate::{Error, Result};

/// Rows by the subject's ID.
pub(super) struct Table {
    columns: Vec<String>,
    rows: HashMap<String, Vec<String>>,
}

impl Table {
    /// Finds the CSV file that has a column named `key`, in the folders above the subjects' (three
    /// levels at most), nearest first. There may be none.
    ///
    /// # Errors
    /// If it is found and cannot be read.
    pub(super) fn find(subjects: &[PathBuf], key: &str) -> Result<Option<Table>> {
        let Some(subject) = subjects.first() else { return Ok(None) };
        let full = std::path::absolute(subject).map_err(|error| Error::io(subject, error))?;
        for folder in full.ancestors().skip(1).take(3) {
            let Ok(names) = names_in(folder) else { continue };
            for name in names.iter().filter(|name| name.to_ascii_lowercase().ends_with(".csv")) {
                if let Some(table) = Table::read(&folder.join(name), key)? {
                    return Ok(Some(table));
                }
            }
        }
        Ok(None)
    }

    /// Reads a table, if it has a column named `key`. Rows may be ragged; fields are trimmed.
    fn read(path: &Path, key: &str) -> Result<Option<Table>> {
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
        let Some(at) = columns.iter().position(|column| column == key) else { return Ok(None) };
        let mut rows = HashMap::new();
        for record in reader.byte_records() {
            let row: Vec<String> = record.map_err(wrong)?.iter().map(text).collect();
            if let Some(id) = row.get(at) {
                rows.insert(plain(id), row);
            }
        }
        Ok(Some(Table { columns, rows }))
    }

    /// A subject's cell, if there is one with anything in it. IDs that are numbers match whatever
    /// their leading zeros: spreadsheets drop them.
    pub(super) fn get(&self, id: &str, column: &str) -> Option<String> {
        let at = self.columns.iter().position(|name| name == column)?;
        let cell = self.rows.get(&plain(id))?.get(at)?;
        (!cell.is_empty()).then(|| cell.clone())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').to_string()
}

fn plain(id: &str) -> String {
    id.parse::<u64>().map_or_else(|_| id.to_string(), |number| number.to_string())
}
