//! Where patches lie in memory.

use std::ops::Range;

/// Images cut into patches.
///
/// A batch is stored as one tall image, so patches are numbered row by row through the complete
/// batch, and the numbers of the first image serve for any image taken by itself.
#[derive(Clone, Copy)]
pub struct Grid {
    /// Pixels of an image.
    pub pixels: usize,
    /// Patches of an image.
    pub patches: usize,
    /// Values of a pixel.
    pub channels: usize,
    columns: usize,
    patch: [usize; 2],
}

impl Grid {
    /// Images of these rows, columns and channels; none where patches do not fill them.
    pub fn new([rows, columns, channels]: [usize; 3], patch: [usize; 2]) -> Option<Self> {
        let [height, width] = patch;
        let whole = |extent: usize, of: usize| of > 0 && extent.is_multiple_of(of);
        (whole(rows, height) && whole(columns, width)).then(|| Grid {
            pixels: rows * columns,
            patches: rows / height * (columns / width),
            channels,
            columns,
            patch,
        })
    }

    /// The pixels of a patch, row by row.
    pub fn rows(self, patch: usize) -> impl Iterator<Item = Range<usize>> {
        let [height, width] = self.patch;
        let across = self.columns / width;
        let first = patch / across * height * self.columns + patch % across * width;
        (0..height).map(move |row| {
            let start = first + row * self.columns;
            start..start + width
        })
    }

    /// The values of a patch, row by row.
    pub fn values(self, patch: usize) -> impl Iterator<Item = Range<usize>> {
        self.rows(patch).map(move |row| row.start * self.channels..row.end * self.channels)
    }
}
