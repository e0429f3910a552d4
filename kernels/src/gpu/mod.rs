//! What operations share on graphics processors.

pub(crate) mod matrix;
pub(crate) mod table;

use std::sync::Arc;

use tensor::gpu::{Argument, Gpu, Launch, Program, Source};
use tensor::{Buffer, Device, Error, Result, Shape, Tensor};

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

/// A tensor on the device of `inputs`, filled by a kernel that takes arguments one by one: the inputs,
/// the result and the `rest`. For pointwise operations only; other kernels take a struct.
///
/// # Safety
/// With these sizes the kernel stays within its inputs and a result of `shape`.
pub(crate) unsafe fn filled(
    gpu: &dyn Gpu,
    program: &Program,
    kernel: &str,
    launch: Launch,
    inputs: &[&Tensor],
    shape: impl Into<Shape>,
    rest: &[Argument],
) -> Result<Tensor> {
    let (shape, dtype) = (shape.into(), program.dtype);
    let device = inputs.first().map_or(Device::Cpu, |input| input.device());
    let result = Buffer::stale_on(&device, dtype, shape.elements())?;
    // SAFETY: as the caller has it.
    unsafe { launch_over(gpu, program, kernel, launch, inputs, &result, rest)? };
    Ok(Tensor::over(result, shape, dtype))
}

/// The same, where the kernel overwrites an existing tensor.
///
/// # Safety
/// With these sizes the kernel stays within its inputs and the tensor.
pub(crate) unsafe fn changed(
    gpu: &dyn Gpu,
    program: &Program,
    kernel: &str,
    launch: Launch,
    inputs: &[&Tensor],
    changed: Tensor,
    rest: &[Argument],
) -> Result<Tensor> {
    let (shape, dtype) = (changed.shape(), changed.dtype());
    let result = changed.into_memory()?;
    // SAFETY: as the caller has it.
    unsafe { launch_over(gpu, program, kernel, launch, inputs, &result, rest)? };
    Ok(Tensor::over(result, shape, dtype))
}

unsafe fn launch_over(
    gpu: &dyn Gpu,
    program: &Program,
    kernel: &str,
    launch: Launch,
    inputs: &[&Tensor],
    result: &Buffer,
    rest: &[Argument],
) -> Result<()> {
    let mut arguments = Vec::with_capacity(inputs.len() + 1 + rest.len());
    for input in inputs {
        arguments.push(input.address()?.into());
    }
    arguments.push(result.address().into());
    arguments.extend_from_slice(rest);
    // SAFETY: as the caller has it.
    unsafe { gpu.launch(program, kernel, launch, &arguments) }
}
