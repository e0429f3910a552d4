//! What was odd about files, in lines for the user.

use std::collections::HashMap;
use std::hash::Hash;

/// What was odd about a subject's files, one line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// Oddities that were resolved, and how.
    pub notes: Vec<String>,
    /// What may change a volume or a distance, and should be checked by the user.
    pub warnings: Vec<String>,
}

impl Diagnostics {
    /// Adds a note.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Adds a warning.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Adds lines that are not among these already.
    pub fn merge(&mut self, other: &Diagnostics) {
        add_new(&mut self.notes, &other.notes);
        add_new(&mut self.warnings, &other.warnings);
    }
}

fn add_new(lines: &mut Vec<String>, others: &[String]) {
    for line in others {
        if !lines.contains(line) {
            lines.push(line.clone());
        }
    }
}

/// A line that several subjects share lists this many of them, and counts the rest.
const MAX_NAMES: usize = 3;

/// Lines about subjects, each line once with the subjects that it is about: `a, b, c and 2 more: ...`.
/// In order of first occurrence. A line about an empty subject is about all of them, and names none.
pub fn by_line<'a>(about: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let pairs = about.into_iter().map(|(subject, line)| (line, subject));
    let lines = grouped(pairs).into_iter();
    let named = |(line, mut subjects): (&str, Vec<&str>)| {
        subjects.dedup();
        subjects.retain(|subject| !subject.is_empty());
        format!("{}{line}", names(&subjects))
    };
    lines.map(named).collect()
}

/// The start of a line about some subjects: `a, b, c and 2 more: `; empty without any.
pub(crate) fn names(subjects: &[&str]) -> String {
    let listed = subjects.iter().take(MAX_NAMES).copied().collect::<Vec<_>>().join(", ");
    match subjects.len() {
        0 => String::new(),
        1..=MAX_NAMES => format!("{listed}: "),
        count => format!("{listed} and {} more: ", count - MAX_NAMES),
    }
}

/// The values of each key, in order of first occurrence.
pub(crate) fn grouped<K: Hash + Eq + Clone, V>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Vec<(K, Vec<V>)> {
    let mut places = HashMap::new();
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (key, value) in pairs {
        let place = *places.entry(key.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_subjects_share_is_written_once() {
        let about =
            [("a", "x"), ("a", "x"), ("b", "y"), ("b", "x"), ("c", "x"), ("d", "x"), ("e", "x")];
        assert_eq!(by_line(about), ["a, b, c and 2 more: x", "b: y"]);
        assert_eq!(names(&[]), "");
        assert_eq!(by_line([("", "x")]), ["x"]);
    }

    /// With time that is the square of the number of lines, this takes minutes.
    #[test]
    fn many_lines_take_no_time() {
        let lines: Vec<String> = (0..300_000).map(|n| format!("line {n}")).collect();
        let about = lines.iter().map(|line| ("a", line.as_str()));
        assert_eq!(by_line(about).len(), lines.len());
    }
}
