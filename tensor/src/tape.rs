//! Reverse-mode automatic differentiation.
//!
//! Each result that requires a gradient has a node with its parents and a closure that computes their
//! gradients from its own. The backward pass takes each closure out of its node and drops it after
//! the call, so that the memory it owns is freed as soon as possible.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::gpu::{Gpu, Launch, Sum, sum_program};
use crate::{DType, Error, Feature, Result, Tensor, same_device, with_feature};

type BackwardFn = dyn FnOnce(Tensor, &[bool]) -> Result<Vec<Option<Tensor>>> + Send + Sync;

/// An operation on the tape.
pub(crate) struct Node {
    operation: &'static str,
    parents: Vec<Tensor>,
    /// `None` after a backward pass.
    backward: Mutex<Option<Box<BackwardFn>>>,
}

impl Node {
    pub(crate) fn new(
        operation: &'static str,
        parents: Vec<Tensor>,
        backward: Box<BackwardFn>,
    ) -> Self {
        Node { operation, parents, backward: Mutex::new(Some(backward)) }
    }

    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }

    fn take_backward(&self) -> Result<Box<BackwardFn>> {
        let mut slot = self.backward.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take().ok_or_else(|| {
            Error::Backward(format!(
                "gradients through {} were already computed; run the forward pass again",
                self.operation
            ))
        })
    }
}

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

pub(crate) fn is_recording() -> bool {
    RECORDING.get()
}

/// Runs `f` without recording operations of this thread on the tape, for evaluation and for networks
/// whose outputs are constants, such as teachers.
///
/// ```
/// use tensor::{Tensor, no_grad};
/// let x = Tensor::scalar(3.0).parameter();
/// let copy = || Tensor::scalar(3.0).recorded("copy", &[&x], |gradient, _| Ok(vec![Some(gradient)]));
/// assert!(copy().requires_grad());
/// assert!(!no_grad(copy).requires_grad());
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(false));
    f()
}

/// The gradients of a backward pass, by parameter.
#[derive(Debug, Default)]
pub struct Gradients(HashMap<u64, Tensor>);

impl Gradients {
    /// The gradient of `parameter`, of the same shape, dtype and device. `None` if the result does not
    /// depend on it.
    pub fn get(&self, parameter: &Tensor) -> Option<&Tensor> {
        self.0.get(&parameter.id())
    }

    /// Removes and returns the gradient of `parameter`.
    pub fn take(&mut self, parameter: &Tensor) -> Option<Tensor> {
        self.0.remove(&parameter.id())
    }

    fn accumulate(&mut self, tensor: &Tensor, gradient: Tensor) -> Result<()> {
        if (tensor.shape(), tensor.dtype()) != (gradient.shape(), gradient.dtype()) {
            return Err(Error::Backward(format!(
                "the gradient of {tensor:?} is {} {}",
                gradient.dtype(),
                gradient.shape()
            )));
        }
        let sum = match self.0.remove(&tensor.id()) {
            None => gradient,
            Some(partial) => sum(partial, &gradient)?,
        };
        self.0.insert(tensor.id(), sum);
        Ok(())
    }
}

impl Tensor {
    /// Gradients of this scalar with respect to all parameters that it was computed from.
    ///
    /// Consumes the tape: memory that operations keep for the backward pass is freed on the way.
    ///
    /// ```
    /// use tensor::{Result, Tensor};
    ///
    /// // The sum of squares, with its gradient 2 x.
    /// fn sum_of_squares(x: &Tensor) -> Result<Tensor> {
    ///     let sum: f64 = x.data::<f64>().iter().map(|x| x * x).sum();
    ///     let kept = x.clone();
    ///     Ok(Tensor::scalar(sum).recorded("sum_of_squares", &[x], move |gradient, _| {
    ///         let scale = 2.0 * gradient.item()?;
    ///         let of_x: Vec<f64> = kept.data::<f64>().iter().map(|x| scale * x).collect();
    ///         Ok(vec![Some(Tensor::from_slice(&of_x, kept.shape())?)])
    ///     }))
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let x = Tensor::from_slice(&[1.0, -2.0, 3.0], [3])?.parameter();
    /// let gradients = sum_of_squares(&x)?.backward()?;
    /// assert_eq!(gradients.get(&x).unwrap().data::<f64>(), [2.0, -4.0, 6.0]);
    ///
    /// // A result that depends on no parameter has no gradients.
    /// assert!(sum_of_squares(&Tensor::scalar(1.0))?.backward().is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the tensor does not have exactly one element, depends on no parameter, or shares a part of
    /// its tape with an earlier backward pass; when an operation or a device fails.
    pub fn backward(self) -> Result<Gradients> {
        if self.shape().elements() != 1 {
            return Err(Error::Backward(format!(
                "the result must have one element, not shape {}; see backward_from",
                self.shape()
            )));
        }
        let seed = match self.dtype() {
            DType::F64 => Tensor::build::<f64>(self.shape(), |one| one[0] = 1.0),
            DType::BF16 => Tensor::build(self.shape(), |one| one[0] = half::bf16::ONE),
            _ => Tensor::build::<f32>(self.shape(), |one| one[0] = 1.0),
        };
        let seed = seed.copy_to(&self.device())?;
        // A clone keeps sums of gradients from being computed in the seed's memory: a captured graph
        // does not write its constants again before a replay.
        let _constant = seed.clone();
        self.backward_from(seed)
    }

    /// Vector-Jacobian product: gradients of the inner product of this tensor with `cotangent`, which
    /// must have the same shape, dtype and device.
    ///
    /// # Errors
    /// When the cotangent does not match, and as [`backward`](Self::backward).
    pub fn backward_from(self, cotangent: Tensor) -> Result<Gradients> {
        if !self.requires_grad() {
            return Err(Error::Backward("the result does not depend on a parameter".into()));
        }
        if self.shape() != cotangent.shape() || self.dtype() != cotangent.dtype() {
            return Err(Error::Backward(format!(
                "the cotangent is {} {}, but the result is {} {}",
                cotangent.dtype(),
                cotangent.shape(),
                self.dtype(),
                self.shape()
            )));
        }
        same_device("backward", [&self, &cotangent])?;
        let mut gradients = Gradients::default();
        gradients.accumulate(&self, cotangent)?;
        let mut order = topological_order(self);
        while let Some(tensor) = order.pop() {
            let Some(node) = tensor.node() else { continue };
            let Some(gradient) = gradients.take(&tensor) else { continue };
            let wanted: Vec<bool> = node.parents.iter().map(Tensor::requires_grad).collect();
            let parts = node.take_backward()?(gradient, &wanted)?;
            debug_assert_eq!(parts.len(), node.parents.len(), "{}", node.operation);
            for (parent, part) in node.parents.iter().zip(parts) {
                match (parent.requires_grad(), part) {
                    (true, Some(part)) => gradients.accumulate(parent, part)?,
                    (false, Some(_)) => {
                        return Err(Error::Backward(format!(
                            "{} returned a gradient that was not required",
                            node.operation
                        )));
                    }
                    (_, None) => {}
                }
            }
        }
        Ok(gradients)
    }
}

/// `result` and all tensors that it was computed from and that require a gradient, in topological
/// order: parents before children.
fn topological_order(result: Tensor) -> Vec<Tensor> {
    let mut order = Vec::new();
    let mut seen = HashSet::new();
    let mut stack = vec![(result, false)];
    while let Some((tensor, parents_done)) = stack.pop() {
        if parents_done {
            order.push(tensor);
            continue;
        }
        if !seen.insert(tensor.id()) {
            continue;
        }
        let parents: Vec<Tensor> = tensor
            .node()
            .map(|node| node.parents.iter().filter(|p| p.requires_grad()).cloned().collect())
            .unwrap_or_default();
        stack.push((tensor, true));
        stack.extend(parents.into_iter().map(|parent| (parent, false)));
    }
    order
}

/// The sum of two gradients, in the memory of the first if it is not shared.
fn sum(a: Tensor, b: &Tensor) -> Result<Tensor> {
    match a.gpu() {
        Some(gpu) => sum_on(&*gpu, a, b),
        None => with_feature!("backward", a.dtype(), T => Ok(sum_of::<T>(a, b))),
    }
}

fn sum_on(gpu: &dyn Gpu, mut a: Tensor, b: &Tensor) -> Result<Tensor> {
    let (program, count) = (sum_program(a.dtype()), a.shape().elements());
    let args = Sum { a: program.output(&mut a)?, b: program.input(b)?, count };
    // SAFETY: both have `count` elements; a thread for each.
    unsafe { gpu.launch(&program, "sum", Launch::over(count), &args)? };
    Ok(a)
}

fn sum_of<T: Feature>(a: Tensor, b: &Tensor) -> Tensor {
    const CHUNK: usize = 1 << 15;
    let shape = a.shape();
    let mut buffer = a.into_buffer::<T>();
    let pairs =
        buffer.as_mut_slice::<T>().par_chunks_mut(CHUNK).zip(b.data::<T>().par_chunks(CHUNK));
    pairs.for_each(|(a, b)| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = T::narrow(a.widen() + b.widen()));
    });
    Tensor::from_buffer::<T>(buffer, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(value: f64) -> Tensor {
        Tensor::scalar(value).parameter()
    }

    fn product(a: &Tensor, b: &Tensor) -> Tensor {
        let (x, y) = (a.item().unwrap(), b.item().unwrap());
        Tensor::scalar(x * y).recorded("product", &[a, b], move |gradient, wanted| {
            let g = gradient.item()?;
            Ok(vec![
                wanted[0].then(|| Tensor::scalar(g * y)),
                wanted[1].then(|| Tensor::scalar(g * x)),
            ])
        })
    }

    #[test]
    fn gradients_accumulate_over_every_path() {
        let (x, y) = (parameter(3.0), parameter(5.0));
        let xy = product(&x, &y);
        let result = product(&xy, &product(&xy, &x)); // x³ y²
        let gradients = result.backward().unwrap();
        assert_eq!(gradients.get(&x).unwrap().item().unwrap(), 3.0 * 9.0 * 25.0);
        assert_eq!(gradients.get(&y).unwrap().item().unwrap(), 27.0 * 10.0);
        assert!(gradients.get(&xy).is_none(), "gradients of intermediate results are freed");
    }

    #[test]
    fn nothing_is_recorded_without_a_parameter_or_without_tape() {
        let (x, c) = (parameter(3.0), Tensor::scalar(2.0));
        assert!(!product(&c, &c).requires_grad());
        assert!(!no_grad(|| product(&x, &c)).requires_grad());
        assert!(product(&x, &c).requires_grad());
        let error = product(&c, &c).backward().unwrap_err();
        assert_eq!(error.to_string(), "backward: the result does not depend on a parameter");
    }

    #[test]
    fn a_gradient_of_the_wrong_shape_is_an_error() {
        let x = parameter(2.0);
        let wrong = |_, _: &[bool]| Ok(vec![Some(Tensor::zeros::<f64>([3]))]);
        let y = Tensor::scalar(4.0).recorded("wrong", &[&x], wrong);
        let error = y.backward().unwrap_err().to_string();
        assert_eq!(error, "backward: the gradient of Tensor f64 [] is f64 [3]");
    }

    #[test]
    fn a_second_backward_pass_is_an_error() {
        let x = parameter(2.0);
        let y = product(&x, &x);
        let z = product(&y, &x);
        z.backward().unwrap();
        let again = product(&y, &x).backward().unwrap_err().to_string();
        assert!(again.contains("already computed"), "{again}");
    }

    #[test]
    fn closures_are_dropped_during_the_backward_pass() {
        let witness = std::sync::Arc::new(());
        let x = parameter(2.0);
        let kept = witness.clone();
        let y = Tensor::scalar(4.0).recorded("keeps", &[&x], move |g, _| {
            let _ = &kept;
            Ok(vec![Some(g)])
        });
        assert_eq!(std::sync::Arc::strong_count(&witness), 2);
        y.clone().backward().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&witness), 1, "although the result is alive");
    }
}
