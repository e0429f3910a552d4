//! The report of a sweep: `report.html` to read on screen or paper, `table.md` to read in a terminal, and
//! `table.csv` for other programs.
//!
//! | module | contents |
//! |---|---|
//! | `compare`, `statistics` | groups of cells, paired differences, tests and intervals |
//! | `tables` | the tables of the study: which cells and frames each row compares |
//! | `findings`, `limits`, `sections` | the sections of the page and of the Markdown |
//! | `page` | the sections and figures of the page alone |
//! | `document` | sections, tables and lists, rendered as HTML and as Markdown |

mod compare;
mod convergence;
mod csv;
mod document;
mod findings;
mod format;
mod limits;
mod page;
mod sections;
mod statistics;
mod tables;

use std::path::Path;

use super::SweepResults;
use super::claim::wait_for;
use crate::Result;
use common::files::write_atomically;
use common::text::lines;
use compare::Comparisons;
use document::Section;

pub use statistics::{bootstrap, holm, wilcoxon};

const TITLE: &str = "Does pretraining help, and with how few labelled subjects?";

/// Writes the report of all completed cells, and returns the text of `table.md`.
///
/// # Errors
/// When the folder has no sweep, or a file cannot be read or written.
pub fn write(folder: &Path) -> Result<String> {
    // Under a lock, so that the report with the most recent results is written last.
    let _lock = wait_for(folder, "report")?;
    let results = SweepResults::read(folder)?;
    let sections = sections(&results)?;
    let markdown = markdown(&sections, &super::status(folder)?.to_string());
    let page = page::page(results.source.as_deref(), &sections);
    write_atomically(folder.join("table.csv"), csv::csv(&results)?.as_bytes())?;
    write_atomically(folder.join("report.html"), page.as_bytes())?;
    write_atomically(folder.join("table.md"), markdown.as_bytes())?;
    Ok(markdown)
}

/// All sections, in the order of the page.
fn sections(results: &SweepResults) -> Result<Vec<Section>> {
    let comparisons = Comparisons::of(results);
    let tables = tables::tables(&comparisons);
    let mut sections = vec![
        findings::summary(&comparisons, &tables),
        limits::limits(results, &comparisons, &tables),
    ];
    let (by_subjects, others): (Vec<_>, Vec<_>) = tables
        .iter()
        .map(|table| sections::study_table(table, &comparisons))
        .partition(|section| section.id == super::StudyTable::Subjects.name());
    let any = !results.cells.is_empty();
    sections.extend(by_subjects);
    if any {
        sections.extend(page::curves::curves(&comparisons));
    }
    sections.extend(sections::distances(&comparisons));
    sections.extend(others);
    sections.push(page::protocol::protocol(results));
    if any {
        sections.push(page::published::published(&comparisons));
    }
    sections.extend(page::worst::worst(results, &comparisons)?);
    sections.push(page::provenance::provenance(results));
    Ok(sections)
}

/// `table.md`: the sections that are not for the page alone, and the state of the work.
fn markdown(sections: &[Section], status: &str) -> String {
    let shared = sections.iter().filter(|section| !section.page_only);
    let text: String = shared.map(Section::to_markdown).collect();
    // Nothing in the lines of the state ends the block of code.
    let status = lines(status).replace("```", "'''");
    format!("# {TITLE}\n{text}\n## Cells\n\n```\n{status}```\n")
}
