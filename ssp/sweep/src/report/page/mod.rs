//! `report.html`: one file that needs nothing else, for a phone as for paper.

mod chart;
mod curves;
mod forest;
mod made;
mod marks;
mod protocol;
mod settings;
mod study;
mod tables;
mod worst;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::compare::{Comparison, Comparisons, Group, Keep, every};
use super::parts::Part;
use super::units::{self, MEASURES};
use super::verdict::Verdict;
use super::words;
use crate::Result;
use crate::{Results, Table};
use chart::Axis;
use evaluate::Dice;

/// The page.
///
/// # Errors
/// When a picture of a run cannot be read.
pub fn page(
    results: &Results,
    comparisons: &Comparisons,
    parts: &[Part],
    verdict: &Verdict,
) -> Result<String> {
    const TITLE: &str = "Does pretraining help, and with how few labelled subjects?";
    let source = results.source.as_deref().unwrap_or("no data yet");
    let some = !results.cells.is_empty();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // An empty icon: browsers ask for one otherwise.
                link rel="icon" href="data:,";
                title { "cine sweep: " (source) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                h1 { (TITLE) }
                p.faint { (source) "; segmentation of short-axis cine MR, Dice in 3D on subjects that were \
                    held out." }
                (in_words(verdict))
                @if some {
                    (dice(comparisons))
                    (differences(comparisons))
                    (curves::curves(comparisons))
                    (with_units(comparisons))
                    @for part in parts { (table_of(part, comparisons)) }
                }
                (protocol::protocol(results))
                @if some {
                    (study::study(comparisons))
                    (worst::worst(results, comparisons)?)
                }
                (made::made(results))
            }
        }
    };
    Ok(page.into_string())
}

fn in_words(verdict: &Verdict) -> Markup {
    let lists =
        [("What the numbers show", &verdict.shown), ("What they do not show", &verdict.limits)];
    html! {
        section.verdict id="verdict" {
            @for (heading, sentences) in lists {
                @if !sentences.is_empty() {
                    h2 { (heading) }
                    ul { @for sentence in sentences { li { (unbroken(sentence)) } } }
                }
            }
        }
    }
}

/// A sentence whose numbers stay with what they are of.
fn unbroken(sentence: &str) -> String {
    sentence
        .replace("p = ", "p\u{a0}=\u{a0}")
        .replace("p < ", "p\u{a0}<\u{a0}")
        .replace("95 %", "95\u{a0}%")
}

fn dice(comparisons: &Comparisons) -> Markup {
    let groups: Vec<&Group> = comparisons.table(Table::Subjects).collect();
    html! {
        section id="dice" {
            h2 { "Dice by method and labelled subjects" }
            p { "Mean over LV, myocardium and RV, frames and test subjects. ± is the standard deviation \
                 over seeds (divisor n − 1), as are the bars of the charts. Where a method has fewer seeds than \
                 planned, their number is told." }
            (tables::means("Labelled", comparisons, groups.iter().map(|group| {
                (group.count_in_words(), *group, &every as Keep)
            })))
            (marks::legend(&comparisons.methods))
            div.main { (curves::by_count("Mean of the structures", comparisons, Dice::mean, &every)) }
        }
    }
}

fn differences(comparisons: &Comparisons) -> Markup {
    let groups: Vec<&Group> = comparisons
        .table(Table::Subjects)
        .filter(|group| !group.against_scratch.is_empty())
        .collect();
    if groups.is_empty() {
        return html! {};
    }
    let axis = axis_of(groups.iter().flat_map(|group| &group.against_scratch));
    html! {
        section id="differences" {
            h2 { "Each pretraining less scratch" }
            p { "Paired by test subject: Dice of a subject averaged over structures, frames and the seeds that \
                 both have, with pretraining less without. Large marks: means; thick lines: 95 % intervals by \
                 bootstrap over subjects; thin lines: 95 % intervals over seeds, as far as there is room; small \
                 dots: subjects. p is of Wilcoxon’s signed-rank test, corrected \
                 by Holm over the methods of a count; below 0.05 it is printed bold. The interval over seeds \
                 is Student’s, of the mean difference of each seed: a training’s luck moves all test subjects \
                 alike, and only seeds tell it from a difference between methods. All seeds of a method \
                 share one pretraining, whose luck none of this tells." }
            div.grid {
                @for group in &groups {
                    @let heading = curves::with_labels(group);
                    (forest::forest(&heading, &group.against_scratch, &axis))
                }
            }
            (tables::differences("Labelled", groups.iter().map(|group| {
                (group.count_in_words(), group.against_scratch.as_slice())
            })))
        }
    }
}

/// An axis over the intervals and most subjects of some comparisons.
fn axis_of<'a>(comparisons: impl Iterator<Item = &'a Comparison>) -> Axis {
    let mut values = vec![0.0];
    for c in comparisons {
        values.push(c.mean);
        values.extend(c.interval.into_iter().flatten());
        values.extend(&c.subjects);
    }
    forest::axis("difference in Dice", values)
}

/// Distances between surfaces and what is off in ejection fractions, where they were measured.
fn with_units(comparisons: &Comparisons) -> Markup {
    let tables: Vec<_> = MEASURES
        .iter()
        .map(|measure| (measure.name, units::rows(comparisons, measure)))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    if tables.is_empty() {
        return html! {};
    }
    html! {
        section id="units" {
            h2 { "Distances and ejection fractions" }
            p { (units::WHAT) }
            div.scroll { table.means {
                thead { tr {
                    th { "Labelled" }
                    @for &method in &comparisons.methods { th.n { (words::title(method)) } }
                } }
                @for (name, rows) in &tables { tbody {
                    tr { th colspan=(1 + comparisons.methods.len()) { (name) } }
                    @for (count, values) in rows { tr {
                        td { (count) }
                        @for value in values { td.n { (units::line(value)) } }
                    } }
                } }
            } }
        }
    }
}

fn table_of(part: &Part, comparisons: &Comparisons) -> Markup {
    let axis = axis_of(part.differences.iter().flat_map(|of| &of.comparisons));
    html! {
        section {
            h2 { (part.title) }
            p { (part.what) }
            (tables::means(part.head, comparisons, part.rows.iter().map(|row| {
                (row.name.clone(), row.group, row.keep.as_ref() as Keep)
            })))
            @if !part.differences.is_empty() {
                h3 { "Paired differences" }
                p { "Each pretraining less scratch, on the same frames and with the same labels, unless it says \
                     otherwise; corrected over the methods of a row." }
                div.grid {
                    @for of in &part.differences { (forest::forest(&of.name, &of.comparisons, &axis)) }
                }
                (tables::differences("Of", part.differences.iter().map(|of| {
                    (of.name.clone(), of.comparisons.as_slice())
                })))
            }
        }
    }
}
