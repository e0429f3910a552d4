//! Forest plots: a mean with two intervals and the individual values, a row for each comparison.

use maud::{Markup, html};

use super::marks::{class, marker};
use super::text::{label_width, rounded};
use crate::axis::Axis;

const WIDTH: f64 = 340.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const ROW: f64 = 30.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 38.0;
/// Most ticks of the axis.
const TICKS: usize = 6;

/// A forest plot with a vertical line at zero.
pub struct Forest {
    /// Heading.
    pub title: String,
    /// Horizontal axis; must include 0 and every thick interval. Other values are clamped to it.
    pub axis: Axis,
    /// Rows, from top to bottom.
    pub rows: Vec<ForestRow>,
}

/// A row of a forest plot.
pub struct ForestRow {
    /// Name, to the left of the row.
    pub name: String,
    /// Index of colour and marker.
    pub style: usize,
    /// Position of the large marker.
    pub mean: f64,
    /// Ends of the thick interval.
    pub thick: Option<[f64; 2]>,
    /// Ends of the thin interval.
    pub thin: Option<[f64; 2]>,
    /// Individual values, drawn as small dots.
    pub values: Vec<f64>,
    /// The row in words, for screen readers.
    pub description: String,
}

impl Forest {
    /// An axis for all plots of `rows`. It covers 0, the means, the thick intervals and the
    /// individual values, and has as many ticks as there is space for their labels.
    pub fn axis<'a>(label: &str, rows: impl IntoIterator<Item = &'a ForestRow>) -> Axis {
        let values = rows.into_iter().flat_map(|row| {
            let interval = row.thick.into_iter().flatten();
            [0.0, row.mean].into_iter().chain(interval).chain(row.values.iter().copied())
        });
        let values: Vec<f64> = values.collect();
        let fits = |axis: &Axis| {
            let needed: f64 = axis.ticks.iter().map(|tick| label_width(&tick.label)).sum();
            needed <= WIDTH - LEFT - RIGHT
        };
        let axis = |count| Axis::covering(label, values.iter().copied(), count);
        (3..=TICKS).rev().map(axis).find(fits).unwrap_or_else(|| axis(2))
    }

    /// The plot with its heading, as a `figure` element.
    pub fn figure(&self) -> Markup {
        let height = TOP + ROW * self.rows.len() as f64 + BOTTOM;
        let bottom = height - BOTTOM;
        let zero = self.x(0.0);
        let described: Vec<&str> = self.rows.iter().map(|row| row.description.as_str()).collect();
        html! {
            figure {
                figcaption { (self.title) }
                svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img"
                    aria-label={ (self.title) ": " (described.join("; ")) }
                {
                    @for tick in &self.axis.ticks {
                        @let x = self.x(tick.value);
                        line.grid x1=(x) x2=(x) y1=(TOP) y2=(bottom) {}
                        text x=(x) y=(bottom + 15.0) text-anchor="middle" { (tick.label) }
                    }
                    line.axis x1=(zero) x2=(zero) y1=(TOP) y2=(bottom) {}
                    text.label x=(rounded((LEFT + WIDTH - RIGHT) / 2.0)) y=(height - 5.0)
                        text-anchor="middle" { (self.axis.label) }
                    @for (index, row) in self.rows.iter().enumerate() {
                        (self.row(row, TOP + ROW * (index as f64 + 0.5)))
                    }
                }
            }
        }
    }

    /// Horizontal coordinate of a value, at the nearer end of the axis if it is outside.
    fn x(&self, value: f64) -> f64 {
        let value = value.clamp(self.axis.low, self.axis.high);
        rounded(LEFT + self.axis.fraction(value) * (WIDTH - LEFT - RIGHT))
    }

    fn row(&self, row: &ForestRow, y: f64) -> Markup {
        html! {
            g class=(class(row.style)) {
                text x=(LEFT - 8.0) y=(y + 4.0) text-anchor="end" { (row.name) }
                @for &value in &row.values {
                    circle.faint cx=(self.x(value)) cy=(y + 8.0) r="2" {}
                }
                @if let Some([low, high]) = row.thin {
                    line.thin x1=(self.x(low)) x2=(self.x(high)) y1=(y) y2=(y) {}
                }
                @if let Some([low, high]) = row.thick {
                    line.thick x1=(self.x(low)) x2=(self.x(high)) y1=(y) y2=(y) {}
                }
                (marker(row.style, self.x(row.mean), y))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thin_intervals_are_clamped_to_the_axis() {
        let row = ForestRow {
            name: "a < b".into(),
            style: 1,
            mean: 0.02,
            thick: Some([0.01, 0.03]),
            thin: Some([-5.0, 5.0]),
            values: vec![0.0, 0.04],
            description: "a, +0.020".into(),
        };
        let axis = Forest::axis("difference", [&row]);
        assert!(axis.low < 0.0 && axis.high > 0.04 && axis.high < 0.1);
        let html = Forest { title: "all".into(), axis, rows: vec![row] }.figure().into_string();
        assert!(html.contains("<line class=\"thin\" x1=\"62\" x2=\"326\""), "{html}");
        assert!(html.contains("a &lt; b") && html.contains("aria-label=\"all: a, +0.020\""));
        assert_eq!(html.matches("<circle class=\"faint\"").count(), 2);
    }
}
