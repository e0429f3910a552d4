//! Means and paired differences as tables.

use maud::{Markup, html};

use crate::report::compare::{Comparison, Comparisons, Group, Keep};
use crate::report::markdown::entry;
use crate::report::words::{self, Entry, interval, signed, title};

/// A table of means and deviations, a column for each method.
pub fn means<'a>(
    head: &str,
    comparisons: &Comparisons,
    rows: impl Iterator<Item = (String, &'a Group<'a>, Keep<'a>)>,
) -> Markup {
    html! {
        div.scroll { table.means {
            thead { tr {
                th { (head) }
                @for &method in &comparisons.methods { th.n { (title(method)) } }
            } }
            tbody { @for (name, group, keep) in rows { tr {
                td { (name) }
                @for &method in &comparisons.methods { td.n { (entry_of(entry(group, method, keep))) } }
            } } }
        } }
    }
}

fn entry_of(entry: Option<Entry>) -> Markup {
    html! {
        @match entry {
            Some(Entry { mean, deviation, fewer }) => {
                (mean)
                @if let Some(deviation) = deviation { " " small { (deviation) } }
                @if let Some(fewer) = fewer { " " small { (fewer) } }
            },
            None => "–",
        }
    }
}

/// A table of paired differences, in rows of methods under what they are of.
pub fn differences<'a>(
    head: &str,
    rows: impl Iterator<Item = (String, &'a [Comparison])>,
) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { (head) } th { "Method" } th.n { "Difference" } th.n { "95 %, subjects" }
                th.n { "p, corrected" } th.n { "p" } th.n { "95 %, seeds" } th.n { "By seed" }
                th.n { "Subjects" }
            } }
            @for (name, comparisons) in rows {
                tbody { @for (index, c) in comparisons.iter().enumerate() { tr {
                    @if index == 0 { td rowspan=(comparisons.len()) { (name) } }
                    (difference(c))
                } } }
            }
        } }
    }
}

fn difference(c: &Comparison) -> Markup {
    html! {
        td { (title(c.method)) }
        td.n { (signed(c.mean)) }
        td.n { (c.interval.map_or("–".into(), interval)) }
        td.n.clear[c.is_clear_of_networks()] { (words::p(c.corrected)) }
        td.n { (words::p(c.p)) }
        td.n { (c.over_seeds.map_or("–".into(), interval)) }
        td.n { (c.seeds.iter().map(|seed| signed(*seed)).collect::<Vec<_>>().join(", ")) }
        td.n { (c.subjects.len()) }
    }
}
