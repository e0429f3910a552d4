//! Line charts as SVG, as wide as a phone.

use maud::{Markup, html};

use super::marks::{marker, style_of};
use figures::ticks::{linear, written};

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 232.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 40.0;
/// Approximate height and width of a character of the charts' text.
const TEXT: f64 = 11.0;
const LETTER: f64 = 6.2;
/// Lines with more points than this have a mark at the last point only.
const DENSE: usize = 8;

/// A chart.
pub struct Chart {
    /// Its heading.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical one.
    pub y: Axis,
    /// The series.
    pub lines: Vec<Line>,
}

/// An axis.
pub struct Axis {
    /// Quantity and unit.
    pub label: &'static str,
    /// Its ends, in the units of the points.
    pub range: [f64; 2],
    /// Tick marks and their labels.
    pub marks: Vec<(f64, String)>,
}

/// A series of points.
pub struct Line {
    /// Its name.
    pub name: String,
    /// Index of its colour and marker.
    pub style: usize,
    /// From left to right.
    pub points: Vec<Point>,
}

/// A point of a line.
#[derive(Clone, Copy)]
pub struct Point {
    /// Position along the horizontal axis.
    pub x: f64,
    /// Value.
    pub y: f64,
    /// Half the length of the error bar.
    pub spread: Option<f64>,
}

impl Axis {
    /// An axis that covers `values` with a margin and has about `wanted` ticks at round numbers.
    pub fn over(label: &'static str, values: impl IntoIterator<Item = f64>, wanted: usize) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (mut low, mut high) =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let margin = (0.06 * (high - low)).max(0.01 * high.abs()).max(1e-3);
        (low, high) = (low - margin, high + margin);
        let marks = linear(low, high, wanted);
        let step = if let [first, second, ..] = marks[..] { second - first } else { 1.0 };
        let marks = marks.into_iter().map(|value| (value, written(value, step))).collect();
        Axis { label, range: [low, high], marks }
    }

    /// The same on a line of `length` units of the drawing, with as many ticks as fit.
    pub fn along(label: &'static str, values: impl IntoIterator<Item = f64>, length: f64) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let axes = (2..=6).rev().map(|wanted| Axis::over(label, values.iter().copied(), wanted));
        let fits = |axis: &Axis| {
            let needed: f64 = axis.marks.iter().map(|(_, text)| width(text)).sum();
            needed <= length
        };
        let mut axes: Vec<Axis> = axes.collect();
        let place = axes.iter().position(fits).unwrap_or(axes.len() - 1);
        axes.swap_remove(place)
    }

    /// Relative position of a value on the axis: 0 at its start, 1 at its end.
    pub fn share(&self, value: f64) -> f64 {
        (value - self.range[0]) / (self.range[1] - self.range[0])
    }
}

impl Chart {
    /// The chart with its heading. Values that are not finite are left out.
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

    fn description(&self) -> String {
        let lines = self.lines.iter().map(|line| {
            let points = line.points.iter().map(|point| format!("{:.3}", point.y));
            let mut points: Vec<String> = points.collect();
            // Of many points, only the first and the last.
            if points.len() > DENSE {
                points.drain(1..points.len() - 1);
                return format!("{} from {}", line.name, points.join(" to "));
            }
            format!("{} {}", line.name, points.join(", "))
        });
        let lines: Vec<String> = lines.collect();
        format!("{}: {} by {}. {}", self.title, self.y.label, self.x.label, lines.join("; "))
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self) -> Markup {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        html! {
            @for (value, text) in &self.y.marks {
                @let y = rounded(self.y(*value));
                line.grid x1=(LEFT) x2=(right) y1=(y) y2=(y) {}
                text x=(LEFT - 6.0) y=(rounded(self.y(*value) + TEXT / 3.0)) text-anchor="end" { (text) }
            }
            line.axis x1=(LEFT) x2=(right) y1=(bottom) y2=(bottom) {}
            @for (value, text) in apart(&self.x, |value| self.x(value)) {
                @let x = rounded(self.x(value));
                line.axis x1=(x) x2=(x) y1=(bottom) y2=(bottom + 4.0) {}
                text x=(x) y=(bottom + 16.0) text-anchor="middle" { (text) }
            }
            text.label x=(LEFT) y=(TEXT) { (self.y.label) }
            text.label x=(rounded((LEFT + right) / 2.0)) y=(HEIGHT - 5.0) text-anchor="middle" {
                (self.x.label)
            }
        }
    }

    fn line(&self, index: usize, line: &Line) -> Markup {
        // Error bars at the same position would overlap, so each line is shifted a little.
        let spread = line.points.iter().any(|point| point.spread.is_some());
        let shift = match spread {
            true => 4.0 * (index as f64 - (self.lines.len() as f64 - 1.0) / 2.0),
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
        // Dense marks would hide the line; the last one identifies it.
        let dense = drawn.len() > DENSE;
        html! {
            g class=(style_of(line.style)) {
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
}

/// The ticks of an axis whose labels do not touch; the last one is always kept.
fn apart(axis: &Axis, x: impl Fn(f64) -> f64) -> Vec<(f64, &str)> {
    let mut kept: Vec<(f64, &str)> = Vec::new();
    for (value, text) in axis.marks.iter().rev() {
        let free = |(other, next): &(f64, &str)| {
            (x(*other) - x(*value)).abs() >= (width(text) + width(next)) / 2.0
        };
        if kept.iter().all(free) {
            kept.push((*value, text));
        }
    }
    kept
}

/// Width of a tick label with a gap.
fn width(text: &str) -> f64 {
    LETTER * text.chars().count() as f64 + 11.0
}

/// A coordinate rounded to a tenth.
pub fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
