//! One launch for all parameters, a block for each chunk of one of them.

use tensor::gpu::{Address, In, Launch, Program, ScalarArg, Source};
use tensor::{DType, Result};

use super::Pair;
use crate::gpu::gpu_of;
use crate::gpu::table::{CHUNKS, Chunk, Row, Table};

const SOURCES: &[Source] = &[
    CHUNKS,
    Source {
        path: "kernels/src/moving_average/moving_average.cu",
        text: include_str!("moving_average.cu"),
    },
];

tensor::kernels! {
    /// The kernel of `moving_average.cu`.
    const KERNELS;

    moving_average => struct MovingAverage<'a> {
        chunks: In<'a, Chunk>,
        momentum: In<'a, f64>,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
}

/// Updates every pair; the parts of each are equally long and of one dtype.
pub(super) fn update(pairs: &[Pair], momentum: &ScalarArg, table: &mut Table) -> Result<()> {
    let Some(first) = pairs.first() else { return Ok(()) };
    let (gpu, dtype) = (gpu_of("moving_average", first.value)?, first.value.dtype());
    let row = |pair: &Pair| -> Result<Row> {
        let parts = [pair.average.address(), pair.value.address()?, Address::NULL];
        Ok(Row { parts, count: pair.value.shape().elements(), mark: false })
    };
    let rows = pairs.iter().map(row).collect::<Result<_>>()?;
    let (chunks, count) = table.of(&gpu, rows, dtype.bytes())?;
    if count == 0 {
        return Ok(());
    }
    let (program, momentum) = (program(dtype), momentum.to_device(&gpu)?);
    let args = MovingAverage { chunks, momentum: momentum.input() };
    // SAFETY: a block for each of the `count` chunks, which are within their two tensors and do not
    // overlap.
    unsafe { gpu.launch(&program, "moving_average", Launch::blocks(count, Launch::THREADS), &args) }
}
