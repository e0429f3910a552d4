//! Paired differences as forest plots: mean, intervals over subjects and over seeds, and every subject.

use maud::{Markup, html};

use super::chart::{Axis, rounded};
use super::marks::{marker, style, style_of};
use crate::report::compare::Comparison;
use crate::report::format::{interval, signed, title};
use crate::report::tables::Differences;

const WIDTH: f64 = 340.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const ROW: f64 = 30.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 38.0;

/// A plot for each row of differences, all on the same axis, with an explanation.
pub fn grid(rows: &[Differences]) -> Markup {
    let comparisons = rows.iter().flat_map(|row| &row.comparisons);
    let values = comparisons.flat_map(|c| {
        let interval = c.over_subjects.into_iter().flatten();
        [0.0, c.mean].into_iter().chain(interval).chain(c.subjects.iter().copied())
    });
    let axis = Axis::along("difference in Dice", values, WIDTH - LEFT - RIGHT);
    html! {
        p.faint {
            "Large marks: means. Thick lines: 95 % intervals over subjects. Thin lines: 95 % intervals over \
             seeds, cut at the edge. Small dots: subjects."
        }
        div.grid { @for row in rows { (plot(&row.name, &row.comparisons, &axis)) } }
    }
}

fn plot(row: &str, comparisons: &[Comparison], axis: &Axis) -> Markup {
    let heading = format!("{row} labelled");
    let height = TOP + ROW * comparisons.len() as f64 + BOTTOM;
    let bottom = height - BOTTOM;
    let x = |value: f64| rounded(LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT));
    let described: Vec<String> = comparisons.iter().map(description).collect();
    html! {
        figure {
            figcaption { (heading) }
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img"
                aria-label={ (heading) ": " (described.join("; ")) }
            {
                @for (value, text) in &axis.marks {
                    line.grid x1=(x(*value)) x2=(x(*value)) y1=(TOP) y2=(bottom) {}
                    text x=(x(*value)) y=(bottom + 15.0) text-anchor="middle" { (text) }
                }
                line.axis x1=(x(0.0)) x2=(x(0.0)) y1=(TOP) y2=(bottom) {}
                text.label x=(rounded((LEFT + WIDTH - RIGHT) / 2.0)) y=(height - 5.0) text-anchor="middle" {
                    (axis.label)
                }
                @for (row, c) in comparisons.iter().enumerate() {
                    @let y = TOP + ROW * (row as f64 + 0.5);
                    g class=(style_of(style(c.method))) {
                        text x=(LEFT - 8.0) y=(y + 4.0) text-anchor="end" { (title(c.method)) }
                        @for value in &c.subjects {
                            circle.faint cx=(x(value.clamp(axis.range[0], axis.range[1]))) cy=(y + 8.0) r="2" {}
                        }
                        @if let Some(ends) = c.over_seeds {
                            @let [low, high] = ends.map(|end| end.clamp(axis.range[0], axis.range[1]));
                            line.seeds x1=(x(low)) x2=(x(high)) y1=(y) y2=(y) {}
                        }
                        @if let Some([low, high]) = c.over_subjects {
                            line.interval x1=(x(low)) x2=(x(high)) y1=(y) y2=(y) {}
                        }
                        (marker(style(c.method), x(c.mean), y))
                    }
                }
            }
        }
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
