//! A launch for each parameter, a thread for each value.

use tensor::gpu::{Gpu, Launch, Program, Source};
use tensor::{DType, Result};

use super::{Sgd, Slot};

const SOURCES: &[Source] =
    &[Source { path: "kernels/src/sgd/sgd.cu", text: include_str!("sgd.cu") }];

/// The kernels.
pub fn programs(dtype: DType) -> Vec<Program> {
    vec![Program::new(SOURCES, dtype)]
}

/// Updates every slot; the parts of each are equally long.
pub(super) fn update(gpu: &dyn Gpu, slots: Vec<Slot>, settings: &Sgd) -> Result<()> {
    for Slot { value, momentum, gradient, weight_decay } in slots {
        let (program, count) =
            (Program::new(SOURCES, gradient.dtype()), gradient.shape().elements());
        let arguments = [
            value.address().into(),
            momentum.address().into(),
            gradient.address()?.into(),
            settings.learning_rate.into(),
            settings.momentum.into(),
            weight_decay.into(),
            usize::from(settings.nesterov).into(),
            count.into(),
        ];
        // SAFETY: all three have `count` elements, and each thread has one of its own.
        unsafe { gpu.launch(&program, "sgd", Launch::over(count), &arguments)? };
    }
    Ok(())
}
