//! One pass over memory, in chunks that run in parallel.

use rayon::prelude::*;
use tensor::{Feature, Tensor};

use super::Pointwise;

/// Elements of a chunk: the cheapest function takes about a microsecond for as many, far more than
/// the scheduling of a chunk.
const CHUNK: usize = 1 << 12;

/// The value at every element.
pub fn forward<T: Feature, F: Pointwise<N>, const N: usize>(
    function: F,
    inputs: [&Tensor; N],
) -> Tensor {
    let values = inputs.map(Tensor::data::<T>);
    Tensor::build::<T>(inputs[0].shape(), |out| {
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(index, out)| {
            // A copy that `out` cannot overlap: its parameters are converted once, before the loop.
            let local = function;
            let values = values.map(|x| &x[index * CHUNK..][..out.len()]);
            for (i, out) in out.iter_mut().enumerate() {
                *out = T::narrow(local.value(values.map(|x| x[i].widen())));
            }
        });
    })
}

/// Multiplies the gradient in place by the derivative by the input of index `by`.
pub fn backward<T: Feature, F: Pointwise<N>, const N: usize>(
    function: F,
    inputs: &[Tensor; N],
    by: usize,
    gradient: Tensor,
) -> Tensor {
    let shape = gradient.shape();
    let values = inputs.each_ref().map(Tensor::data::<T>);
    let mut buffer = gradient.into_buffer::<T>();
    buffer.as_mut_slice::<T>().par_chunks_mut(CHUNK).enumerate().for_each(|(index, gradient)| {
        let (local, by) = (function, by); // as above
        let values = values.map(|x| &x[index * CHUNK..][..gradient.len()]);
        for (i, gradient) in gradient.iter_mut().enumerate() {
            let slope = local.derivative(by, values.map(|x| x[i].widen()));
            *gradient = T::narrow(gradient.widen() * slope);
        }
    });
    Tensor::from_buffer::<T>(buffer, shape)
}
