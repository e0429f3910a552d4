//! Relations between the rows of a sheet: a vertical lane for each row, with dots at related rows.

use plotters::prelude::Circle;
use plotters::style::{Color, ShapeStyle};

use super::canvas::{Align, Canvas, FINE, fail, rgb};
use super::colour::{FAINT_INK, WHITE, series_colour};
use crate::Result;

/// Width of a lane, and of the space before the first.
const LANE_WIDTH: usize = 24;
const LEFT_MARGIN: usize = 14;

/// Width of the drawing for `rows` rows; 0 without rows.
pub(super) fn width(rows: usize) -> usize {
    if rows == 0 { 0 } else { LEFT_MARGIN + rows * LANE_WIDTH }
}

/// Draws the lanes to the right of `x`. `middles` are the vertical centres of the rows, and `heads`
/// is the base line of the lanes' numbers. A lane has a ring at its own row, a dot at each related
/// row, and a line where two neighbouring rows both have a mark.
pub(super) fn draw(
    canvas: &mut Canvas,
    related: &[Vec<usize>],
    x: f32,
    middles: &[f32],
    heads: f32,
) -> Result<()> {
    for (own, others) in related.iter().enumerate() {
        let colour = series_colour(own);
        let x = x + (LEFT_MARGIN + own * LANE_WIDTH) as f32;
        canvas.text(&format!("{}", own + 1), x, heads, Align::Centre, 16.0, FAINT_INK)?;
        let belongs = |row: usize| row == own || others.contains(&row);
        for row in 1..related.len() {
            if belongs(row - 1) && belongs(row) {
                let (from, to) = (middles[row - 1], middles[row]);
                canvas.rectangle(x - 1.0, from, 2.0, to - from, colour);
            }
        }
        for (row, &middle) in middles.iter().enumerate().filter(|(row, _)| belongs(*row)) {
            disc(canvas, [x, middle], if row == own { 8.0 } else { 5.0 }, rgb(colour).filled())?;
            if row == own {
                disc(canvas, [x, middle], 4.5, rgb(WHITE).filled())?;
            }
        }
    }
    Ok(())
}

fn disc(canvas: &mut Canvas, [x, y]: [f32; 2], radius: f32, style: ShapeStyle) -> Result<()> {
    let fine = |value: f32| (value * FINE as f32).round() as i32;
    let circle = Circle::new((fine(x), fine(y)), fine(radius), style);
    canvas.area().draw(&circle).map_err(|error| fail(&error))
}
