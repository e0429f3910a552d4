//! One launch for all parameters, a block for each chunk of one of them.

use tensor::gpu::{Address, Launch, Number, Program, Source};
use tensor::{DType, Result};

use super::Pair;
use crate::gpu::gpu_of;
use crate::gpu::table::{CHUNKS, Row, Table};

const SOURCES: &[Source] = &[
    CHUNKS,
    Source {
        path: "kernels/src/moving_average/moving_average.cu",
        text: include_str!("moving_average.cu"),
    },
];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// Updates every pair; the parts of each are equally long and of one dtype.
pub(super) fn update(pairs: &[Pair], momentum: &Number, table: &mut Table) -> Result<()> {
    let Some(first) = pairs.first() else { return Ok(()) };
    let (gpu, dtype) = (gpu_of("moving_average", first.value)?, first.value.dtype());
    let row = |pair: &Pair| -> Result<Row> {
        let parts = [pair.average.address(), pair.value.address()?, Address::NULL];
        Ok(Row { parts, count: pair.value.shape().elements(), mark: false })
    };
    let rows = pairs.iter().map(row).collect::<Result<_>>()?;
    let (table, chunks) = table.of(&gpu, rows, dtype.bytes())?;
    if chunks == 0 {
        return Ok(());
    }
    let momentum = momentum.on(&gpu)?;
    let arguments = [table.into(), momentum.address().into()];
    let (program, launch) = (Program::new(SOURCES, dtype), Launch::blocks(chunks, Launch::THREADS));
    // SAFETY: the table has so many chunks, each within its two tensors; no two of them overlap.
    unsafe { gpu.launch(&program, "moving_average", launch, &arguments) }
}
