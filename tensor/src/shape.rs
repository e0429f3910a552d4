//! The extents of a tensor.

use std::fmt;

/// Extents of a tensor, outermost first; images are `[batch, rows, columns, channels]`.
///
/// At most six axes; a scalar has none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    extents: [usize; Shape::MAX_AXES],
    axes: usize,
}

impl Shape {
    /// The largest number of axes.
    pub const MAX_AXES: usize = 6;

    /// The shape of a single number.
    pub const SCALAR: Shape = Shape { extents: [1; Shape::MAX_AXES], axes: 0 };

    /// Extents as a slice, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.extents[..self.axes]
    }

    /// Number of axes.
    pub fn axes(&self) -> usize {
        self.axes
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.dims().iter().product()
    }

    /// Extent of the innermost axis: channels of an image, features of a row. 1 for a scalar.
    pub fn last(&self) -> usize {
        self.dims().last().copied().unwrap_or(1)
    }

    /// The extents as a fixed-size array, or none when the number of axes is another.
    pub fn as_array<const N: usize>(&self) -> Option<[usize; N]> {
        self.dims().try_into().ok()
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(extents: [usize; N]) -> Self {
        Shape::from(&extents[..])
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        assert!(dims.len() <= Shape::MAX_AXES, "a shape has at most {} axes", Shape::MAX_AXES);
        let elements = dims.iter().try_fold(1usize, |all, &extent| all.checked_mul(extent));
        assert!(
            elements.is_some() || dims.contains(&0),
            "{dims:?} has more elements than can be counted"
        );
        let mut extents = [1; Shape::MAX_AXES];
        extents[..dims.len()].copy_from_slice(dims);
        Shape { extents, axes: dims.len() }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}
