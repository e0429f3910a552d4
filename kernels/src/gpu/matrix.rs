//! Matrix products on graphics processors.

use tensor::gpu::{Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{DType, Result, Tensor};

/// Tiles of matrix products, for kernels that multiply matrices.
pub(crate) const TILES: Source =
    Source { path: "kernels/src/gpu/tile.cuh", text: include_str!("tile.cuh") };

/// Matrices of any orientation, as factors of those products.
pub(crate) const FACTORS: Source =
    Source { path: "kernels/src/gpu/factor.cuh", text: include_str!("factor.cuh") };

const SOURCES: &[Source] = &[
    TILES,
    FACTORS,
    Source { path: "kernels/src/gpu/matrix.cu", text: include_str!("matrix.cu") },
];

/// Rows and columns of the result that a block computes.
pub(crate) const TILE: usize = 64;

tensor::kernels! {
    /// The kernel of `matrix.cu`.
    const KERNELS;

    matrix_product => struct MatrixProduct<'a> {
        left: Factor<'a>,
        right: Factor<'a>,
        bias: In<'a, Real>,
        out: Out<'a, Real>,
        add: i64,
    }
}

tensor::kernel_struct! {
    /// A matrix in memory.
    pub(crate) struct Factor<'a> {
        pub first: In<'a, Real>,
        pub rows: usize,
        pub columns: usize,
        pub row_step: usize,
        pub column_step: usize,
    }
}

/// The program.
pub(crate) fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
}

/// The elements of a tensor as a matrix, row by row or column by column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    tensor: &'a Tensor,
    rows: usize,
    columns: usize,
    /// Elements from one row to the next, and from one column to the next.
    steps: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// A row-major matrix.
    ///
    /// # Panics
    /// When the tensor has another number of elements.
    pub(crate) fn new(tensor: &'a Tensor, rows: usize, columns: usize) -> Self {
        assert_eq!(tensor.shape().elements(), rows * columns, "elements of a matrix");
        Matrix { tensor, rows, columns, steps: [columns, 1] }
    }

    /// The transpose, as a view: no data is moved.
    pub(crate) fn transposed(self) -> Self {
        let Matrix { tensor, rows, columns, steps: [row, column] } = self;
        Matrix { tensor, rows: columns, columns: rows, steps: [column, row] }
    }

    fn factor(self, program: &Program) -> Result<Factor<'a>> {
        let (first, [row_step, column_step]) = (program.input(self.tensor)?, self.steps);
        Ok(Factor { first, rows: self.rows, columns: self.columns, row_step, column_step })
    }
}

/// The addend of the product.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Onto<'a> {
    /// Nothing.
    Nothing,
    /// This row, for every row of the result.
    Bias(&'a Tensor),
    /// The previous content of the result.
    Result,
}

/// `out = left right`, plus the addend `onto`.
///
/// # Panics
/// When the shapes of the factors and the result do not match.
pub(crate) fn product(
    gpu: &dyn Gpu,
    left: Matrix,
    right: Matrix,
    onto: Onto,
    out: &mut Tensor,
) -> Result<()> {
    let (rows, columns) = (left.rows, right.columns);
    assert_eq!(left.columns, right.rows, "inner extents of a matrix product");
    assert_eq!(out.shape().elements(), rows * columns, "elements of a matrix product");
    let program = program(out.dtype());
    let bias = if let Onto::Bias(bias) = onto { Some(bias) } else { None };
    assert!(bias.is_none_or(|bias| bias.shape().elements() == columns), "elements of a bias");
    let args = MatrixProduct {
        left: left.factor(&program)?,
        right: right.factor(&program)?,
        bias: program.optional_input(bias)?,
        out: program.output(out)?,
        add: matches!(onto, Onto::Result).into(),
    };
    let tiles = |extent: usize| extent.div_ceil(TILE).max(1) as u32;
    let launch = Launch {
        blocks: [tiles(columns), tiles(rows), 1],
        threads: [Launch::THREADS, 1, 1],
        shared: 0,
    };
    // SAFETY: all extents were compared above; each element of the result has a thread of its own.
    unsafe { gpu.launch(&program, "matrix_product", launch, &args) }
}
