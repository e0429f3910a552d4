//! One launch for all parameters, a block for each chunk of one of them.

use tensor::gpu::{In, Launch, Program, Source};
use tensor::{DType, Result};

use super::{Sgd, Slot};
use crate::gpu::gpu_of;
use crate::gpu::table::{CHUNKS, Chunk, Row, Table};

const SOURCES: &[Source] =
    &[CHUNKS, Source { path: "kernels/src/sgd/sgd.cu", text: include_str!("sgd.cu") }];

tensor::kernels! {
    /// The kernel of `sgd.cu`.
    const KERNELS;

    sgd => struct SgdStep<'a> {
        chunks: In<'a, Chunk>,
        learning_rate: In<'a, f64>,
        weight_decay: In<'a, f64>,
        momentum: f64,
        nesterov: i64,
    }
}

/// The programs.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![program(dtype)]
}

fn program(dtype: DType) -> Program {
    Program::new(SOURCES, dtype).with_kernels(KERNELS)
}

/// Updates every slot; the parts of each are equally long and of one dtype.
pub(super) fn update(slots: &[Slot], settings: &Sgd, table: &mut Table) -> Result<()> {
    let Some(first) = slots.first() else { return Ok(()) };
    let (gpu, dtype) = (gpu_of("sgd", first.gradient)?, first.gradient.dtype());
    let row = |slot: &Slot| -> Result<Row> {
        let parts = [slot.value.address(), slot.momentum.address(), slot.gradient.address()?];
        Ok(Row { parts, count: slot.gradient.shape().elements(), mark: slot.decays })
    };
    let rows = slots.iter().map(row).collect::<Result<_>>()?;
    let (chunks, count) = table.of(&gpu, rows, dtype.bytes())?;
    if count == 0 {
        return Ok(());
    }
    let (rate, decay) =
        (settings.learning_rate.to_device(&gpu)?, settings.weight_decay.to_device(&gpu)?);
    let program = program(dtype);
    let args = SgdStep {
        chunks,
        learning_rate: rate.input(),
        weight_decay: decay.input(),
        momentum: settings.momentum,
        nesterov: settings.nesterov.into(),
    };
    // SAFETY: a block for each of the `count` chunks, which are within their three tensors and do not
    // overlap.
    unsafe { gpu.launch(&program, "sgd", Launch::blocks(count, Launch::THREADS), &args) }
}
