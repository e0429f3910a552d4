//! Line charts as SVG, wide as a phone.

use maud::{Markup, html};

use super::marks::{marker, style_of};
use figures::ticks::{linear, written};

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 232.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 40.0;
/// Height of a character, and its width, about, in the size that text has.
const TEXT: f64 = 11.0;
const LETTER: f64 = 6.2;
/// Lines of more points have a mark at the last one only.
const DENSE: usize = 8;

/// A chart.
pub struct Chart {
    /// Its heading.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical one.
    pub y: Axis,
    /// What it shows.
    pub lines: Vec<Line>,
}

/// An axis.
pub struct Axis {
    /// What is along it, with its unit.
    pub label: &'static str,
    /// Its ends, in the units of points.
    pub range: [f64; 2],
    /// Where it has marks, and what stands there.
    pub marks: Vec<(f64, String)>,
}

/// A series of points.
pub struct Line {
    /// What it is called.
    pub name: String,
    /// The number of its colour and marker.
    pub style: usize,
    /// From left to right.
    pub points: Vec<Point>,
}

/// A point of a line.
#[derive(Clone, Copy)]
pub struct Point {
    /// Place along the horizontal axis.
    pub x: f64,
    /// Value.
    pub y: f64,
    /// What is drawn to either side of the value.
    pub spread: Option<f64>,
}

impl Axis {
    /// An axis with about as many round marks as are wanted, that reaches over some values and a little
    /// further.
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

    /// The same along a line of some length, with as many marks as have room.
    pub fn along(label: &'static str, values: impl IntoIterator<Item = f64>, length: f64) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let axes = (2..=6).rev().map(|wanted| Axis::over(label, values.iter().copied(), wanted));
        let fits = |axis: &Axis| {
            let room: f64 = axis.marks.iter().map(|(_, text)| width(text)).sum();
            room <= length
        };
        let mut axes: Vec<Axis> = axes.collect();
        let place = axes.iter().position(fits).unwrap_or(axes.len() - 1);
        axes.swap_remove(place)
    }

    /// Share of the way along it.
    pub fn share(&self, value: f64) -> f64 {
        (value - self.range[0]) / (self.range[1] - self.range[0])
    }
}

impl Chart {
    /// The chart with its heading. Lines of values that are not finite have gaps.
    pub fn figure(&self) -> Markup {
        html! {
            figure {
                figcaption { (self.title) }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.described()) {
                    (self.axes())
                    @for (index, line) in self.lines.iter().enumerate() { (self.line(index, line)) }
                }
            }
        }
    }

    fn described(&self) -> String {
        let lines = self.lines.iter().map(|line| {
            let points = line.points.iter().map(|point| format!("{:.3}", point.y));
            let mut points: Vec<String> = points.collect();
            // Of many, where they begin and end.
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
        let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        html! {
            @for (value, text) in &self.y.marks {
                @let y = place(self.y(*value));
                line.grid x1=(LEFT) x2=(right) y1=(y) y2=(y) {}
                text x=(LEFT - 6.0) y=(place(self.y(*value) + TEXT / 3.0)) text-anchor="end" { (text) }
            }
            line.axis x1=(LEFT) x2=(right) y1=(floor) y2=(floor) {}
            @for (value, text) in apart(&self.x, |value| self.x(value)) {
                @let x = place(self.x(value));
                line.axis x1=(x) x2=(x) y1=(floor) y2=(floor + 4.0) {}
                text x=(x) y=(floor + 16.0) text-anchor="middle" { (text) }
            }
            text.label x=(LEFT) y=(TEXT) { (self.y.label) }
            text.label x=(place((LEFT + right) / 2.0)) y=(HEIGHT - 5.0) text-anchor="middle" {
                (self.x.label)
            }
        }
    }

    fn line(&self, index: usize, line: &Line) -> Markup {
        // Lines that share a place along the axis are told apart by a little distance.
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
                format!("{}{} {}", if n == 0 { "M" } else { "L" }, place(x), place(y))
            })
            .collect();
        // Marks side by side would hide the line; the last one tells it apart.
        let dense = drawn.len() > DENSE;
        html! {
            g class=(style_of(line.style)) {
                @if path.len() > 1 { path.line d=(path.join("")) {} }
                @for point in &drawn {
                    @let (x, y) = at(point);
                    @if let Some(spread) = point.spread {
                        @let [top, foot] = [spread, -spread].map(|by| place(self.y(point.y + by)));
                        line.spread x1=(place(x)) x2=(place(x)) y1=(top) y2=(foot) {}
                    }
                    @if !dense || std::ptr::eq(*point, drawn[drawn.len() - 1]) {
                        (marker(line.style, x, y))
                    }
                }
            }
        }
    }
}

/// The marks of an axis whose texts do not touch; the last one always stays.
fn apart(axis: &Axis, x: impl Fn(f64) -> f64) -> Vec<(f64, &str)> {
    let mut kept: Vec<(f64, &str)> = Vec::new();
    for (value, text) in axis.marks.iter().rev() {
        let free = |(other, beside): &(f64, &str)| {
            (x(*other) - x(*value)).abs() >= (width(text) + width(beside)) / 2.0
        };
        if kept.iter().all(free) {
            kept.push((*value, text));
        }
    }
    kept
}

/// What a text at a mark takes, with a gap.
fn width(text: &str) -> f64 {
    LETTER * text.chars().count() as f64 + 11.0
}

/// A coordinate to a tenth.
pub fn place(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
