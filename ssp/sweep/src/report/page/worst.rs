//! The worst cases, as overlays.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use crate::report::compare::{Comparisons, Group, by_subject_of, every};
use crate::report::words::title;
use crate::{Done, Results, Table};
use crate::{Error, Result};

/// Pictures at most.
const MOST: usize = 6;

/// For each method, with the largest count, the picture of the test subject with the lowest Dice of any
/// seed.
///
/// # Errors
/// When a picture cannot be read.
pub fn worst(results: &Results, comparisons: &Comparisons) -> Result<Markup> {
    let Some(group) = comparisons.table(Table::Subjects).last() else { return Ok(html! {}) };
    let mut figures = Vec::new();
    for (done, subject, dice) in worst_of(group).into_iter().take(MOST) {
        let path = done.run.pictures().join("test-worst.png");
        if !path.exists() {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
        let (method, seed) = (title(done.record.cell.method), done.record.cell.seed);
        let shown = path.strip_prefix(&results.folder).unwrap_or(&path);
        figures.push(html! {
            figure {
                figcaption { (method) ", seed " (seed) ": " (subject) ", Dice " (format!("{dice:.3}")) }
                img src={ "data:image/png;base64," (STANDARD.encode(bytes)) }
                    alt={ "Prediction beside truth, " (method) ", " (subject) };
                small.faint { (shown.display()) }
            }
        });
    }
    if figures.is_empty() {
        return Ok(html! {});
    }
    Ok(html! {
        section id="worst" {
            h2 { "Worst cases" }
            p { "With " (group.count_in_words()) " labelled subjects: the test subject with the lowest mean Dice \
                 of each method, of the seed in which it was lowest. Every run has such a picture, and those of \
                 the median and the best." }
            div.grid.wide { @for figure in figures { (figure) } }
        }
    })
}

/// By method: the run, the subject and its Dice.
fn worst_of<'a>(group: &Group<'a>) -> Vec<(&'a Done, &'a str, f64)> {
    let lowest = |done: &'a Done| {
        let subjects = by_subject_of(done, &every).into_iter();
        subjects.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(subject, dice)| (done, subject, dice))
    };
    let of_side = group.sides.iter().map(|side| {
        side.cells.iter().filter_map(|done| lowest(done)).min_by(|a, b| a.2.total_cmp(&b.2))
    });
    of_side.flatten().collect()
}
