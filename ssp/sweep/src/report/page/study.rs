//! The study's figures beside ours.

use maud::{Markup, html};

use crate::Table;
use crate::report::compare::{Comparisons, every};
use crate::report::markdown::entry;
use crate::report::published::{COHORT, PUBLISHED};
use crate::report::words::title;
use settings::Method;

/// The section.
pub fn study(comparisons: &Comparisons) -> Markup {
    let ours = |labelled: Option<usize>, method: Method| {
        let group = comparisons.table(Table::Subjects).find(|group| group.labelled == labelled)?;
        Some(entry(group, method, &every)?.line())
    };
    let all = comparisons.table(Table::Subjects).find(|group| group.labelled.is_none());
    let all = all.map_or("all".into(), |group| format!("all (here {:.0})", group.train_subjects()));
    html! {
        section id="published" {
            h2 { "Beside the study" }
            p { (COHORT) }
            div.scroll { table {
                thead { tr {
                    th { "Labelled" } th { "Method" } th.n { "Study (another cohort)" } th.n { "Here" }
                } }
                tbody { @for figure in &PUBLISHED { tr {
                    td { (figure.labelled.map_or(all.clone(), |count| count.to_string())) }
                    td { (title(figure.method)) }
                    td.n { (format!("{:.2}", figure.dice)) }
                    td.n { (ours(figure.labelled, figure.method).unwrap_or("–".into())) }
                } } }
            } }
        }
    }
}
