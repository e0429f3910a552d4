//! `table.md`: the report at the terminal.

use std::fmt::Write;

use super::compare::{Comparison, Comparisons, Group, Keep, every};
use super::parts::Part;
use super::units::{self, MEASURES};
use super::verdict::Verdict;
use super::words::{Entry, interval, p, signed, title};
use crate::{Status, Table};
use evaluate::Dice;
use settings::Method;

/// Heads of a table of differences.
const DIFFERENCES: &str = "| of | method | difference | 95 %, subjects | p, corrected | p | 95 %, seeds | subjects |\n\
                           |---|---|---|---|---|---|---|---|\n";

/// The tables and the verdict.
pub fn markdown(
    comparisons: &Comparisons,
    parts: &[Part],
    verdict: &Verdict,
    status: &Status,
) -> String {
    let mut text = String::from("# Does pretraining help, and with how few labelled subjects?\n");
    for (heading, sentences) in
        [("What the numbers show", &verdict.shown), ("What they do not show", &verdict.limits)]
    {
        if !sentences.is_empty() {
            let _ = write!(text, "\n## {heading}\n\n");
        }
        for sentence in sentences {
            let _ = writeln!(text, "- {sentence}");
        }
    }
    let groups: Vec<&Group> = comparisons.table(Table::Subjects).collect();
    if !groups.is_empty() {
        text += "\n## Dice by method and labelled subjects\n\nMean over structures, frames and test \
                 subjects; ± is the standard deviation over seeds (divisor n - 1).\n\n";
        let rows = groups.iter().map(|group| (group.count_in_words(), *group, &every as Keep));
        text += &by_method("labelled", comparisons, rows);
    }
    if groups.iter().any(|group| !group.against_scratch.is_empty()) {
        text += "\n## Differences from scratch\n\nPaired by test subject: Dice averaged over \
                 structures, frames and seeds. 95 % intervals by bootstrap over subjects, and by \
                 Student's t over seeds; p by Wilcoxon's signed-rank test over subjects, corrected by \
                 Holm over the methods of a count.\n\n";
        text += DIFFERENCES;
        for group in groups {
            for c in &group.against_scratch {
                text += &difference(&group.count_in_words(), c);
            }
        }
    }
    let tables = MEASURES.iter().map(|m| (m.name, units::rows(comparisons, m)));
    let tables: Vec<_> = tables.filter(|(_, rows)| !rows.is_empty()).collect();
    if !tables.is_empty() {
        let _ = write!(text, "\n## Distances and ejection fractions\n\n{}\n\n", units::WHAT);
        text += &heads("of, labelled", &comparisons.methods);
        for (name, rows) in tables {
            for (count, values) in rows {
                let values: Vec<String> = values.iter().map(units::line).collect();
                let _ = writeln!(text, "| {name}, {count} | {} |", values.join(" | "));
            }
        }
    }
    for part in parts {
        let _ = write!(text, "\n## {}\n\n{}\n\n", part.title, part.what);
        let rows = part.rows.iter();
        let rows = rows.map(|row| (row.name.clone(), row.group, row.keep.as_ref() as Keep));
        text += &by_method(&part.head.to_lowercase(), comparisons, rows);
        if !part.differences.is_empty() {
            text +=
                "\nPaired differences, each pretraining less scratch unless it says otherwise:\n\n";
            text += DIFFERENCES;
            for of in &part.differences {
                of.comparisons.iter().for_each(|c| text += &difference(&of.name, c));
            }
        }
    }
    let _ = write!(text, "\n## Cells\n\n```\n{status}```\n");
    text
}

/// A table of means and deviations, a column for each method.
fn by_method<'a>(
    head: &str,
    comparisons: &Comparisons,
    rows: impl Iterator<Item = (String, &'a Group<'a>, Keep<'a>)>,
) -> String {
    let methods: &[Method] = &comparisons.methods;
    let mut text = heads(head, methods);
    for (name, group, keep) in rows {
        let _ = write!(text, "| {name} |");
        for &method in methods {
            let found = entry(group, method, keep).map_or("–".into(), |entry| entry.line());
            let _ = write!(text, " {found} |");
        }
        text.push('\n');
    }
    text
}

/// The heads of a table with a column for each method.
fn heads(first: &str, methods: &[Method]) -> String {
    let titles: Vec<&str> = methods.iter().map(|&method| title(method)).collect();
    format!("| {first} | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(methods.len()))
}

/// Mean Dice of a method's kept frames in a group; none where there is no cell.
pub fn entry(group: &Group, method: Method, keep: Keep) -> Option<Entry> {
    let spread = group.side(method)?.spread(Dice::mean, keep)?;
    Some(Entry::of(spread, group, method))
}

fn difference(of: &str, c: &Comparison) -> String {
    format!(
        "| {of} | {} | {} | {} | {} | {} | {} | {} |\n",
        title(c.method),
        signed(c.mean),
        c.interval.map_or("–".into(), interval),
        p(c.corrected),
        p(c.p),
        c.over_seeds.map_or("–".into(), interval),
        c.subjects.len(),
    )
}
