//! One thread per element.

use tensor::gpu::{Gpu, In, Launch, Program, Real};
use tensor::{DType, Result, Tensor};

use super::Pointwise;

/// The kernels of a function.
pub fn programs<F: Pointwise<N>, const N: usize>(dtype: DType) -> Vec<Program> {
    vec![program::<F, N>(dtype)]
}

fn program<F: Pointwise<N>, const N: usize>(dtype: DType) -> Program {
    Program::new(F::SOURCES, dtype).with_kernels(F::KERNELS)
}

/// The value at every element.
pub fn forward<F: Pointwise<N>, const N: usize>(
    gpu: &dyn Gpu,
    function: F,
    inputs: [&Tensor; N],
) -> Result<Tensor> {
    let (device, dtype, shape) = (inputs[0].device(), inputs[0].dtype(), inputs[0].shape());
    let mut y = Tensor::uninitialised(&device, dtype, shape)?;
    launch(gpu, function, F::FORWARD, inputs, &mut y)?;
    Ok(y)
}

/// Multiplies the gradient in place by the derivative by the input of index `by`.
pub fn backward<F: Pointwise<N>, const N: usize>(
    gpu: &dyn Gpu,
    function: F,
    inputs: &[Tensor; N],
    by: usize,
    mut gradient: Tensor,
) -> Result<Tensor> {
    launch(gpu, function, F::BACKWARD[by], inputs.each_ref(), &mut gradient)?;
    Ok(gradient)
}

/// Runs a kernel of the function: it reads `inputs`, and `out` if it is a gradient, and writes `out`.
fn launch<F: Pointwise<N>, const N: usize>(
    gpu: &dyn Gpu,
    function: F,
    kernel: &str,
    inputs: [&Tensor; N],
    out: &mut Tensor,
) -> Result<()> {
    let (program, count) = (program::<F, N>(out.dtype()), out.shape().elements());
    let mut pointers: [In<Real>; N] = [In::NULL; N];
    for (pointer, input) in pointers.iter_mut().zip(inputs) {
        *pointer = program.input(input)?;
    }
    let args = function.arguments(pointers, program.output(out)?, count);
    // SAFETY: every tensor has `count` elements; a thread for each.
    unsafe { gpu.launch(&program, kernel, Launch::over(count), &args) }
}
