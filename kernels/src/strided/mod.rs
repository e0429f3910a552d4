//! Reading a tensor in another order than it has in memory: what permuting axes, expanding them and
//! summing over them have in common.
//!
//! A view says how many elements each axis has and how far apart they are in memory. Permuting axes
//! permutes the strides; an expanded axis has a stride of 0.

mod copy;
pub(crate) mod cuda;

use tensor::{Result, Shape, Tensor, with_features};

pub(crate) use copy::copy;

/// One axis of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    /// Elements along the axis.
    pub extent: usize,
    /// Distance of neighbours in memory, in elements.
    pub stride: usize,
}

/// The elements of a tensor, in the order of some axes, outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    axes: Vec<Axis>,
}

impl View {
    /// A view of the given axes. Axes of one element are dropped, and neighbours that one stride can
    /// walk through are merged.
    pub(crate) fn new(axes: impl IntoIterator<Item = Axis>) -> Self {
        let mut merged: Vec<Axis> = Vec::new();
        for axis in axes.into_iter().filter(|axis| axis.extent != 1) {
            match merged.last_mut() {
                Some(outer) if outer.stride == axis.extent * axis.stride => {
                    *outer = Axis { extent: outer.extent * axis.extent, ..axis };
                }
                _ => merged.push(axis),
            }
        }
        View { axes: merged }
    }

    /// The axes, outermost first: none of one element.
    pub(crate) fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// How many elements there are.
    pub(crate) fn elements(&self) -> usize {
        self.axes.iter().map(|axis| axis.extent).product()
    }

    /// Whether neighbours of the innermost axis are neighbours in memory.
    pub(crate) fn is_innermost_contiguous(&self) -> bool {
        self.axes.last().is_none_or(|axis| axis.stride == 1)
    }

    /// Where the element of an index is in memory.
    pub(crate) fn offset(&self, index: usize) -> usize {
        let step = |(rest, offset): (usize, usize), axis: &Axis| {
            (rest / axis.extent, offset + rest % axis.extent * axis.stride)
        };
        self.axes.iter().rev().fold((index, 0), step).1
    }

    /// The innermost axis, and a view of the others.
    pub(crate) fn split_innermost(&self) -> (View, Axis) {
        let scalar = Axis { extent: 1, stride: 0 };
        match self.axes.split_last() {
            None => (View { axes: vec![] }, scalar),
            Some((&innermost, outer)) => (View { axes: outer.to_vec() }, innermost),
        }
    }
}

/// The axes of a contiguous tensor.
pub(crate) fn contiguous(dims: &[usize]) -> Vec<Axis> {
    let mut stride = 1;
    let axis = |&extent: &usize| {
        let axis = Axis { extent, stride };
        stride *= extent;
        axis
    };
    let mut axes: Vec<Axis> = dims.iter().rev().map(axis).collect();
    axes.reverse();
    axes
}

/// A copy of `x` expanded to a shape that it broadcasts to, off the tape.
pub(crate) fn expanded(x: &Tensor, shape: Shape) -> Result<Tensor> {
    let added = shape.axes() - x.shape().axes();
    let own = contiguous(x.dims());
    let axis = |(k, &extent): (usize, &usize)| match k.checked_sub(added).map(|k| own[k]) {
        Some(own) if own.extent == extent => own,
        _ => Axis { extent, stride: 0 },
    };
    let view = View::new(shape.dims().iter().enumerate().map(axis));
    with_features!("expand", x,
        gpu => cuda::copy(gpu, x, &view, shape),
        T => Ok(copy::<T>(x, &view, shape))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_that_one_stride_walks_through_are_merged() {
        let axes = contiguous(&[2, 3, 1, 5]);
        assert_eq!(View::new(axes.clone()).axes(), [Axis { extent: 30, stride: 1 }]);
        let turned = View::new([axes[3], axes[0], axes[1]]);
        let wanted = [Axis { extent: 5, stride: 1 }, Axis { extent: 6, stride: 5 }];
        assert_eq!(turned.axes(), wanted);
        let expanded = View::new([4, 7].map(|extent| Axis { extent, stride: 0 }));
        assert_eq!(expanded.axes(), [Axis { extent: 28, stride: 0 }]);
        assert_eq!(View::new([]).offset(0), 0);
    }

    #[test]
    fn offsets_are_those_of_the_axes() {
        let axes = contiguous(&[2, 3, 4]);
        let turned = View::new([axes[2], axes[0], axes[1]]);
        // Element [3, 1, 2] of the view is element [1, 2, 3] of the tensor.
        assert_eq!(turned.offset((3 * 2 + 1) * 3 + 2), (3 + 2) * 4 + 3);
    }
}
