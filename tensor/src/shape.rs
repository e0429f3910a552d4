//! The dimensions of a tensor.

use std::fmt;

/// Dimensions of a tensor in row-major order, outermost axis first. Images are
/// `[batch, rows, columns, channels]`. A scalar has no axes.
///
/// ```
/// use tensor::Shape;
/// let shape = Shape::from([2, 3, 4]);
/// assert_eq!((shape.axes(), shape.elements(), shape.last()), (3, 24, 4));
/// assert_eq!(shape.as_array(), Some([2, 3, 4]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; Shape::MAX_AXES],
    axes: usize,
}

impl Shape {
    /// The largest number of axes.
    pub const MAX_AXES: usize = 6;

    /// The shape of a scalar: no axes, one element.
    pub const SCALAR: Shape = Shape { dims: [1; Shape::MAX_AXES], axes: 0 };

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.axes]
    }

    /// Number of axes.
    pub fn axes(&self) -> usize {
        self.axes
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.dims().iter().product()
    }

    /// Size of the innermost axis: channels of an image, features of a row. 1 for a scalar.
    pub fn last(&self) -> usize {
        self.dims().last().copied().unwrap_or(1)
    }

    /// The dimensions as an array; `None` unless there are exactly `N` axes.
    pub fn as_array<const N: usize>(&self) -> Option<[usize; N]> {
        self.dims().try_into().ok()
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Shape::from(&dims[..])
    }
}

impl From<&[usize]> for Shape {
    /// # Panics
    /// With more than [`MAX_AXES`](Shape::MAX_AXES) axes, or if the number of elements overflows.
    fn from(dims: &[usize]) -> Self {
        assert!(dims.len() <= Shape::MAX_AXES, "a shape has at most {} axes", Shape::MAX_AXES);
        let elements = dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
        assert!(
            elements.is_some() || dims.contains(&0),
            "the number of elements of {dims:?} overflows"
        );
        let mut padded = [1; Shape::MAX_AXES];
        padded[..dims.len()].copy_from_slice(dims);
        Shape { dims: padded, axes: dims.len() }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
