//! A block for each tile of each product, on the tiles of `gpu/tile.cuh`.

use tensor::gpu::{Gpu, In, Launch, Out, Program, Real, Source};
use tensor::{DType, Result, Shape, Tensor};

use super::Factor;
use crate::gpu::matrix::{TILE, TILES};

const SOURCES: &[Source] =
    &[TILES, Source { path: "kernels/src/matmul/matmul.cu", text: include_str!("matmul.cu") }];

/// Blocks that a launch may have along z.
const MOST_BLOCKS: usize = 65535;

tensor::kernels! {
    /// The kernel of `matmul.cu`.
    const KERNELS;

    matmul_batched => struct MatmulBatched<'a> {
        a: In<'a, Real>,
        b: In<'a, Real>,
        c: Out<'a, Real>,
        batch: usize,
        rows: usize,
        inner: usize,
        columns: usize,
        a_row_step: usize,
        a_column_step: usize,
        b_row_step: usize,
        b_column_step: usize,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
}

/// The product of each pair of matrices.
pub(super) fn product(gpu: &dyn Gpu, a: Factor<'_>, b: Factor<'_>, shape: Shape) -> Result<Tensor> {
    let ([batch, ..], [rows, inner], [_, columns]) = (a.stored(), a.size(), b.size());
    let ([a_row_step, a_column_step], [b_row_step, b_column_step]) = (steps(a), steps(b));
    let tiles = |extent: usize| extent.div_ceil(TILE).max(1) as u32;
    let launch = Launch {
        blocks: [tiles(columns), tiles(rows), batch.clamp(1, MOST_BLOCKS) as u32],
        threads: [Launch::THREADS, 1, 1],
        shared: 0,
    };
    let program = program(a.matrices.dtype());
    let mut c = Tensor::uninitialised(&a.matrices.device(), a.matrices.dtype(), shape)?;
    let args = MatmulBatched {
        a: program.input(a.matrices)?,
        b: program.input(b.matrices)?,
        c: program.output(&mut c)?,
        batch,
        rows,
        inner,
        columns,
        a_row_step,
        a_column_step,
        b_row_step,
        b_column_step,
    };
    // SAFETY: factors and result are `batch` matrices of these extents; a thread for each element of
    // the result.
    unsafe { gpu.launch(&program, "matmul_batched", launch, &args)? };
    Ok(c)
}

/// Distances of neighbouring rows and columns in memory.
fn steps(factor: Factor<'_>) -> [usize; 2] {
    let [_, _, columns] = factor.stored();
    if factor.is_transposed { [1, columns] } else { [columns, 1] }
}
