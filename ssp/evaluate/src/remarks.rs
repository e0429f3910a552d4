//! What is doubtful about each subject, for CSV files: who keeps only those sees what the terminal said.

use std::collections::BTreeMap;

use common::text::to_cell;

use super::doubts::not_outlined;
use super::{Results, cardiac_functions};

/// Doubts by subject.
#[derive(Clone, Debug, Default)]
pub struct Remarks {
    of_all: Vec<String>,
    of_subject: BTreeMap<String, Vec<String>>,
}

impl Remarks {
    /// The doubts about results themselves, and `doubts` about their data: a subject, or an empty text for
    /// all subjects, and a line.
    pub fn of(results: &Results, doubts: &[(String, String)]) -> Remarks {
        let mut remarks = Remarks { of_all: not_outlined(&results.frames), ..Remarks::default() };
        let subjects = cardiac_functions(&results.frames);
        let of_results =
            subjects.iter().flat_map(|row| row.doubts().map(|line| (row.subject.clone(), line)));
        for (subject, line) in doubts.iter().cloned().chain(of_results) {
            let lines = match subject.is_empty() {
                true => &mut remarks.of_all,
                false => remarks.of_subject.entry(subject).or_default(),
            };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        remarks
    }

    /// The cell of a subject: its lines, and those about all.
    pub(crate) fn cell(&self, subject: &str) -> String {
        let own = self.of_subject.get(subject).into_iter().flatten();
        let lines: Vec<&str> = own.chain(&self.of_all).map(String::as_str).collect();
        to_cell(&lines.join("; ")).into_owned()
    }
}
