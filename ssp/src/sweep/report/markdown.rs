//! `table.md`: the report at the terminal.

use std::fmt::Write;

use super::compare::{Comparison, Comparisons, Group, Keep, every};
use super::parts::Part;
use super::verdict::title;
use crate::evaluate::Dice;
use crate::settings::Method;
use crate::sweep::{Status, Table};

/// Heads of a table of differences.
const DIFFERENCES: &str = "| of | method | subjects | seeds | difference | interval | p | corrected |\n\
                           |---|---|---|---|---|---|---|---|\n";

/// The tables and the verdict.
pub fn markdown(
    comparisons: &Comparisons,
    parts: &[Part],
    verdict: &[String],
    status: &Status,
) -> String {
    let mut text = String::from("# Does pretraining help, and with how few labelled subjects?\n\n");
    for sentence in verdict {
        let _ = writeln!(text, "- {sentence}");
    }
    text += "\n## Dice by method and labelled subjects\n\nMean over structures, frames and test \
             subjects; ± is the standard deviation over seeds (divisor n - 1).\n\n";
    text += &by_method(
        "labelled",
        comparisons,
        comparisons
            .table(Table::Subjects)
            .map(|group| (group.count_in_words(), group, &every as Keep)),
    );
    let groups: Vec<&Group> = comparisons.table(Table::Subjects).collect();
    if groups.iter().any(|group| !group.against_scratch.is_empty()) {
        text += "\n## Differences from scratch\n\nPaired by test subject: Dice averaged over \
                 structures, frames and seeds. 95 % interval by bootstrap over subjects; p by \
                 Wilcoxon's signed-rank test, corrected by Holm over the methods of a count.\n\n";
        text += DIFFERENCES;
        for group in groups {
            for c in &group.against_scratch {
                text += &difference(&group.count(), c);
            }
        }
    }
    for part in parts {
        let _ = write!(text, "\n## {}\n\n{}\n\n", part.title, part.what);
        let rows = part.rows.iter();
        let rows = rows.map(|row| (row.name.clone(), row.group, row.keep.as_ref() as Keep));
        text += &by_method("tested on", comparisons, rows);
        if !part.differences.is_empty() {
            text += "\nPaired differences:\n\n";
            text += DIFFERENCES;
            for (name, of_methods) in &part.differences {
                of_methods.iter().for_each(|c| text += &difference(name, c));
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
    let mut text = format!("| {head} |");
    methods.iter().for_each(|&method| {
        let _ = write!(text, " {} |", title(method));
    });
    text += "\n|---|";
    text += &"---|".repeat(methods.len());
    text.push('\n');
    for (name, group, keep) in rows {
        let _ = write!(text, "| {name} |");
        for &method in methods {
            let _ = write!(text, " {} |", cell(group, method, keep));
        }
        text.push('\n');
    }
    text
}

/// A mean with its deviation over seeds, or a dash.
pub fn cell(group: &Group, method: Method, keep: Keep) -> String {
    let spread = group.side(method).and_then(|side| side.spread(Dice::mean, keep));
    match spread.map(|spread| (spread.mean, spread.deviation)) {
        Some((mean, Some(deviation))) => format!("{mean:.3} ± {deviation:.3}"),
        Some((mean, None)) => format!("{mean:.3}"),
        None => "-".into(),
    }
}

fn difference(count: &str, c: &Comparison) -> String {
    let interval = match c.interval {
        Some([low, high]) => format!("{low:+.3} to {high:+.3}"),
        None => "-".into(),
    };
    let told = |p: f64| if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") };
    format!(
        "| {count} | {} | {} | {} | {:+.3} | {interval} | {} | {} |\n",
        title(c.method),
        c.subjects.len(),
        c.seeds,
        c.mean,
        told(c.p),
        told(c.corrected)
    )
}
