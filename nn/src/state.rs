//! What modules consist of: parameters, buffers and counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tensor::{Buffer as Memory, Device, Result, Tensor};

/// The order of a weight's axes in PyTorch's files. In memory it is `[rows, columns, in, out]` for
/// every convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightLayout {
    /// The same in files as in memory.
    Plain,
    /// `[out, in, rows, columns]` in files.
    Convolution,
    /// `[in, out, rows, columns]` in files.
    TransposedConvolution,
}

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// A number that changes whenever any parameter or buffer of the process may have moved in memory,
/// or was frozen, thawed, replaced or freed.
///
/// A captured GPU step has the addresses of a network's state baked in. It compares this one number
/// before every replay, and looks at the network again only when the number has changed. The number
/// also changes when another network is modified: it says that something may have changed, not that
/// it did.
pub fn state_generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// A tensor whose every mutable access, and whose end, starts a new generation.
#[derive(Debug)]
struct Tracked(Tensor);

impl Tracked {
    fn get_mut(&mut self) -> &mut Tensor {
        new_generation();
        &mut self.0
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        new_generation();
    }
}

/// Relaxed is enough: a thread that hands a network to another one synchronises with it anyway.
fn new_generation() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// A tensor that training updates.
#[derive(Debug)]
pub struct Parameter {
    value: Tracked,
    layout: WeightLayout,
    frozen: bool,
}

impl Parameter {
    /// A trainable parameter.
    ///
    /// # Errors
    /// When `value` is shared and there is no memory for a copy of it.
    pub fn new(value: Tensor, layout: WeightLayout) -> Result<Self> {
        let mut parameter = Parameter { value: Tracked(value), layout, frozen: false };
        parameter.value.0.set_wants_gradient(true)?;
        Ok(parameter)
    }

    /// The value: a leaf of the tape, which wants a gradient unless it is frozen.
    pub fn tensor(&self) -> &Tensor {
        &self.value.0
    }

    /// The order of its axes in files.
    pub fn layout(&self) -> WeightLayout {
        self.layout
    }

    /// Whether training leaves it unchanged.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Freezes the parameter, or lets it train again.
    ///
    /// # Errors
    /// When the value is shared and there is no memory for a copy of it.
    pub fn freeze(&mut self, frozen: bool) -> Result<()> {
        if self.frozen != frozen {
            self.frozen = frozen;
            self.value.get_mut().set_wants_gradient(!frozen)?;
        }
        Ok(())
    }

    /// Replaces the value by one of the same shape and dtype, on any device.
    ///
    /// # Errors
    /// When `value` is shared and there is no memory for a copy of it.
    ///
    /// # Panics
    /// When shape or dtype differ.
    pub fn set(&mut self, value: Tensor) -> Result<()> {
        assert_same_kind(&value, self.tensor());
        let own = self.value.get_mut();
        *own = value;
        own.set_wants_gradient(!self.frozen)
    }

    /// Moves the value to a device.
    ///
    /// # Errors
    /// When the device has no memory left, or fails.
    pub fn move_to(&mut self, device: &Device) -> Result<()> {
        self.set(self.tensor().to_device(device)?)
    }

    /// The memory of the value, to be updated in place. If something else shares the value, the
    /// parameter gets a copy of its own first.
    ///
    /// # Errors
    /// When there is no memory for that copy.
    pub fn memory_mut(&mut self) -> Result<&mut Memory> {
        self.value.get_mut().memory_mut()
    }
}

/// A tensor that is part of a module's state but that training does not update, such as batch norm's
/// running mean. PyTorch calls it a buffer too.
#[derive(Debug)]
pub struct Buffer(Tracked);

impl Buffer {
    /// A buffer of this value.
    pub fn new(value: Tensor) -> Self {
        Buffer(Tracked(value))
    }

    /// The value.
    pub fn tensor(&self) -> &Tensor {
        &self.0.0
    }

    /// The value, to be changed in place.
    pub fn tensor_mut(&mut self) -> &mut Tensor {
        self.0.get_mut()
    }

    /// Replaces the value by one of the same shape and dtype, on any device.
    ///
    /// # Panics
    /// When shape or dtype differ.
    pub fn set(&mut self, value: Tensor) {
        assert_same_kind(&value, self.tensor());
        *self.tensor_mut() = value;
    }

    /// Moves the value to a device.
    ///
    /// # Errors
    /// When the device has no memory left, or fails.
    pub fn move_to(&mut self, device: &Device) -> Result<()> {
        self.set(self.tensor().to_device(device)?);
        Ok(())
    }
}

fn assert_same_kind(new: &Tensor, old: &Tensor) {
    assert_eq!((new.shape(), new.dtype()), (old.shape(), old.dtype()));
}

/// A count that is part of a module's state, kept on the host. Files have it as a 64-bit integer.
///
/// A clone is a handle to the same count, so that a replayed step can count without its module.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Replaces the count.
    pub fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// Adds to the count.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// A part of a module's state.
#[derive(Clone, Copy, Debug)]
pub enum StateRef<'a> {
    /// Updated by training.
    Parameter(&'a Parameter),
    /// Changed by running the module.
    Buffer(&'a Buffer),
    /// A count of what the module did.
    Counter(&'a Counter),
}

/// A part of a module's state, to be changed.
#[derive(Debug)]
pub enum StateMut<'a> {
    /// Updated by training.
    Parameter(&'a mut Parameter),
    /// Changed by running the module.
    Buffer(&'a mut Buffer),
    /// A count of what the module did.
    Counter(&'a Counter),
}

impl<'a> StateRef<'a> {
    /// The tensor; none of a counter.
    pub fn tensor(self) -> Option<&'a Tensor> {
        match self {
            StateRef::Parameter(parameter) => Some(parameter.tensor()),
            StateRef::Buffer(buffer) => Some(buffer.tensor()),
            StateRef::Counter(_) => None,
        }
    }
}

impl<'a> From<&'a mut Parameter> for StateMut<'a> {
    /// What receives the reference may replace the parameter as a whole.
    fn from(parameter: &'a mut Parameter) -> Self {
        new_generation();
        StateMut::Parameter(parameter)
    }
}

impl<'a> From<&'a mut Buffer> for StateMut<'a> {
    /// What receives the reference may replace the buffer as a whole.
    fn from(buffer: &'a mut Buffer) -> Self {
        new_generation();
        StateMut::Buffer(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter() -> Parameter {
        let value = Tensor::from_slice(&[1.0f32, 2.0], [2]).unwrap();
        Parameter::new(value, WeightLayout::Plain).unwrap()
    }

    /// Other tests run beside this one and start generations too: only changes can be asserted.
    #[test]
    fn whatever_may_move_state_starts_a_generation() {
        let changes = |change: &mut dyn FnMut()| {
            let before = state_generation();
            change();
            state_generation() != before
        };
        let (mut weight, mut other) = (parameter(), Buffer::new(Tensor::scalar(1.0f32)));
        assert!(changes(&mut || weight.freeze(true).unwrap()));
        assert!(changes(&mut || weight.set(Tensor::zeros::<f32>([2])).unwrap()));
        assert!(changes(&mut || weight.move_to(&Device::Cpu).unwrap()));
        assert!(changes(&mut || _ = weight.memory_mut().unwrap()));
        assert!(changes(&mut || other.set(Tensor::scalar(2.0f32))));
        assert!(changes(&mut || _ = StateMut::from(&mut weight)));
        let mut last = Some(weight);
        assert!(changes(&mut || drop(last.take())));
    }

    #[test]
    fn a_frozen_parameter_wants_no_gradient_until_it_thaws() {
        let mut weight = parameter();
        assert!(weight.tensor().requires_grad());
        weight.freeze(true).unwrap();
        assert!(!weight.tensor().requires_grad());
        weight.set(Tensor::zeros::<f32>([2])).unwrap();
        assert!(!weight.tensor().requires_grad());
        weight.freeze(false).unwrap();
        assert!(weight.tensor().requires_grad());
    }

    #[test]
    fn memory_is_the_parameters_own_and_stays_in_place() {
        let mut weight = parameter();
        let shared = weight.tensor().clone();
        weight.memory_mut().unwrap().as_mut_slice::<f32>()[0] = 5.0;
        assert_eq!(shared.data::<f32>(), [1.0, 2.0], "a shared value is copied first");
        let place = weight.tensor().data::<f32>().as_ptr();
        weight.memory_mut().unwrap().as_mut_slice::<f32>()[1] = 7.0;
        assert_eq!(weight.tensor().data::<f32>(), [5.0, 7.0]);
        assert_eq!(weight.tensor().data::<f32>().as_ptr(), place);
        assert!(weight.tensor().requires_grad());
    }
}
