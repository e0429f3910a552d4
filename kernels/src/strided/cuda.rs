//! Copies on GPUs: a thread for each element, or tiles that are turned in shared memory.

use tensor::gpu::{Gpu, Launch, Program, Source};
use tensor::{DType, Result, Shape, Tensor};

use super::{Axis, View};
use crate::gpu::filled;

/// Offsets of views.
pub(crate) const STRIDED: Source =
    Source { path: "kernels/src/strided/strided.cuh", text: include_str!("strided.cuh") };

const SOURCES: &[Source] =
    &[STRIDED, Source { path: "kernels/src/strided/copy.cu", text: include_str!("copy.cu") }];

/// Rows and columns that a block turns.
const TILE: usize = 32;

/// The kernels.
pub(crate) fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with("TILE", TILE as i64)
}

/// The elements of a view of `x`, one after the other, as a tensor of the given shape.
pub(crate) fn copy(gpu: &dyn Gpu, x: &Tensor, view: &View, shape: Shape) -> Result<Tensor> {
    match Turn::of(view) {
        Some(turn) => turned(gpu, x, &turn, shape),
        None => copied(gpu, x, view, shape),
    }
}

/// A thread for each element.
fn copied(gpu: &dyn Gpu, x: &Tensor, view: &View, shape: Shape) -> Result<Tensor> {
    let count = shape.elements();
    let [extents, strides] = columns::<{ Shape::MAX_AXES }>(view.axes());
    let rest = [&[count], &extents[..], &strides[..]].concat();
    let rest: Vec<_> = rest.into_iter().map(Into::into).collect();
    let (program, launch) = (program(x.dtype()), Launch::over(count));
    // SAFETY: the view has `count` elements, all of them in `x`; each thread writes one.
    unsafe { filled(gpu, &program, "strided_copy", launch, &[x], shape, &rest) }
}

/// Extents and strides of the axes as the kernels take them: then axes of one element.
pub(crate) fn columns<const MOST: usize>(axes: &[Axis]) -> [[usize; MOST]; 2] {
    let mut columns = [[1; MOST], [0; MOST]];
    for (k, axis) in axes.iter().enumerate() {
        (columns[0][k], columns[1][k]) = (axis.extent, axis.stride);
    }
    columns
}

/// A view whose contiguous axis is not the innermost one.
struct Turn {
    /// The contiguous axis.
    rows: usize,
    /// How far apart its elements are in the result.
    row_step: usize,
    /// The innermost axis of the view.
    columns: Axis,
    /// The other axes as they are in memory, and as they are in the result.
    others: [Vec<Axis>; 2],
}

impl Turn {
    /// Whether tiles pay: both axes fill most of one.
    fn of(view: &View) -> Option<Self> {
        let (&columns, outer) = view.axes().split_last()?;
        let contiguous = outer.iter().position(|axis| axis.stride == 1)?;
        if columns.stride <= 1 || columns.extent.min(outer[contiguous].extent) < TILE / 2 {
            return None;
        }
        let extents: Vec<usize> = view.axes().iter().map(|axis| axis.extent).collect();
        let steps = super::contiguous(&extents);
        let without = |axes: &[Axis]| {
            let others = axes[..outer.len()].iter().enumerate().filter(|(k, _)| *k != contiguous);
            others.map(|(_, &axis)| axis).collect()
        };
        Some(Turn {
            rows: outer[contiguous].extent,
            row_step: steps[contiguous].stride,
            columns,
            others: [without(view.axes()), without(&steps)],
        })
    }
}

/// A block for each tile.
fn turned(gpu: &dyn Gpu, x: &Tensor, turn: &Turn, shape: Shape) -> Result<Tensor> {
    let Turn { rows, row_step, columns: Axis { extent, stride }, others: [from, to] } = turn;
    let [extents, strides] = columns::<4>(from);
    let [_, steps] = columns::<4>(to);
    let rest = [&[*rows, *row_step, *extent, *stride], &extents[..], &strides, &steps].concat();
    let rest: Vec<_> = rest.into_iter().map(Into::into).collect();
    let images: usize = extents.iter().product();
    let blocks = rows.div_ceil(TILE) * extent.div_ceil(TILE) * images;
    let launch = Launch { threads: [TILE as u32, 8, 1], ..Launch::blocks(blocks, 1) };
    // SAFETY: rows, columns and the other axes are those of a view of `x` whose elements the result
    // has; each block writes its own tile.
    unsafe { filled(gpu, &program(x.dtype()), "strided_turn", launch, &[x], shape, &rest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strided::contiguous;

    #[test]
    fn transposed_views_are_turned_and_others_are_not() {
        let axes = contiguous(&[3, 20, 40]);
        let transposed = Turn::of(&View::new([axes[0], axes[2], axes[1]])).unwrap();
        assert_eq!((transposed.rows, transposed.row_step), (40, 20));
        assert_eq!(transposed.columns, Axis { extent: 20, stride: 40 });
        assert!(Turn::of(&View::new([axes[1], axes[0], axes[2]])).is_none());
        let narrow = contiguous(&[100, 3]);
        assert!(Turn::of(&View::new([narrow[1], narrow[0]])).is_none());
    }
}
