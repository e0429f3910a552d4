//! One slice on a canvas: the image in grey, and labels over it.

use super::canvas::{Canvas, FINE};
use super::colour::{Colour, blend};
use super::grey::Window;
use super::regions::{Crop, Plane, class_colour, enlarge, outline};

/// Labels to lay over an image, and how.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    /// A label for every pixel of the image.
    pub labels: Plane<'a, u8>,
    /// Opacity of the areas, 0 to 1.
    pub fill: f32,
    /// Thickness of the outlines in pixels of the picture; 0 for none.
    pub line: f32,
    /// Colour of the outlines, if not that of the structure.
    pub line_colour: Option<Colour>,
}

/// A part of an image, and the size that it is shown at.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub image: Plane<'a, f32>,
    pub crop: Crop,
    pub window: Window,
    /// Width and height in pixels of the picture.
    pub size: (usize, usize),
}

impl View<'_> {
    /// Draws the part with its top left corner at (`x`, `y`), every pixel as a block, and the
    /// layers over it in their order.
    pub fn draw(&self, canvas: &mut Canvas, x: usize, y: usize, layers: &[Layer]) {
        let (width, height) = (self.size.0 * FINE, self.size.1 * FINE);
        let mut colours = self.greys(width, height);
        for layer in layers {
            let labels = enlarge(layer.labels, self.crop, height, width);
            let thickness = (layer.line * FINE as f32).round() as usize;
            let lines = match thickness {
                0 => vec![false; labels.len()],
                _ => outline(&labels, width, thickness),
            };
            for ((colour, &label), &line) in colours.iter_mut().zip(&labels).zip(&lines) {
                if line {
                    *colour = layer.line_colour.unwrap_or_else(|| class_colour(label));
                } else if label != 0 {
                    *colour = blend(*colour, class_colour(label), layer.fill);
                }
            }
        }
        for (index, colour) in colours.into_iter().enumerate() {
            canvas.set_fine(x * FINE + index % width, y * FINE + index / width, colour);
        }
    }

    /// The image on the fine grid; black beyond its edges.
    fn greys(&self, width: usize, height: usize) -> Vec<Colour> {
        let at = |index: usize, size: usize, count: usize, first: isize| {
            first + (index * count / size.max(1)) as isize
        };
        let colour = |index: usize| {
            let row = at(index / width, height, self.crop.rows, self.crop.top);
            let column = at(index % width, width, self.crop.columns, self.crop.left);
            let grey = self.image.at(row, column).map_or(0, |value| self.window.grey(value));
            [grey; 3]
        };
        (0..width * height).map(colour).collect()
    }
}
