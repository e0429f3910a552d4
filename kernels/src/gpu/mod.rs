//! What rooms share on graphics processors.

pub(crate) mod matrix;
pub(crate) mod table;

use std::sync::Arc;

use tensor::gpu::{Argument, Gpu, Launch, Program, Source};
use tensor::{Buffer, DType, Device, Error, Result, Shape, Tensor};

/// Sums and maxima over warps and blocks.
pub(crate) const ROWS: Source =
    Source { path: "kernels/src/gpu/rows.cuh", text: include_str!("rows.cuh") };

/// Random numbers by name.
pub(crate) const PHILOX: Source =
    Source { path: "kernels/src/gpu/philox.cuh", text: include_str!("philox.cuh") };

/// The device of a tensor that an operation has put on one.
///
/// # Errors
/// When it lies on the host.
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

/// A tensor on the device of `inputs`, filled by a kernel that takes the inputs, it and the `rest`.
///
/// # Safety
/// The kernel stays within its arguments, of which the result has the elements of `shape`.
pub(crate) unsafe fn filled(
    gpu: &dyn Gpu,
    program: &Program,
    kernel: &str,
    launch: Launch,
    inputs: &[&Tensor],
    shape: impl Into<Shape>,
    rest: &[Argument],
) -> Result<Tensor> {
    // SAFETY: as the caller has it.
    unsafe { filled_as(program.dtype, gpu, program, kernel, launch, inputs, shape, rest) }
}

/// The same, of a dtype of its own.
///
/// # Safety
/// The kernel stays within its arguments, of which the result has the elements of `shape`, of `dtype`.
pub(crate) unsafe fn filled_as(
    dtype: DType,
    gpu: &dyn Gpu,
    program: &Program,
    kernel: &str,
    launch: Launch,
    inputs: &[&Tensor],
    shape: impl Into<Shape>,
    rest: &[Argument],
) -> Result<Tensor> {
    let shape = shape.into();
    let device = inputs.first().map_or(Device::Cpu, |input| input.device());
    let result = Buffer::stale_on(&device, dtype, shape.elements())?;
    let mut arguments = Vec::with_capacity(inputs.len() + 1 + rest.len());
    for input in inputs {
        arguments.push(input.address()?.into());
    }
    arguments.push(result.address().into());
    arguments.extend_from_slice(rest);
    // SAFETY: as the caller has it.
    unsafe { gpu.launch(program, kernel, launch, &arguments)? };
    Ok(Tensor::over(result, shape, dtype))
}

/// The same, where the kernel writes over a tensor that there is.
///
/// # Safety
/// The kernel stays within its arguments.
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
    let memory = changed.into_memory()?;
    let mut arguments = Vec::with_capacity(inputs.len() + 1 + rest.len());
    for input in inputs {
        arguments.push(input.address()?.into());
    }
    arguments.push(memory.address().into());
    arguments.extend_from_slice(rest);
    // SAFETY: as the caller has it.
    unsafe { gpu.launch(program, kernel, launch, &arguments)? };
    Ok(Tensor::over(memory, shape, dtype))
}
