//! Grids of images: the views of a batch, the slices of a stack, masked and rebuilt images.

use super::canvas::{Align, Canvas, Picture, fitted, text_width};
use super::colour::INK;
use super::grey::Window;
use super::regions::{Crop, Plane, known};
use super::slice::{Layer, View};
use crate::{Error, Result};

/// Smallest size of the larger side of an image, in pixels of the picture.
const MIN_SIDE: usize = 160;
/// Gap between images, margin around them, and height of a caption.
const GAP: usize = 8;
const MARGIN: usize = 16;
const CAPTION_HEIGHT: usize = 26;

/// A grey-scale image with a caption.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile<'a> {
    /// `rows * columns` intensities.
    pub image: &'a [f32],
    /// Rows of the image.
    pub rows: usize,
    /// Columns of the image.
    pub columns: usize,
    /// `rows * columns` labels to outline.
    pub labels: Option<&'a [u8]>,
    /// Intensities of black and white; from the image's percentiles if not given.
    pub window: Option<Window>,
    /// One line of text under the image, truncated to its width.
    pub caption: String,
}

impl<'a> Tile<'a> {
    /// An image without labels, in a window from its own percentiles.
    pub fn new(
        image: &'a [f32],
        rows: usize,
        columns: usize,
        caption: impl Into<String>,
    ) -> Tile<'a> {
        Tile { image, rows, columns, labels: None, window: None, caption: caption.into() }
    }

    /// Checks that the image has pixels, and that its data and labels match its size.
    fn check(&self) -> Result<()> {
        let pixels = self.rows * self.columns;
        let labels = self.labels.map_or(pixels, <[u8]>::len);
        if pixels == 0 || self.image.len() != pixels || labels != pixels {
            return Err(Error::Data(format!(
                "image \"{}\" of {} rows and {} columns has {} intensities and {labels} labels, \
                 not {pixels} of each",
                self.caption,
                self.rows,
                self.columns,
                self.image.len()
            )));
        }
        self.labels.map_or(Ok(()), known)
    }
}

/// Draws `tiles` in rows of `across` under a title.
///
/// All are enlarged by the same integer factor, so that the largest side is at least 160 pixels.
///
/// # Errors
/// When an image is empty, its data do not match its size, a label is unknown, or the picture would
/// be too large.
pub fn montage(title: &str, tiles: &[Tile], across: usize) -> Result<Picture> {
    tiles.iter().try_for_each(Tile::check)?;
    let across = across.clamp(1, tiles.len().max(1));
    let largest = |side: fn(&Tile) -> usize| tiles.iter().map(side).max().unwrap_or(1);
    let (rows, columns) = (largest(|tile| tile.rows), largest(|tile| tile.columns));
    let factor = MIN_SIDE.div_ceil(rows.max(columns));
    let (width, height) = (factor * columns, factor * rows);
    let head = if title.is_empty() { MARGIN } else { 52 };
    let mut canvas = Canvas::new(
        2 * MARGIN + (across * (width + GAP) - GAP).max(text_width(title, 20.0)?.ceil() as usize),
        head + tiles.len().div_ceil(across) * (height + CAPTION_HEIGHT) + MARGIN,
    )?;
    canvas.text(title, MARGIN as f32, 33.0, Align::Left, 20.0, INK)?;
    for (index, tile) in tiles.iter().enumerate() {
        let x = MARGIN + index % across * (width + GAP);
        let y = head + index / across * (height + CAPTION_HEIGHT);
        let view = View {
            image: Plane { values: tile.image, rows: tile.rows, columns: tile.columns },
            crop: Crop::whole(tile.rows, tile.columns),
            window: tile.window.unwrap_or_else(|| Window::of(tile.image)),
            size: (factor * tile.columns, factor * tile.rows),
        };
        let layer = tile.labels.map(|values| Layer {
            labels: Plane { values, rows: tile.rows, columns: tile.columns },
            fill: 0.0,
            line: 1.4,
            line_colour: None,
        });
        view.draw(&mut canvas, x, y, layer.as_slice());
        let caption = fitted(&tile.caption, width as f32, 15.0)?;
        let middle = x as f32 + width as f32 / 2.0;
        canvas.text(&caption, middle, (y + height) as f32 + 17.0, Align::Centre, 15.0, INK)?;
    }
    Ok(canvas.finish())
}

#[cfg(test)]
mod tests {
    use data::Label;

    use super::*;
    use crate::colour::WHITE;

    /// Five images of one grey each, in two rows of three: 48 x 64 pixels, three times enlarged.
    #[test]
    fn tiles_fill_their_places_in_order() {
        let greys: Vec<Vec<f32>> = (1..6).map(|n| vec![0.2 * n as f32; 64 * 48]).collect();
        let window = Some(Window { black: 0.0, white: 1.0 });
        let tiles: Vec<_> = greys
            .iter()
            .enumerate()
            .map(|(n, image)| Tile { window, ..Tile::new(image, 64, 48, format!("view {n}")) })
            .collect();
        let picture = montage("Views", &tiles, 3).unwrap();
        assert_eq!(picture.width, 2 * 16 + 3 * 144 + 2 * 8);
        assert_eq!(picture.height, 52 + 2 * (192 + 26) + 16);
        let blank = |x: usize, y: usize, width: usize, height: usize| {
            picture.count(WHITE, x..x + width, y..y + height) == width * height
        };
        assert!(!blank(16, 0, 60, 52), "a title");
        for place in 0..6 {
            let (x, y) = (16 + place % 3 * 152, 52 + place / 3 * 218);
            if place == 5 {
                assert!(blank(x, y, 144, 218), "five tiles");
                continue;
            }
            let grey = [51 * (place as u8 + 1); 3];
            assert_eq!(picture.count(grey, x..x + 144, y..y + 192), 144 * 192, "tile {place}");
            assert!(blank(x - 8, y, 8, 192), "a gap before tile {place}");
            assert!(!blank(x, y + 192, 144, 26), "a caption under tile {place}");
        }
    }

    #[test]
    fn labels_are_outlined_in_the_colour_of_their_structure() {
        let ramp: Vec<f32> = (0..64 * 48).map(|value| value as f32).collect();
        let mut labels = vec![0u8; ramp.len()];
        (20..30).for_each(|row| labels[row * 48 + 10..row * 48 + 30].fill(3));
        let plain = Tile::new(&ramp, 64, 48, "view");
        let outlined = Tile { labels: Some(&labels), ..plain.clone() };
        let [plain, outlined] = [plain, outlined].map(|tile| montage("", &[tile], 1).unwrap());
        assert_eq!(plain.at(16, 16), [0; 3]);
        assert_eq!(plain.at(16 + 143, 16 + 191), [255; 3]);
        let (structure, blue) = ([46..106, 76..106], crate::label_colour(Label::RightVentricle));
        for y in 0..plain.height {
            for x in 0..plain.width {
                let inside = structure[0].contains(&x) && structure[1].contains(&y);
                // The line is less than two pixels wide, and its corners are rounded.
                let within = (49..103).contains(&x) && (79..103).contains(&y);
                let same = outlined.at(x, y) == plain.at(x, y);
                assert!(same || inside && !within, "column {x}, row {y}");
            }
        }
        for (x, y) in [(46, 90), (105, 90), (75, 76), (75, 105)] {
            assert_eq!(outlined.at(x, y), blue, "column {x}, row {y}");
        }
    }

    #[test]
    fn images_must_fit_their_size() {
        let message = montage("", &[Tile::new(&[0.0; 5], 2, 3, "view")], 2).unwrap_err();
        assert!(message.to_string().contains("5 "), "{message}");
        assert!(montage("", &[Tile::new(&[], 0, 3, "")], 2).is_err());
        let empty = montage("nothing to show", &[], 4).unwrap();
        assert_eq!(empty.height, 52 + 16);
    }
}
