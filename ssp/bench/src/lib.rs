//! Benchmarks: one optimiser step of a task ([`Bench`]), and every operation on the shapes of a network
//! ([`operations`]), compared with measured hardware limits and with PyTorch.

mod case;
mod cases;
mod ceilings;
mod clock;
pub mod operations;
mod peer;
mod shapes;
mod steps;
mod table;

pub use case::Dtypes;
pub use clock::Pace;
pub use common::{Error, Result};
pub use shapes::Network;
pub use steps::{Bench, BenchTask, Timing};

use nn::Precision;
use tensor::Device;

/// Whether features are in bf16 on this device unless something else is asked for.
pub fn is_faster_in_bf16(device: &Device) -> bool {
    Precision::mixed(true).is_mixed_on(device)
}

/// Refuses bf16 on a processor without instructions for it.
fn require_bf16() -> Result<()> {
    match kernels::simd::level() {
        level if level.multiplies_bf16() => Ok(()),
        level => Err(Error::Setting(format!(
            "--dtype bf16: on this CPU ({}) it is no faster than f32; leave it out, or add --device cuda",
            level.name()
        ))),
    }
}
