//! Measurements, and a table of them.

use serde::Serialize;

/// One pass of an operation on one shape.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// Its name in the registry of `kernels`.
    pub operation: &'static str,
    /// `forward`, or the gradient that is computed.
    pub pass: &'static str,
    /// In words.
    pub shape: String,
    /// How often a step of the network runs it.
    pub uses: usize,
    /// Median milliseconds.
    pub ms: f64,
    /// 10^12 floating-point operations of matrix products per second.
    pub tflop_per_s: Option<f64>,
    /// 10^9 bytes per second, counting the bytes that must move at least.
    pub gb_per_s: f64,
    /// The time at the nearer ceiling, divided by the measured time.
    pub share: f64,
    /// The nearer ceiling: `copy` or `product`.
    pub bound: &'static str,
    /// PyTorch's median milliseconds.
    pub peer_ms: Option<f64>,
    /// PyTorch's time divided by ours: above 1 we are faster.
    pub ratio: Option<f64>,
}

const TITLES: [&str; 9] =
    ["operation", "pass", "shape", "uses", "ms", "TFLOP/s", "GB/s", "share", "PyTorch"];

/// A table of measurements: words aligned left, numbers aligned right.
pub(super) fn text(rows: &[Measurement]) -> String {
    let titles = TITLES.map(str::to_owned);
    let lines: Vec<[String; 9]> = [titles].into_iter().chain(rows.iter().map(cells)).collect();
    let widths: [usize; 9] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for line in lines {
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            match column {
                0..=2 => text += &format!("{cell:<width$}  "),
                _ => text += &format!("{cell:>width$}  "),
            }
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn cells(row: &Measurement) -> [String; 9] {
    let or_dash = |number: Option<String>| number.unwrap_or_else(|| "-".into());
    [
        row.operation.into(),
        row.pass.into(),
        row.shape.clone(),
        row.uses.to_string(),
        digits(row.ms),
        or_dash(row.tflop_per_s.map(digits)),
        format!("{:.1}", row.gb_per_s),
        format!("{:.0}% {}", 100.0 * row.share, row.bound),
        or_dash(row.ratio.map(|ratio| format!("{ratio:.2}x"))),
    ]
}

/// A number with three significant digits.
fn digits(number: f64) -> String {
    let before = if number >= 1.0 { number.log10().floor() as usize + 1 } else { 0 };
    let after = if number < 0.1 { 4 } else { 3usize.saturating_sub(before) };
    format!("{number:.after$}")
}
