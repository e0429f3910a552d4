//! A data set's tables of subjects: CSV files with one row per subject.
//!
//! Tables are read as spreadsheets of every country save them: fields divided by commas, semicolons, tabs
//! or bars, perhaps after a line `sep=;`, in UTF-8, UTF-16 or Windows-1252.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::files::{composed, names_in};
use super::text;
use crate::{Error, Result};

/// Cells by subject and column.
#[derive(Default)]
pub(super) struct SubjectTable {
    /// The files that were read.
    pub files: Vec<PathBuf>,
    rows: HashMap<String, HashMap<String, String>>,
    /// Names of all columns, as [`column_key`] spells them.
    columns: Vec<String>,
    /// Rows of one subject with different values.
    conflicts: Vec<String>,
    /// Files that may be the table and could not be used, and why.
    unusable: Vec<String>,
}

impl SubjectTable {
    /// Reads, for each subject's folder, the tables with a column named `key` in the nearest of the three
    /// folders above it that has one. There may be none. Of several rows of one ID, the first is used.
    pub(super) fn find(subjects: &[PathBuf], key: &str) -> Result<SubjectTable> {
        let mut table = SubjectTable::default();
        let mut visited: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for subject in subjects {
            let full = std::path::absolute(subject).map_err(|error| Error::io(subject, error))?;
            for folder in full.ancestors().skip(1).take(3) {
                let found = match visited.get(folder) {
                    Some(&found) => found,
                    None => table.read_from(folder, key),
                };
                visited.insert(folder.to_path_buf(), found);
                if found {
                    break;
                }
            }
        }
        Ok(table)
    }

    /// Reads the tables of a folder that have a column named `key`, and returns whether there are any.
    fn read_from(&mut self, folder: &Path, key: &str) -> bool {
        let Ok(names) = names_in(folder) else { return false };
        let mut found = false;
        for name in names {
            let lower = name.to_ascii_lowercase();
            let path = folder.join(&name);
            let result = if [".csv", ".tsv"].iter().any(|ending| lower.ends_with(ending)) {
                self.read(&path, key)
            } else if [".xlsx", ".xls", ".ods"].iter().any(|ending| lower.ends_with(ending)) {
                Err("is a spreadsheet; save it as CSV".to_owned())
            } else {
                continue;
            };
            match result {
                Ok(()) => {
                    found = true;
                    self.files.push(path);
                }
                Err(why) => self.unusable.push(format!("{} {why}", path.display())),
            }
        }
        found
    }

    /// Adds a table's rows. Rows may be ragged; fields are trimmed.
    fn read(&mut self, path: &Path, key: &str) -> std::result::Result<(), String> {
        let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
        let text = text::decode(&bytes);
        let (delimiter, text) = delimiter_line(&text);
        let mut rows = best_rows(delimiter, text, key)?.into_iter();
        let (_, header) = rows.next().ok_or("is empty")?;
        let columns: Vec<String> = header.iter().map(|name| column_key(name)).collect();
        let at = columns.iter().position(|column| *column == column_key(key)).unwrap_or(0);
        for (line, row) in rows {
            let Some(id) = row.get(at).filter(|id| !id.is_empty()) else { continue };
            let cells: HashMap<String, String> = columns.iter().cloned().zip(row.clone()).collect();
            match self.rows.get(&id_key(id)) {
                None => {
                    self.rows.insert(id_key(id), cells);
                }
                Some(first) => {
                    let differing = columns.iter().zip(&header).find(|(column, name)| {
                        let [one, other] = [first.get(*column), cells.get(*column)];
                        !name.is_empty() && one.is_some() && other.is_some() && one != other
                    });
                    self.conflicts.extend(differing.map(|(column, name)| {
                        format!(
                            "{}, line {line}: subject {id} is there before, with {name} {:?} instead of \
                             {:?}; the first row is used",
                            path.display(),
                            first[column],
                            cells[column]
                        )
                    }));
                }
            }
        }
        self.columns.extend(columns);
        Ok(())
    }

    /// A subject's cell, unless it is missing or empty.
    pub(super) fn get(&self, id: &str, column: &str) -> Option<String> {
        let cell = self.rows.get(&id_key(id))?.get(&column_key(column))?;
        (!cell.is_empty()).then(|| cell.clone())
    }

    /// What is wrong with the table for these subjects: that there is none, that it has not these
    /// columns, or not all subjects, or some of them twice with different values.
    pub(super) fn warnings(&self, ids: &[String], columns: &[&str]) -> Vec<String> {
        const FEW: usize = 3;
        if self.files.is_empty() {
            let none =
                "no table of subjects was found in the folders above them: vendors are unknown";
            let unusable = self.unusable.iter();
            return match self.unusable.is_empty() {
                true => vec![none.into()],
                false => unusable.map(|why| format!("no table of subjects: {why}")).collect(),
            };
        }
        let names: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        let names = names.join(", ");
        let mut found = self.conflicts.clone();
        for column in columns.iter().filter(|name| !self.columns.contains(&column_key(name))) {
            found.push(format!("{names}: has no column {column}"));
        }
        let missing: Vec<&str> = ids
            .iter()
            .filter(|id| !self.rows.contains_key(&id_key(id)))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            let more = if missing.len() > FEW { ", ..." } else { "" };
            found.push(format!(
                "{names}: has no row for {} of {} subjects ({}{more})",
                missing.len(),
                ids.len(),
                missing[..missing.len().min(FEW)].join(", ")
            ));
        }
        found
    }
}

/// The delimiter that a first line such as `sep=;` names, which some spreadsheets write, and the rest.
fn delimiter_line(text: &str) -> (Option<u8>, &str) {
    let (first, rest) = text.split_once(['\n', '\r']).unwrap_or((text, ""));
    let first =
        first.trim_matches(|c: char| c == '"' || c == '\r' || c == ' ').to_ascii_lowercase();
    match first.strip_prefix("sep=").map(str::as_bytes) {
        Some([delimiter, ..]) => (Some(*delimiter), rest),
        _ => (None, text),
    }
}

/// A table's rows with their lines, the header first, divided so that the header has the column `key`.
fn best_rows(
    delimiter: Option<u8>,
    text: &str,
    key: &str,
) -> std::result::Result<Vec<(u64, Vec<String>)>, String> {
    let delimiters = delimiter.into_iter().chain(*b",;\t|");
    let mut widest: Vec<String> = Vec::new();
    for delimiter in delimiters {
        let rows = rows(delimiter, text)?;
        let header = rows.first().map(|(_, header)| header.clone()).unwrap_or_default();
        if header.iter().any(|name| column_key(name) == column_key(key)) {
            return Ok(rows);
        }
        if header.len() > widest.len() {
            widest = header;
        }
    }
    if widest.iter().all(String::is_empty) {
        return Err("is empty".into());
    }
    let columns: String = widest.join(", ").chars().take(120).collect();
    Err(format!("has no column {key} in its first line ({})", columns.escape_debug()))
}

fn rows(delimiter: u8, text: &str) -> std::result::Result<Vec<(u64, Vec<String>)>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let row = |record: csv::Result<csv::StringRecord>| {
        let record = record.map_err(|error| format!("is not a readable table: {error}"))?;
        let line = record.position().map_or(0, |position| position.line());
        Ok((line, record.iter().map(composed).collect::<Vec<String>>()))
    };
    let rows: std::result::Result<Vec<_>, String> = reader.records().map(row).collect();
    // Spreadsheets write empty rows as lines of delimiters.
    Ok(rows?.into_iter().filter(|(_, row)| row.iter().any(|cell| !cell.is_empty())).collect())
}

/// A column's name without case, blanks and `_`.
fn column_key(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && *c != '_').flat_map(char::to_lowercase).collect()
}

/// An ID without case. Numbers have no leading zeros, as spreadsheets drop them.
fn id_key(id: &str) -> String {
    text::whole_number(id).map_or_else(|| composed(id).to_lowercase(), |number| number.to_string())
}
