//! Line charts with error bars.

use maud::{Markup, html};

use super::marks::{class, marker};
use super::text::{TEXT_HEIGHT, label_width, rounded};
use crate::axis::{Axis, Tick};

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 232.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 40.0;
/// Lines with more points than this have a marker at the last point only.
const MAX_MARKERS: usize = 8;
/// Horizontal distance between the error bars of neighbouring lines.
const ERROR_BAR_SHIFT: f64 = 4.0;

/// A line chart.
pub struct Chart {
    /// Heading.
    pub title: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Lines, the last on top.
    pub lines: Vec<Line>,
}

/// A series of points, joined by straight lines.
pub struct Line {
    /// Name, for screen readers; see [`legend`](super::legend) for visible names.
    pub name: String,
    /// Index of colour and marker.
    pub style: usize,
    /// Points, from left to right.
    pub points: Vec<Point>,
}

/// A point of a line, in the units of the axes.
#[derive(Clone, Copy)]
pub struct Point {
    /// Position on the horizontal axis.
    pub x: f64,
    /// Value; a point without a finite one is left out.
    pub y: f64,
    /// Half the length of the error bar, if the point has one.
    pub spread: Option<f64>,
}

impl Chart {
    /// The chart with its heading, as a `figure` element.
    pub fn figure(&self) -> Markup {
        html! {
            figure {
                figcaption { (self.title) }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.description()) {
                    (self.axes())
                    @for (index, line) in self.lines.iter().enumerate() { (self.line(index, line)) }
                }
            }
        }
    }

    /// The data in words, for screen readers.
    fn description(&self) -> String {
        let lines = self.lines.iter().map(|line| {
            let points = line.points.iter().map(|point| format!("{:.3}", point.y));
            let mut points: Vec<String> = points.collect();
            // Of many points, only the first and the last.
            if points.len() > MAX_MARKERS {
                points.drain(1..points.len() - 1);
                return format!("{} from {}", line.name, points.join(" to "));
            }
            format!("{} {}", line.name, points.join(", "))
        });
        let lines: Vec<String> = lines.collect();
        format!("{}: {} by {}. {}", self.title, self.y.label, self.x.label, lines.join("; "))
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.fraction(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.fraction(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self) -> Markup {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        html! {
            @for tick in &self.y.ticks {
                @let y = self.y(tick.value);
                line.grid x1=(LEFT) x2=(right) y1=(rounded(y)) y2=(rounded(y)) {}
                text x=(LEFT - 6.0) y=(rounded(y + TEXT_HEIGHT / 3.0)) text-anchor="end" { (tick.label) }
            }
            line.axis x1=(LEFT) x2=(right) y1=(bottom) y2=(bottom) {}
            @for tick in self.legible_ticks() {
                @let x = rounded(self.x(tick.value));
                line.axis x1=(x) x2=(x) y1=(bottom) y2=(bottom + 4.0) {}
                text x=(x) y=(bottom + 16.0) text-anchor="middle" { (tick.label) }
            }
            text.label x=(LEFT) y=(TEXT_HEIGHT) { (self.y.label) }
            text.label x=(rounded((LEFT + right) / 2.0)) y=(HEIGHT - 5.0) text-anchor="middle" {
                (self.x.label)
            }
        }
    }

    fn line(&self, index: usize, line: &Line) -> Markup {
        // Error bars at the same position would overlap, so each line is shifted a little.
        let spread = line.points.iter().any(|point| point.spread.is_some());
        let shift = match spread {
            true => ERROR_BAR_SHIFT * (index as f64 - (self.lines.len() as f64 - 1.0) / 2.0),
            false => 0.0,
        };
        let at = |point: &Point| (self.x(point.x) + shift, self.y(point.y));
        let drawn: Vec<&Point> = line.points.iter().filter(|point| point.y.is_finite()).collect();
        let path: Vec<String> = drawn
            .iter()
            .enumerate()
            .map(|(n, point)| {
                let (x, y) = at(point);
                format!("{}{} {}", if n == 0 { "M" } else { "L" }, rounded(x), rounded(y))
            })
            .collect();
        // Many markers would hide the line; the last one identifies it.
        let dense = drawn.len() > MAX_MARKERS;
        html! {
            g class=(class(line.style)) {
                @if path.len() > 1 { path.line d=(path.join("")) {} }
                @for point in &drawn {
                    @let (x, y) = at(point);
                    @if let Some(spread) = point.spread {
                        @let [top, foot] = [spread, -spread].map(|by| rounded(self.y(point.y + by)));
                        line.spread x1=(rounded(x)) x2=(rounded(x)) y1=(top) y2=(foot) {}
                    }
                    @if !dense || std::ptr::eq(*point, drawn[drawn.len() - 1]) {
                        (marker(line.style, x, y))
                    }
                }
            }
        }
    }

    /// Ticks of the horizontal axis whose labels do not overlap. The last one is always kept.
    fn legible_ticks(&self) -> Vec<&Tick> {
        let mut kept: Vec<&Tick> = Vec::new();
        for tick in self.x.ticks.iter().rev() {
            let clear = |other: &&Tick| {
                let needed = (label_width(&tick.label) + label_width(&other.label)) / 2.0;
                (self.x(other.value) - self.x(tick.value)).abs() >= needed
            };
            if kept.iter().all(clear) {
                kept.push(tick);
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<Point>) -> String {
        let xs = points.iter().map(|point| point.x);
        let x = Axis::covering("steps", xs, 4);
        let y = Axis::covering("Dice", [0.0, 1.0], 5);
        let lines = vec![Line { name: "one".into(), style: 3, points }];
        Chart { title: "A & B".into(), x, y, lines }.figure().into_string()
    }

    #[test]
    fn points_have_markers_and_error_bars() {
        let point = |n: u8| Point { x: f64::from(n), y: 0.5, spread: (n == 1).then_some(0.1) };
        let few = chart((0..4).map(point).collect());
        assert_eq!(few.matches("path class=\"mark\"").count(), 4, "{few}");
        assert_eq!(few.matches("line class=\"spread\"").count(), 1, "{few}");
        assert!(few.contains("A &amp; B: Dice by steps. one 0.500, 0.500"), "{few}");
        let many = chart((0..20).map(point).collect());
        assert_eq!(many.matches("path class=\"mark\"").count(), 1, "{many}");
        assert!(many.contains("one from 0.500 to 0.500"), "{many}");
    }

    #[test]
    fn values_that_are_not_finite_are_left_out() {
        let points = [f64::NAN, 0.5].map(|y| Point { x: 1.0, y, spread: None });
        let html = chart(points.to_vec());
        assert_eq!(html.matches("path class=\"mark\"").count(), 1, "{html}");
        assert!(!html.contains("\"NaN"), "{html}");
    }
}
