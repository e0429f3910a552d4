//! One launch for all parameters, a block for each chunk of one of them.

use tensor::gpu::{Launch, Program, Source};
use tensor::{DType, Result};

use super::{Sgd, Slot};
use crate::gpu::gpu_of;
use crate::gpu::table::{CHUNKS, Row, Table};

const SOURCES: &[Source] =
    &[CHUNKS, Source { path: "kernels/src/sgd/sgd.cu", text: include_str!("sgd.cu") }];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
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
    let (table, chunks) = table.of(&gpu, rows, dtype.bytes())?;
    if chunks == 0 {
        return Ok(());
    }
    let [rate, decay] = [&settings.learning_rate, &settings.weight_decay].map(|n| n.on(&gpu));
    let (rate, decay) = (rate?, decay?);
    let arguments = [
        table.into(),
        rate.address().into(),
        decay.address().into(),
        settings.momentum.into(),
        usize::from(settings.nesterov).into(),
    ];
    let (program, launch) = (Program::new(SOURCES, dtype), Launch::blocks(chunks, Launch::THREADS));
    // SAFETY: the table has so many chunks, each within its three tensors; no two of them overlap.
    unsafe { gpu.launch(&program, "sgd", launch, &arguments) }
}
