//! Copies on GPUs: a thread for each element, or tiles that are turned in shared memory.

use tensor::gpu::{Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{DType, Result, Shape, Tensor};

use super::{Axis, View};

/// Offsets of views.
pub(crate) const STRIDED: Source =
    Source { path: "kernels/src/strided/strided.cuh", text: include_str!("strided.cuh") };

const SOURCES: &[Source] =
    &[STRIDED, Source { path: "kernels/src/strided/copy.cu", text: include_str!("copy.cu") }];

/// Rows and columns that a block turns.
const TILE: usize = 32;

tensor::kernels! {
    /// The kernels of `copy.cu`.
    const KERNELS;

    strided_copy => struct StridedCopy<'a> {
        x: In<'a, Real>,
        y: Out<'a, Real>,
        view: Axes,
        count: usize,
    }

    strided_turn => struct StridedTurn<'a> {
        x: In<'a, Real>,
        y: Out<'a, Real>,
        rows: usize,
        row_step: usize,
        columns: usize,
        column_stride: usize,
        from: Axes,
        to: Axes,
    }
}

tensor::kernel_struct! {
    /// Axes of a view, and then axes of one element.
    pub(crate) struct Axes {
        extents: [usize; Shape::MAX_AXES],
        strides: [usize; Shape::MAX_AXES],
    }
}

impl Axes {
    pub(crate) fn new(axes: &[Axis]) -> Self {
        let (mut extents, mut strides) = ([1; Shape::MAX_AXES], [0; Shape::MAX_AXES]);
        for (k, axis) in axes.iter().enumerate() {
            (extents[k], strides[k]) = (axis.extent, axis.stride);
        }
        Axes { extents, strides }
    }
}

/// The programs.
pub(crate) fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS).define("TILE", TILE as i64)
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
    let (program, count) = (program(x.dtype()), shape.elements());
    let mut y = Tensor::uninitialised(&x.device(), x.dtype(), shape)?;
    let args = StridedCopy {
        x: program.input(x)?,
        y: program.output(&mut y)?,
        view: Axes::new(view.axes()),
        count,
    };
    // SAFETY: the view has `count` elements, all of them in `x`, and the result as many; a thread for
    // each.
    unsafe { gpu.launch(&program, "strided_copy", Launch::over(count), &args)? };
    Ok(y)
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
    let Turn { rows, row_step, columns, ref others } = *turn;
    let [from, to] = others;
    let program = program(x.dtype());
    let mut y = Tensor::uninitialised(&x.device(), x.dtype(), shape)?;
    let args = StridedTurn {
        x: program.input(x)?,
        y: program.output(&mut y)?,
        rows,
        row_step,
        columns: columns.extent,
        column_stride: columns.stride,
        from: Axes::new(from),
        to: Axes::new(to),
    };
    let images: usize = from.iter().map(|axis| axis.extent).product();
    let blocks = rows.div_ceil(TILE) * columns.extent.div_ceil(TILE) * images;
    let launch = Launch { threads: [TILE as u32, 8, 1], ..Launch::blocks(blocks, 1) };
    // SAFETY: rows, columns and the other axes are those of a view of `x`, whose elements the result
    // has; each block writes a tile of its own.
    unsafe { gpu.launch(&program, "strided_turn", launch, &args)? };
    Ok(y)
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
