//! Shared by the GPU implementations of operations.

pub(crate) mod matrix;
pub(crate) mod table;

use std::sync::Arc;

use tensor::gpu::{Gpu, Launch, Source};
use tensor::{Device, Error, Result, Tensor};

/// Sums and maxima over warps and blocks.
pub(crate) const ROWS: Source =
    Source { path: "kernels/src/gpu/rows.cuh", text: include_str!("rows.cuh") };

/// Counter-based random numbers.
pub(crate) const PHILOX: Source =
    Source { path: "kernels/src/gpu/philox.cuh", text: include_str!("philox.cuh") };

/// The device of a tensor that should be on one.
///
/// # Errors
/// When it is on the host.
pub(crate) fn gpu_of(operation: &'static str, tensor: &Tensor) -> Result<Arc<dyn Gpu>> {
    tensor.gpu().ok_or_else(|| Error::Devices {
        operation,
        found: Device::Cpu.to_string(),
        wanted: "a GPU".into(),
    })
}

/// Threads of a warp.
const WARP: usize = 32;

/// A warp for each of `rows`, as `row()` of `rows.cuh` counts them.
pub(crate) fn warps(rows: usize) -> Launch {
    Launch::over(rows * WARP)
}
