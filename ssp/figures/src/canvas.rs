//! The surface that figures are drawn on, and the picture that it becomes.

#[cfg(test)]
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use plotters::backend::RGBPixel;
use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, DrawingArea, FontStyle, IntoDrawingArea, IntoFont};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{RGBColor, TextStyle, register_font};

use super::colour::{Colour, WHITE};
use crate::{Error, Result};
use common::files::write_atomically;

/// Canvas pixels per picture pixel along each axis. Lines and letters are drawn hard-edged on the
/// fine grid; averaging it down makes their edges smooth.
pub(super) const FINE: usize = 3;

/// Largest side of a picture, in pixels.
const MAX_SIDE: usize = 16_384;

/// Name under which the typeface is registered with the plotting library.
const TYPEFACE: &str = "figure";

/// A finished picture: `height * width` pixels of red, green, blue.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Pixels along a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Three bytes a pixel, row by row from the top left.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// The picture as the bytes of a PNG file.
    pub fn png(&self) -> Result<Vec<u8>> {
        let fail = |error: png::EncodingError| Error::Data(format!("no PNG can be made: {error}"));
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(fail)?;
        writer.write_image_data(&self.pixels).map_err(fail)?;
        writer.finish().map_err(fail)?;
        Ok(bytes)
    }

    /// Writes the PNG file `path`, replacing it in one step.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomically(path, &self.png()?)
    }
}

#[cfg(test)]
impl Picture {
    /// Red, green and blue of the pixel in column `x` and row `y`.
    pub(crate) fn at(&self, x: usize, y: usize) -> Colour {
        let at = 3 * (y * self.width + x);
        std::array::from_fn(|channel| self.pixels[at + channel])
    }

    /// How many pixels of the columns `x` and rows `y` have this colour.
    pub(crate) fn count(&self, colour: Colour, x: Range<usize>, y: Range<usize>) -> usize {
        y.map(|y| x.clone().filter(|&x| self.at(x, y) == colour).count()).sum()
    }
}

/// Horizontal alignment of a text with respect to its point on the base line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// A white surface, [`FINE`] times as fine as the picture that it becomes.
///
/// Positions and sizes are in picture pixels unless said otherwise.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    fine: Vec<u8>,
}

impl Canvas {
    /// A surface for a picture of `width` by `height` pixels.
    pub fn new(width: usize, height: usize) -> Result<Canvas> {
        if width == 0 || height == 0 || width.max(height) > MAX_SIDE {
            return Err(Error::Data(format!(
                "a picture of {width} by {height} pixels cannot be drawn: sides may be 1 to \
                 {MAX_SIDE}; show less in one picture"
            )));
        }
        let fine = vec![255; width * height * FINE * FINE * 3];
        Ok(Canvas { width, height, fine })
    }

    /// Sets the pixel in column `x` and row `y` of the fine grid; outside it nothing happens.
    pub fn set_fine(&mut self, x: usize, y: usize, colour: Colour) {
        if x < self.width * FINE && y < self.height * FINE {
            let place = (y * self.width * FINE + x) * 3;
            self.fine[place..place + 3].copy_from_slice(&colour);
        }
    }

    /// Fills the rectangle with its top left corner at (`x`, `y`).
    pub fn rectangle(&mut self, x: f32, y: f32, width: f32, height: f32, colour: Colour) {
        let fine = |value: f32| (value * FINE as f32).round().max(0.0) as usize;
        for row in fine(y)..fine(y + height) {
            for column in fine(x)..fine(x + width) {
                self.set_fine(column, row, colour);
            }
        }
    }

    /// Writes `text` on the base line `y`, `size` pixels high from ascender to descender.
    pub fn text(
        &mut self,
        text: &str,
        x: f32,
        y: f32,
        align: Align,
        size: f32,
        colour: Colour,
    ) -> Result<()> {
        let horizontal = match align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = style(size, colour)?.pos(Pos::new(horizontal, VPos::Top));
        // The plotting library puts the base line half the size below the point that it is given.
        let top = (y - size / 2.0) * FINE as f32;
        let place = ((x * FINE as f32) as i32, top as i32);
        self.area().draw_text(text, &style, place).map_err(|error| fail(&error))
    }

    /// The fine grid as a drawing area of the plotting library: positions and sizes are [`FINE`] times
    /// those of the picture.
    pub fn area(&mut self) -> DrawingArea<BitMapBackend<'_, RGBPixel>, Shift> {
        let size = ((self.width * FINE) as u32, (self.height * FINE) as u32);
        BitMapBackend::with_buffer(&mut self.fine, size).into_drawing_area()
    }

    /// The picture: every pixel is the mean of its pixels on the fine grid.
    pub fn finish(self) -> Picture {
        let mut pixels = Vec::with_capacity(self.width * self.height * 3);
        let row_bytes = self.width * FINE * 3;
        for rows in self.fine.chunks_exact(row_bytes * FINE) {
            for x in 0..self.width {
                for channel in 0..3 {
                    let sum: usize = (0..FINE * FINE)
                        .map(|k| row_bytes * (k / FINE) + (x * FINE + k % FINE) * 3 + channel)
                        .map(|place| usize::from(rows[place]))
                        .sum();
                    pixels.push(((sum + FINE * FINE / 2) / (FINE * FINE)) as u8);
                }
            }
        }
        Picture { width: self.width, height: self.height, pixels }
    }
}

/// Width of `text` in pixels.
pub(super) fn text_width(text: &str, size: f32) -> Result<f32> {
    let (width, _) = style(size, WHITE)?.font.box_size(text).map_err(|error| fail(&error))?;
    Ok(width as f32 / FINE as f32)
}

/// `text`, or as much of its beginning as fits into `width` pixels, with an ellipsis.
pub(super) fn fitted(text: &str, width: f32, size: f32) -> Result<String> {
    let mut fitted = text.to_string();
    let mut kept = text.chars().count();
    while kept > 0 && text_width(&fitted, size)? > width {
        kept -= 1;
        fitted = text.chars().take(kept).chain(['…']).collect();
    }
    Ok(fitted)
}

/// Text of `size` picture pixels, for drawing on a canvas' area.
pub(super) fn style(size: f32, colour: Colour) -> Result<TextStyle<'static>> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = REGISTERED.get_or_init(|| {
        // Ubuntu Light, under the Ubuntu font licence 1.0.
        register_font(TYPEFACE, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).is_ok()
    });
    if !registered {
        return Err(fail(&"the built-in typeface cannot be read"));
    }
    let colour = rgb(colour);
    Ok((TYPEFACE, size * FINE as f32).into_font().color(&colour))
}

/// A colour as a type of the plotting library.
pub(super) fn rgb([red, green, blue]: Colour) -> RGBColor {
    RGBColor(red, green, blue)
}

/// A failure of the plotting library.
pub(super) fn fail(what: &dyn std::fmt::Display) -> Error {
    Error::Data(format!("a picture cannot be drawn: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::BLACK;

    #[test]
    fn a_png_holds_the_picture() {
        let mut canvas = Canvas::new(5, 3).unwrap();
        canvas.rectangle(1.0, 1.0, 2.0, 1.0, [10, 20, 30]);
        let picture = canvas.finish();
        let bytes = picture.png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (5, 3));
        assert_eq!(pixels, picture.pixels);
        let row: Vec<_> = pixels[15..30].chunks(3).map(|pixel| pixel[0]).collect();
        assert_eq!(row, [255, 10, 10, 255, 255]);
    }

    #[test]
    fn edges_between_pixels_are_smoothed() {
        let mut canvas = Canvas::new(3, 1).unwrap();
        canvas.rectangle(0.0, 0.0, 1.0 + 1.0 / 3.0, 1.0, BLACK);
        let picture = canvas.finish();
        assert_eq!([picture.pixels[0], picture.pixels[3], picture.pixels[6]], [0, 170, 255]);
    }

    #[test]
    fn text_stands_on_its_base_line() {
        let mut canvas = Canvas::new(60, 40).unwrap();
        canvas.text("HH", 30.0, 30.0, Align::Centre, 20.0, BLACK).unwrap();
        let picture = canvas.finish();
        let dark: Vec<_> = (0..40 * 60).filter(|&p| picture.pixels[3 * p] < 100).collect();
        let rows = dark.iter().map(|p| p / 60);
        let columns = dark.iter().map(|p| p % 60);
        assert!((28..=30).contains(&rows.clone().max().unwrap()));
        assert!((14..=18).contains(&rows.min().unwrap()));
        let middle = (columns.clone().min().unwrap() + columns.max().unwrap()) / 2;
        assert!((28..=32).contains(&middle), "{middle}");
        assert!(text_width("HHHH", 20.0).unwrap() > 1.9 * text_width("HH", 20.0).unwrap());
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        assert!(Canvas::new(0, 10).is_err());
        assert!(Canvas::new(10, 1_000_000).is_err());
    }
}
