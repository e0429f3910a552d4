//! Matrix products on graphics processors.

use tensor::gpu::{Address, Gpu, Launch, Program, Source};
use tensor::{DType, Result};

/// The kernels.
pub(crate) const MATRIX: &[Source] = &[
    Source { path: "kernels/src/gpu/tile.cuh", text: include_str!("tile.cuh") },
    Source { path: "kernels/src/gpu/matrix.cu", text: include_str!("matrix.cu") },
];

/// Rows and columns of the result that a block computes.
pub(crate) const TILE: usize = 64;

/// A matrix that lies somewhere, row by row or column by column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    address: Address,
    rows: usize,
    columns: usize,
    /// Elements from one row to the next, and from one column to the next.
    steps: [usize; 2],
}

impl Matrix {
    /// A matrix whose rows lie one after the other.
    pub(crate) fn new(address: Address, rows: usize, columns: usize) -> Self {
        Matrix { address, rows, columns, steps: [columns, 1] }
    }

    /// Rows as columns, without moving anything.
    pub(crate) fn transposed(self) -> Self {
        let Matrix { address, rows, columns, steps: [row, column] } = self;
        Matrix { address, rows: columns, columns: rows, steps: [column, row] }
    }
}

/// What the product is added to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Onto {
    /// Nothing.
    Nothing,
    /// This row, for every row of the result.
    Bias(Address),
    /// What is there.
    Result,
}

/// `out = left right`, onto something.
///
/// # Safety
/// The matrices and `out`, of the product's shape, lie in memory of the device, in `dtype`; `out` is
/// neither of them.
pub(crate) unsafe fn product(
    gpu: &dyn Gpu,
    dtype: DType,
    left: Matrix,
    right: Matrix,
    onto: Onto,
    out: Address,
) -> Result<()> {
    assert_eq!(left.columns, right.rows, "inner extents of a matrix product");
    let (bias, add) = match onto {
        Onto::Nothing => (Address::NULL, 0),
        Onto::Bias(bias) => (bias, 0),
        Onto::Result => (Address::NULL, 1),
    };
    let tiles = |extent: usize| extent.div_ceil(TILE).max(1) as u32;
    let launch = Launch {
        blocks: [tiles(right.columns), tiles(left.rows), 1],
        threads: [Launch::THREADS, 1, 1],
        shared: 0,
    };
    let places = [left.address, right.address, bias, out].map(Into::into);
    let [[a_row, a_column], [b_row, b_column]] = [left.steps, right.steps];
    let sizes = [left.rows, left.columns, right.columns, a_row, a_column, b_row, b_column, add];
    let arguments = [&places[..], &sizes.map(Into::into)].concat();
    // SAFETY: as the caller has it; each element of the result has a thread of its own.
    unsafe { gpu.launch(&Program::new(MATRIX, dtype), "matrix_product", launch, &arguments) }
}
