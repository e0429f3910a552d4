//! Areas and outlines of labelled structures on the fine grid of a canvas.

use super::colour::Colour;
use crate::{Error, Result};
use data::{CLASSES, Label};

/// A part of a slice: pixels from `top`, `left` on. It may extend beyond the slice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Crop {
    pub top: isize,
    pub left: isize,
    pub rows: usize,
    pub columns: usize,
}

impl Crop {
    /// The whole of a slice of `rows` by `columns`.
    pub fn whole(rows: usize, columns: usize) -> Crop {
        Crop { top: 0, left: 0, rows, columns }
    }
}

/// A two-dimensional array of `rows` by `columns`, row by row.
#[derive(Clone, Copy)]
pub(super) struct Plane<'a, T> {
    pub values: &'a [T],
    pub rows: usize,
    pub columns: usize,
}

impl<T: Copy> Plane<'_, T> {
    /// The value at a row and column, if they are inside.
    pub fn at(&self, row: isize, column: isize) -> Option<T> {
        let (row, column) = (usize::try_from(row).ok()?, usize::try_from(column).ok()?);
        let inside = row < self.rows && column < self.columns;
        inside.then(|| self.values.get(row * self.columns + column).copied()).flatten()
    }
}

/// Checks that all labels are classes of [`Label`]. Others would be drawn as the wrong structure.
pub(super) fn known(labels: &[u8]) -> Result<()> {
    match labels.iter().find(|label| usize::from(**label) >= CLASSES) {
        None => Ok(()),
        Some(label) => Err(Error::Data(format!(
            "label {label} is none of 0 to {} and cannot be drawn: map the labels to background, \
             LV, MYO, RV first",
            CLASSES - 1
        ))),
    }
}

/// Labels of a crop enlarged to `height` by `width`: each place takes the class with the largest
/// weight when the classes are interpolated linearly, which rounds off the steps between pixels.
pub(super) fn enlarge(labels: Plane<u8>, crop: Crop, height: usize, width: usize) -> Vec<u8> {
    let place = |index: usize, size: usize, count: usize, first: isize| {
        let at = (index as f32 + 0.5) / size as f32 * count as f32 - 0.5;
        (first + at.floor() as isize, at - at.floor())
    };
    let mut enlarged = Vec::with_capacity(height * width);
    for y in 0..height {
        let (row, down) = place(y, height, crop.rows, crop.top);
        for x in 0..width {
            let (column, right) = place(x, width, crop.columns, crop.left);
            let corners = [
                (0, 0, (1.0 - down) * (1.0 - right)),
                (0, 1, (1.0 - down) * right),
                (1, 0, down * (1.0 - right)),
                (1, 1, down * right),
            ];
            let mut weights = [0.0f32; CLASSES];
            for (below, beside, weight) in corners {
                let label = labels.at(row + below, column + beside).unwrap_or(0);
                weights[usize::from(label).min(CLASSES - 1)] += weight;
            }
            let largest = (0..CLASSES).max_by(|&a, &b| weights[a].total_cmp(&weights[b]));
            enlarged.push(largest.unwrap_or(0) as u8);
        }
    }
    enlarged
}

/// Marks the structures' places within `thickness` of their edge, on their own side of it, so that
/// the lines of two neighbours lie side by side.
pub(super) fn outline(labels: &[u8], width: usize, thickness: usize) -> Vec<bool> {
    let plane = Plane { values: labels, rows: labels.len() / width.max(1), columns: width };
    let reach = thickness as isize - 1;
    let mut marked = vec![false; labels.len()];
    for (index, &label) in labels.iter().enumerate() {
        let (row, column) = ((index / width) as isize, (index % width) as isize);
        let differs = |(down, right)| plane.at(row + down, column + right).unwrap_or(0) != label;
        if label == 0 || ![(-1, 0), (1, 0), (0, -1), (0, 1)].into_iter().any(differs) {
            continue;
        }
        for down in -reach..=reach {
            for right in -reach..=reach {
                let near = down * down + right * right <= reach * reach;
                if near && plane.at(row + down, column + right) == Some(label) {
                    marked[(row + down) as usize * width + (column + right) as usize] = true;
                }
            }
        }
    }
    marked
}

/// Colour of the class `class` of a label map; black beyond the known ones.
pub(super) fn class_colour(class: u8) -> Colour {
    let label = Label::STRUCTURES.into_iter().find(|label| *label as u8 == class);
    super::label_colour(label.unwrap_or(Label::Background))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enlarging_keeps_areas_and_places() {
        #[rustfmt::skip]
        let labels = [
            0, 0, 0, 0,
            0, 1, 1, 0,
            0, 1, 2, 0,
            0, 0, 0, 3,
        ];
        let plane = Plane { values: &labels, rows: 4, columns: 4 };
        let same = enlarge(plane, Crop::whole(4, 4), 4, 4);
        assert_eq!(same, labels);
        let large = enlarge(plane, Crop::whole(4, 4), 36, 36);
        for (index, &label) in labels.iter().enumerate() {
            let centre = (index / 4 * 9 + 4) * 36 + index % 4 * 9 + 4;
            assert_eq!(large[centre], label);
        }
        let beyond = enlarge(plane, Crop { top: -1, left: 2, rows: 3, columns: 3 }, 3, 3);
        assert_eq!(beyond, [0, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn outlines_lie_inside_their_structure() {
        let mut labels = vec![0u8; 20 * 20];
        (4..16).for_each(|row| labels[row * 20 + 4..row * 20 + 16].fill(1));
        let marked = outline(&labels, 20, 2);
        let count = marked.iter().filter(|&&mark| mark).count();
        assert_eq!(count, 12 * 12 - 8 * 8);
        assert!(marked.iter().zip(&labels).all(|(&mark, &label)| !mark || label == 1));
        assert!(outline(&[0; 9], 3, 2).iter().all(|&mark| !mark));
    }
}
