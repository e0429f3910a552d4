//! The worst cases, as pictures of prediction and ground truth.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::html;

use crate::report::compare::{Comparisons, Group, all_frames, dice_by_subject};
use crate::report::document::Section;
use crate::report::format::title;
use crate::{CompletedCell, StudyTable, SweepResults};
use crate::{Error, Result};

/// The largest number of pictures.
const MAX_PICTURES: usize = 6;

/// For each method, with the largest number of labelled subjects, the picture of the test subject with the
/// lowest Dice of any seed; none without a picture.
///
/// # Errors
/// When a picture cannot be read.
pub fn worst(results: &SweepResults, comparisons: &Comparisons) -> Result<Option<Section>> {
    let Some(group) = comparisons.table(StudyTable::Subjects).last() else { return Ok(None) };
    let mut figures = Vec::new();
    for (done, subject, dice) in lowest_dice(group).into_iter().take(MAX_PICTURES) {
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
                    alt={ "Prediction and ground truth, " (method) ", " (subject) };
                small.faint { (shown.display()) }
            }
        });
    }
    let section = Section::page_only("worst", "Worst cases").text(format!(
        "For each method with {} labelled, the test subject with the lowest mean Dice of any seed. The folder of \
         every run has such a picture, and those of the median and the best subject.",
        group.count()
    ));
    let grid = html! { div.grid.wide { @for figure in &figures { (figure) } } };
    Ok((!figures.is_empty()).then(|| section.html(grid)))
}

/// For each method the cell, the subject and its Dice.
fn lowest_dice<'a>(group: &Group<'a>) -> Vec<(&'a CompletedCell, &'a str, f64)> {
    let lowest = |done: &'a CompletedCell| {
        let subjects = dice_by_subject(done, &all_frames).into_iter();
        subjects.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(subject, dice)| (done, subject, dice))
    };
    let of_method = group.methods.iter().map(|method| {
        method.cells.iter().filter_map(|done| lowest(done)).min_by(|a, b| a.2.total_cmp(&b.2))
    });
    of_method.flatten().collect()
}
