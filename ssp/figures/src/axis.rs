//! Axes with round ticks, the same for pictures and SVG charts.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

use super::ticks::{linear, logarithmic, shortest, tick_label};

/// An axis from `low` to `high`.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Value at the left or lower end.
    pub low: f64,
    /// Value at the right or upper end.
    pub high: f64,
    /// Labelled positions, in ascending order.
    pub ticks: Vec<Tick>,
}

/// A labelled position on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Position, in the units of the axis.
    pub value: f64,
    /// Text at that position.
    pub label: String,
}

impl Axis {
    /// An axis with about `count` ticks at round values.
    pub(crate) fn linear(label: &str, [low, high]: [f64; 2], count: usize) -> Self {
        let values = linear(low, high, count);
        let step = if let [first, second, ..] = values[..] { second - first } else { 1.0 };
        let tick = |value| Tick { value, label: tick_label(value, step) };
        Axis { label: label.to_owned(), low, high, ticks: values.into_iter().map(tick).collect() }
    }

    /// An axis over logarithms to base ten, labelled with the values themselves.
    pub(crate) fn logarithmic(label: &str, [low, high]: [f64; 2]) -> Self {
        let tick = |value| Tick { value, label: shortest(10f64.powf(value)) };
        let ticks = logarithmic(low, high).into_iter().map(tick).collect();
        Axis { label: label.to_owned(), low, high, ticks }
    }

    /// An axis that covers the finite `values` with a margin, with about `count` ticks at round
    /// values. Without finite values it covers 0 to 1.
    pub fn covering(label: &str, values: impl IntoIterator<Item = f64>, count: usize) -> Self {
        let [low, high] = extremes(values).unwrap_or([0.0, 1.0]);
        let margin = (0.06 * (high - low)).max(0.01 * high.abs()).max(1e-3);
        Axis::linear(label, [low - margin, high + margin], count)
    }

    /// Position of a value as a fraction of the length: 0 at `low`, 1 at `high`.
    pub(crate) fn fraction(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Label of the tick at `value`; empty if there is none.
    pub(crate) fn label_at(&self, value: f64) -> String {
        let tick = self.ticks.iter().find(|tick| tick.value == value);
        tick.map(|tick| tick.label.clone()).unwrap_or_default()
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + (self.fraction(*value) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.value).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

/// The smallest and the largest of the finite `values`, if there are any.
pub(crate) fn extremes(values: impl IntoIterator<Item = f64>) -> Option<[f64; 2]> {
    let finite = values.into_iter().filter(|value| value.is_finite());
    finite.fold(None, |ends, value| {
        let [low, high] = ends.unwrap_or([value; 2]);
        Some([value.min(low), value.max(high)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_covers_its_values() {
        let axis = Axis::covering("Dice", [0.8, f64::NAN, 0.9], 5);
        assert!(axis.low < 0.8 && axis.high > 0.9 && axis.high < 0.92);
        assert_eq!(axis.label_at(axis.ticks[1].value), axis.ticks[1].label);
        assert!(axis.ticks.iter().all(|tick| (0.0..=1.0).contains(&axis.fraction(tick.value))));
        let empty = Axis::covering("Dice", [f64::INFINITY], 5);
        assert!(empty.low < 0.0 && empty.high > 1.0);
        assert_eq!(extremes([]), None);
    }

    #[test]
    fn a_logarithmic_axis_is_labelled_with_values() {
        let axis = Axis::logarithmic("loss", [-2.0, 1.0]);
        let labels: Vec<&str> = axis.ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(labels, ["0.01", "0.1", "1", "10"]);
    }
}
