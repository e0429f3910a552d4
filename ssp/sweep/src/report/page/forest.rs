//! Paired differences as a forest plot: mean, intervals over subjects and over seeds, and every subject.

use maud::{Markup, html};

use super::chart::{Axis, place};
use super::marks::{marker, style, style_of};
use crate::report::compare::Comparison;
use crate::report::words::{interval, signed, title};

const WIDTH: f64 = 340.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const ROW: f64 = 30.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 38.0;

/// An axis for plots of these differences.
pub fn axis(label: &'static str, values: Vec<f64>) -> Axis {
    Axis::along(label, values, WIDTH - LEFT - RIGHT)
}

/// Differences of some methods from scratch, on an axis that other plots may share.
pub fn forest(heading: &str, comparisons: &[Comparison], axis: &Axis) -> Markup {
    let height = TOP + ROW * comparisons.len() as f64 + BOTTOM;
    let floor = height - BOTTOM;
    let x = |value: f64| place(LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT));
    let described: Vec<String> = comparisons.iter().map(in_words).collect();
    html! {
        figure {
            figcaption { (heading) }
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img"
                aria-label={ (heading) ": " (described.join("; ")) }
            {
                @for (value, text) in &axis.marks {
                    line.grid x1=(x(*value)) x2=(x(*value)) y1=(TOP) y2=(floor) {}
                    text x=(x(*value)) y=(floor + 15.0) text-anchor="middle" { (text) }
                }
                line.axis x1=(x(0.0)) x2=(x(0.0)) y1=(TOP) y2=(floor) {}
                text.label x=(place((LEFT + WIDTH - RIGHT) / 2.0)) y=(height - 5.0) text-anchor="middle" {
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
                        @if let Some([low, high]) = c.interval {
                            line.interval x1=(x(low)) x2=(x(high)) y1=(y) y2=(y) {}
                        }
                        (marker(style(c.method), x(c.mean), y))
                    }
                }
            }
        }
    }
}

fn in_words(c: &Comparison) -> String {
    match c.interval {
        Some(found) => {
            let interval = interval(found);
            format!("{} {}, 95 % interval {interval}", title(c.method), signed(c.mean))
        }
        None => format!("{} {}", title(c.method), signed(c.mean)),
    }
}
