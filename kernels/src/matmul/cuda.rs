//! A block for each tile of each product, on the tiles of `gpu/tile.cuh`.

use tensor::gpu::{Gpu, Launch, Out, Program, Real, Source};
use tensor::{DType, Result, Shape, Tensor};

use super::Batch;
use crate::gpu::matrix::{FACTORS, Factor, TILE, TILES};

const SOURCES: &[Source] = &[
    TILES,
    FACTORS,
    Source { path: "kernels/src/matmul/matmul.cu", text: include_str!("matmul.cu") },
];

/// Blocks that a launch may have along z.
const MOST_BLOCKS: usize = 65535;

tensor::kernels! {
    /// The kernel of `matmul.cu`.
    const KERNELS;

    matmul_batched => struct MatmulBatched<'a> {
        left: Factor<'a>,
        right: Factor<'a>,
        out: Out<'a, Real>,
        batch: usize,
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
pub(super) fn product(gpu: &dyn Gpu, a: Batch<'_>, b: Batch<'_>, shape: Shape) -> Result<Tensor> {
    let ([batch, ..], [rows, _], [_, columns]) = (a.stored(), a.size(), b.size());
    let program = program(a.matrices.dtype());
    let mut y = Tensor::uninitialised(&a.matrices.device(), program.dtype, shape)?;
    let args = MatmulBatched {
        left: first(&program, a)?,
        right: first(&program, b)?,
        out: program.output(&mut y)?,
        batch,
    };
    let tiles = |extent: usize| extent.div_ceil(TILE).max(1) as u32;
    let launch = Launch {
        blocks: [tiles(columns), tiles(rows), batch.clamp(1, MOST_BLOCKS) as u32],
        threads: [Launch::THREADS, 1, 1],
        shared: 0,
    };
    // SAFETY: both are `batch` matrices whose inner extents are equal, and the result has the shape of
    // their products; each of its elements has a thread of its own.
    unsafe { gpu.launch(&program, "matmul_batched", launch, &args)? };
    Ok(y)
}

/// The first matrix of a batch.
fn first<'a>(program: &Program, batch: Batch<'a>) -> Result<Factor<'a>> {
    let ([_, _, width], [rows, columns]) = (batch.stored(), batch.size());
    let [row_step, column_step] = if batch.is_transposed { [1, width] } else { [width, 1] };
    let first = program.input(batch.matrices)?;
    Ok(Factor { first, rows, columns, row_step, column_step })
}
