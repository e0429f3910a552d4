//! The tape: how results came about, walked backwards for gradients.
//!
//! Every recorded result holds its parents and a closure that turns its gradient into theirs. The
//! walk takes each closure out and drops it once it has run, so that memory kept for backward is
//! freed as soon as it has been used.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::gpu::{Gpu, Launch, Sum, sum_program};
use crate::{DType, Error, Float, Result, Tensor, same_device, with_float};

type BackwardFn = dyn FnOnce(Tensor, &[bool]) -> Result<Vec<Option<Tensor>>> + Send + Sync;

/// A result's place on the tape.
pub(crate) struct Node {
    operation: &'static str,
    parents: Vec<Tensor>,
    /// None once backward has been through.
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
                "the tape through {} was already walked; run forward again",
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

/// Runs `f` without recording: for evaluation, and for networks that only serve as targets.
pub fn without_tape<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(false));
    f()
}

/// Gradients by the tensor that they belong to.
#[derive(Debug, Default)]
pub struct Gradients(HashMap<u64, Tensor>);

impl Gradients {
    /// The gradient of `parameter`, or none if the result does not depend on it.
    pub fn get(&self, parameter: &Tensor) -> Option<&Tensor> {
        self.0.get(&parameter.id())
    }

    /// Takes the gradient of `parameter` out.
    pub fn take(&mut self, parameter: &Tensor) -> Option<Tensor> {
        self.0.remove(&parameter.id())
    }

    fn accumulate(&mut self, tensor: &Tensor, gradient: Tensor) -> Result<()> {
        if (tensor.shape(), tensor.dtype()) != (gradient.shape(), gradient.dtype()) {
            return Err(Error::Backward(format!(
                "a gradient of {} {} for {tensor:?}",
                gradient.dtype(),
                gradient.shape()
            )));
        }
        let sum = match self.0.remove(&tensor.id()) {
            None => gradient,
            Some(so_far) => sum(so_far, &gradient)?,
        };
        self.0.insert(tensor.id(), sum);
        Ok(())
    }
}

impl Tensor {
    /// Gradients of this number with respect to every parameter it was computed from.
    ///
    /// Consumes the tape: memory kept for backward is freed as the walk goes.
    ///
    /// # Errors
    /// When the tensor is not one number, or no parameter led to it.
    pub fn backward(self) -> Result<Gradients> {
        if self.shape().elements() != 1 {
            return Err(Error::Backward(format!(
                "the gradient is that of one number, not of {}",
                self.shape()
            )));
        }
        let seed = match self.dtype() {
            DType::F64 => Tensor::build::<f64>(self.shape(), |one| one[0] = 1.0),
            DType::BF16 => Tensor::build(self.shape(), |one| one[0] = half::bf16::ONE),
            _ => Tensor::build::<f32>(self.shape(), |one| one[0] = 1.0),
        };
        let seed = seed.to(&self.device())?;
        // Held over the walk, so that no sum of gradients is taken in its memory: in a captured step it
        // is a constant, which replays find as the last one left it.
        let _held = seed.clone();
        self.backward_from(seed)
    }

    /// Gradients of the inner product of this tensor with `cotangent`.
    ///
    /// # Errors
    /// When no parameter led to this tensor, or the shapes differ.
    pub fn backward_from(self, cotangent: Tensor) -> Result<Gradients> {
        if !self.wants_gradient() {
            return Err(Error::Backward("no parameter led to this result".into()));
        }
        if self.shape() != cotangent.shape() || self.dtype() != cotangent.dtype() {
            return Err(Error::Backward(format!(
                "a cotangent of {} {} for a result of {} {}",
                cotangent.dtype(),
                cotangent.shape(),
                self.dtype(),
                self.shape()
            )));
        }
        same_device("backward", [&self, &cotangent])?;
        let mut gradients = Gradients::default();
        gradients.accumulate(&self, cotangent)?;
        let mut order = children_after_parents(self);
        while let Some(tensor) = order.pop() {
            let Some(node) = tensor.node() else { continue };
            let Some(gradient) = gradients.take(&tensor) else { continue };
            let wanted: Vec<bool> = node.parents.iter().map(Tensor::wants_gradient).collect();
            let parts = node.take_backward()?(gradient, &wanted)?;
            debug_assert_eq!(parts.len(), node.parents.len(), "{}", node.operation);
            for (parent, part) in node.parents.iter().zip(parts) {
                match (parent.wants_gradient(), part) {
                    (true, Some(part)) => gradients.accumulate(parent, part)?,
                    (false, Some(_)) => {
                        return Err(Error::Backward(format!(
                            "{} computed a gradient that nobody wants",
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

/// Everything that `result` was computed from and that wants a gradient, each after its parents.
fn children_after_parents(result: Tensor) -> Vec<Tensor> {
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
            .map(|node| node.parents.iter().filter(|p| p.wants_gradient()).cloned().collect())
            .unwrap_or_default();
        stack.push((tensor, true));
        stack.extend(parents.into_iter().map(|parent| (parent, false)));
    }
    order
}

/// The sum of two gradients, in the memory of the first where nobody else holds it.
fn sum(a: Tensor, b: &Tensor) -> Result<Tensor> {
    match a.gpu() {
        Some(gpu) => sum_on(&*gpu, a, b),
        None => with_float!("backward", a.dtype(), T => Ok(sum_of::<T>(a, b))),
    }
}

fn sum_on(gpu: &dyn Gpu, mut a: Tensor, b: &Tensor) -> Result<Tensor> {
    let (program, count) = (sum_program(a.dtype()), a.shape().elements());
    let args = Sum { a: program.output(&mut a)?, b: program.input(b)?, count };
    // SAFETY: both have `count` elements; a thread for each.
    unsafe { gpu.launch(&program, "sum", Launch::over(count), &args)? };
    Ok(a)
}

fn sum_of<T: Float>(a: Tensor, b: &Tensor) -> Tensor {
    const CHUNK: usize = 1 << 15;
    let shape = a.shape();
    let mut buffer = a.into_buffer::<T>();
    let pairs =
        buffer.as_mut_slice::<T>().par_chunks_mut(CHUNK).zip(b.data::<T>().par_chunks(CHUNK));
    pairs.for_each(|(a, b)| a.iter_mut().zip(b).for_each(|(a, &b)| *a += b));
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
        assert!(!product(&c, &c).wants_gradient());
        assert!(!without_tape(|| product(&x, &c)).wants_gradient());
        assert!(product(&x, &c).wants_gradient());
        let error = product(&c, &c).backward().unwrap_err();
        assert_eq!(error.to_string(), "backward: no parameter led to this result");
    }

    #[test]
    fn a_gradient_of_another_shape_is_refused() {
        let x = parameter(2.0);
        let wrong = |_, _: &[bool]| Ok(vec![Some(Tensor::zeros::<f64>([3]))]);
        let y = Tensor::scalar(4.0).recorded("wrong", &[&x], wrong);
        let error = y.backward().unwrap_err().to_string();
        assert_eq!(error, "backward: a gradient of f64 [3] for Tensor f64 []");
    }

    #[test]
    fn a_tape_is_walked_once() {
        let x = parameter(2.0);
        let y = product(&x, &x);
        let z = product(&y, &x);
        z.backward().unwrap();
        let again = product(&y, &x).backward().unwrap_err().to_string();
        assert!(again.contains("already walked"), "{again}");
    }

    #[test]
    fn memory_for_backward_is_freed_as_the_walk_goes() {
        let witness = std::sync::Arc::new(());
        let x = parameter(2.0);
        let kept = witness.clone();
        let y = Tensor::scalar(4.0).recorded("keeps", &[&x], move |g, _| {
            let _ = &kept;
            Ok(vec![Some(g)])
        });
        assert_eq!(std::sync::Arc::strong_count(&witness), 2);
        y.clone().backward().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&witness), 1, "though the result is still held");
    }
}
