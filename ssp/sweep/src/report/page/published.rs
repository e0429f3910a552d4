//! The figures of the study next to those of the sweep: de Mooij, Pluim and Scannell, *Self-supervised
//! Pretraining for Cardiovascular Magnetic Resonance Cine Segmentation* (arXiv 2409.18100).

use crate::StudyTable;
use crate::report::compare::{Comparisons, all_frames};
use crate::report::document::{Cell, Section, Table};
use crate::report::format::{labelled, title};
use crate::report::sections::dice_cell;
use settings::Method;

/// Labelled subjects (none for all 296), method, and mean 3D Dice on 140 test subjects.
const PUBLISHED: [(Option<usize>, Method, f64); 3] = [
    (Some(10), Method::Scratch, 0.82),
    (Some(10), Method::Mim, 0.86),
    (None, Method::Scratch, 0.89),
];

/// The section.
pub fn published(comparisons: &Comparisons) -> Section {
    let mut table = Table::new(["Labelled", "Method", "Study (another cohort)", "Here"]);
    for (count, method, dice) in PUBLISHED {
        let group = comparisons.table(StudyTable::Subjects).find(|group| group.labelled == count);
        let here = match (count, group) {
            (None, Some(group)) => format!(" (here {:.0})", group.train_subjects()),
            _ => String::new(),
        };
        table.rows.push(vec![
            Cell::text(labelled(count) + &here),
            Cell::text(title(method)),
            Cell::number(format!("{dice:.2}")),
            group.map_or(Cell::optional(None::<String>), |g| dice_cell(g, method, &all_frames)),
        ]);
    }
    Section::page_only("published", "Figures of the study")
        .text(
            "The study pretrained on 296 subjects of M&Ms and M&Ms-2 (90,618 slices) and tested on 140 others, \
             with 256 x 256 pixels and 33 million parameters. Cohort and training budget differ from those here, \
             so the figures cannot be compared directly. With all labels it found no gain by pretraining.",
        )
        .table(table)
}
