//! A launch for each parameter, a thread for each value.

use tensor::gpu::{Gpu, Launch, Program, Source};
use tensor::{DType, Result};

use super::Pair;

const SOURCES: &[Source] = &[Source {
    path: "kernels/src/moving_average/moving_average.cu",
    text: include_str!("moving_average.cu"),
}];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// Updates every pair; the parts of each are equally long.
pub(super) fn update(gpu: &dyn Gpu, pairs: Vec<Pair>, momentum: f64) -> Result<()> {
    for Pair { average, value } in pairs {
        let (program, count) = (Program::new(SOURCES, value.dtype()), value.shape().elements());
        let arguments = [
            average.address().into(),
            value.address()?.into(),
            momentum.into(),
            (1.0 - momentum).into(),
            count.into(),
        ];
        // SAFETY: both have `count` elements, and each thread has one of its own.
        unsafe { gpu.launch(&program, "moving_average", Launch::over(count), &arguments)? };
    }
    Ok(())
}
