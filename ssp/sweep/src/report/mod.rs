//! What came out of a sweep: `report.html` to look through, `table.md` to read at the terminal and
//! `table.csv` to compute with.

mod compare;
mod csv;
mod level;
mod limits;
mod markdown;
mod page;
mod parts;
mod published;
mod statistics;
mod units;
mod verdict;
mod words;

use std::path::Path;

use super::Results;
use super::claim::wait_for;
use crate::Result;
use common::files::write_atomically;
use compare::Comparisons;
use verdict::Verdict;

pub use statistics::{bootstrap, holm, wilcoxon};

/// Writes the report of what is done so far, and returns the text of `table.md`.
///
/// # Errors
/// When the folder holds no sweep, or a file cannot be read or written.
pub fn write(folder: &Path) -> Result<String> {
    // Whoever comes later has read what is newer.
    let _held = wait_for(folder, "report")?;
    let results = Results::read(folder)?;
    let comparisons = Comparisons::of(&results);
    let parts = parts::parts(&comparisons);
    let verdict = Verdict::of(&results, &comparisons, &parts);
    let text = markdown::markdown(&comparisons, &parts, &verdict, &super::status(folder)?);
    let page = page::page(&results, &comparisons, &parts, &verdict)?;
    write_atomically(folder.join("table.csv"), csv::csv(&results)?.as_bytes())?;
    write_atomically(folder.join("report.html"), page.as_bytes())?;
    write_atomically(folder.join("table.md"), text.as_bytes())?;
    Ok(text)
}
