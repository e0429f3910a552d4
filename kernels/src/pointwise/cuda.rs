//! One thread per element.

use tensor::gpu::{Argument, Gpu, Launch, Program};
use tensor::{Buffer, DType, Result, Tensor};

use super::Pointwise;

/// The kernels of a function.
pub fn programs<F: Pointwise<N>, const N: usize>(dtype: DType) -> Vec<Program> {
    vec![Program::new(F::SOURCES, dtype)]
}

/// The value at every element.
pub fn forward<F: Pointwise<N>, const N: usize>(
    gpu: &dyn Gpu,
    function: F,
    inputs: [&Tensor; N],
) -> Result<Tensor> {
    let (shape, dtype) = (inputs[0].shape(), inputs[0].dtype());
    let out = Buffer::stale_on(&inputs[0].device(), dtype, shape.elements())?;
    let y = Tensor::over(out, shape, dtype);
    launch(gpu, function, F::FORWARD, inputs, &y)?;
    Ok(y)
}

/// Multiplies the gradient in place by the derivative by the input of index `by`.
pub fn backward<F: Pointwise<N>, const N: usize>(
    gpu: &dyn Gpu,
    function: F,
    inputs: &[Tensor; N],
    by: usize,
    gradient: Tensor,
) -> Result<Tensor> {
    let (shape, dtype) = (gradient.shape(), gradient.dtype());
    let gradient = Tensor::over(gradient.into_memory()?, shape, dtype);
    launch(gpu, function, F::BACKWARD[by], inputs.each_ref(), &gradient)?;
    Ok(gradient)
}

/// Runs a kernel of the function: it reads `inputs`, and `out` if it is a gradient, and writes `out`.
fn launch<F: Pointwise<N>, const N: usize>(
    gpu: &dyn Gpu,
    function: F,
    kernel: &str,
    inputs: [&Tensor; N],
    out: &Tensor,
) -> Result<()> {
    let count = out.shape().elements();
    let mut arguments = Vec::new();
    for tensor in inputs.into_iter().chain([out]) {
        arguments.push(tensor.address()?.into());
    }
    arguments.extend(function.parameters().into_iter().map(Argument::from));
    arguments.push(count.into());
    let program = Program::new(F::SOURCES, out.dtype());
    // SAFETY: every tensor has `count` elements of the program's dtype, `out` shares no memory with
    // the inputs, and each thread accesses only elements of its own index below `count`.
    unsafe { gpu.launch(&program, kernel, Launch::over(count), &arguments) }
}
