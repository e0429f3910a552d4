//! Text metrics and coordinates of the SVG charts.

/// Height of the text, in units of the drawing: the font size in `style.css`.
pub(super) const TEXT_HEIGHT: f64 = 11.0;
/// Approximate width of a character in a system font. SVG markup cannot measure its text.
const CHARACTER_WIDTH: f64 = 6.2;
/// Smallest gap between two tick labels.
const LABEL_GAP: f64 = 11.0;

/// Approximate width of a tick label and the gap to the next.
pub(super) fn label_width(text: &str) -> f64 {
    CHARACTER_WIDTH * text.chars().count() as f64 + LABEL_GAP
}

/// A coordinate rounded to a tenth, which keeps the markup short.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
