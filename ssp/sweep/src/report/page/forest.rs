//! Paired differences as forest plots: mean, intervals over subjects and over seeds, and every subject.

use figures::svg::{Forest, ForestRow};
use maud::{Markup, html};

use super::style;
use crate::report::compare::Comparison;
use crate::report::format::{interval, signed, title};
use crate::report::tables::Differences;

/// A plot for each row of differences, all on the same axis, with an explanation.
pub fn grid(rows: &[Differences]) -> Markup {
    let plots =
        rows.iter().map(|row| (&row.name, row.comparisons.iter().map(forest_row).collect()));
    let plots: Vec<(&String, Vec<ForestRow>)> = plots.collect();
    let axis = Forest::axis("difference in Dice", plots.iter().flat_map(|(_, rows)| rows));
    let plots = plots.into_iter().map(|(name, rows)| Forest {
        title: format!("{name} labelled"),
        axis: axis.clone(),
        rows,
    });
    html! {
        p.faint {
            "Large marks: means. Thick lines: 95 % intervals over subjects. Thin lines: 95 % intervals over \
             seeds, cut at the edge. Small dots: subjects."
        }
        div.grid { @for plot in plots { (plot.figure()) } }
    }
}

fn forest_row(c: &Comparison) -> ForestRow {
    ForestRow {
        name: title(c.method).to_owned(),
        style: style(c.method),
        mean: c.mean,
        thick: c.over_subjects,
        thin: c.over_seeds,
        values: c.subjects.clone(),
        description: description(c),
    }
}

fn description(c: &Comparison) -> String {
    match c.over_subjects {
        Some(found) => {
            let interval = interval(found);
            format!("{} {}, 95 % interval {interval}", title(c.method), signed(c.mean))
        }
        None => format!("{} {}", title(c.method), signed(c.mean)),
    }
}
