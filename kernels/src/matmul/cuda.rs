//! A block for each tile of each product, on the tiles of `gpu/tile.cuh`.

use tensor::gpu::{Gpu, Launch, Program, Source};
use tensor::{DType, Result, Shape, Tensor};

use super::Factor;
use crate::gpu::filled;
use crate::gpu::matrix::{TILE, TILES};

const SOURCES: &[Source] =
    &[TILES, Source { path: "kernels/src/matmul/matmul.cu", text: include_str!("matmul.cu") }];

/// Blocks that a launch may have along z.
const MOST_BLOCKS: usize = 65535;

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// The product of each pair of matrices.
pub(super) fn product(gpu: &dyn Gpu, a: Factor<'_>, b: Factor<'_>, shape: Shape) -> Result<Tensor> {
    let ([batch, ..], [rows, inner], [_, columns]) = (a.stored(), a.size(), b.size());
    let ([a_row, a_column], [b_row, b_column]) = (steps(a), steps(b));
    let tiles = |extent: usize| extent.div_ceil(TILE).max(1) as u32;
    let launch = Launch {
        blocks: [tiles(columns), tiles(rows), batch.clamp(1, MOST_BLOCKS) as u32],
        threads: [Launch::THREADS, 1, 1],
        shared: 0,
    };
    let program = Program::new(SOURCES, a.matrices.dtype());
    let inputs = [a.matrices, b.matrices];
    let rest = [batch, rows, inner, columns, a_row, a_column, b_row, b_column].map(Into::into);
    // SAFETY: the factors are batches of such matrices, and so is the result, of whose elements each
    // has a thread of its own.
    unsafe { filled(gpu, &program, "matmul_batched", launch, &inputs, shape, &rest) }
}

/// Distances of neighbouring rows and columns in memory.
fn steps(factor: Factor<'_>) -> [usize; 2] {
    let [_, _, columns] = factor.stored();
    if factor.is_transposed { [1, columns] } else { [columns, 1] }
}
