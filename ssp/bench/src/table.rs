//! Rows for people.

use super::operations::Row;

const TITLES: [&str; 9] =
    ["operation", "pass", "shape", "uses", "ms", "TFLOP/s", "GB/s", "share", "PyTorch"];

/// Rows one below the other, words to the left and numbers to the right.
pub(super) fn text(rows: &[Row]) -> String {
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

fn cells(row: &Row) -> [String; 9] {
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

/// Three digits that count.
fn digits(number: f64) -> String {
    let before = if number >= 1.0 { number.log10().floor() as usize + 1 } else { 0 };
    let after = if number < 0.1 { 4 } else { 3usize.saturating_sub(before) };
    format!("{number:.after$}")
}
