//! A tensor: a shape, a dtype, reference-counted memory, and how it came about.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::gpu::{Address, Gpu};
use crate::tape::{self, Node};
use crate::{Buffer, DType, Device, Element, Error, Result, Shape};

/// An immutable array of numbers, cheap to clone.
///
/// Images are channels-last: `[batch, rows, columns, channels]`.
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    id: u64,
    shape: Shape,
    dtype: DType,
    value: Value,
    /// How the tape reaches the tensor's parents; none for leaves and where no parent wants a
    /// gradient.
    node: Option<Node>,
    wants_gradient: bool,
}

enum Value {
    Dense(Buffer),
    Deferred { recipe: Box<dyn Deferred>, computed: OnceLock<Buffer> },
}

/// A value that is computed where it is read.
///
/// Some consumers know the recipe and apply it to each element as they load it, so that the value
/// never exists in memory (a convolution does so with normalisation and activation). Any other
/// consumer reads the tensor as usual, and gets it computed once.
pub trait Deferred: Any + Send + Sync {
    /// Computes the whole value, where its inputs lie.
    ///
    /// # Errors
    /// When a device fails.
    fn compute(&self) -> Result<Buffer>;

    /// Where that is.
    fn device(&self) -> Device;
}

impl Tensor {
    /// A tensor of the given values, outermost axis first.
    ///
    /// # Errors
    /// When the number of values is not that of the shape.
    pub fn from_slice<T: Element>(values: &[T], shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if values.len() != shape.elements() {
            return Err(Error::Length { found: values.len(), shape });
        }
        Ok(Self::build::<T>(shape, |out| out.copy_from_slice(values)))
    }

    /// A single number.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::build::<T>(Shape::SCALAR, |out| out[0] = value)
    }

    /// A tensor of zeros.
    pub fn zeros<T: Element>(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        Self::from_buffer::<T>(Buffer::zeroed::<T>(shape.elements()), shape)
    }

    /// A tensor whose elements `write` fills in; it must write every one, for what it finds there
    /// is stale.
    pub fn build<T: Element>(shape: impl Into<Shape>, write: impl FnOnce(&mut [T])) -> Self {
        let shape = shape.into();
        let mut buffer = Buffer::stale::<T>(shape.elements());
        write(buffer.as_mut_slice());
        Self::from_buffer::<T>(buffer, shape)
    }

    /// A tensor over memory that is already filled; the buffer's length must be the shape's.
    pub fn from_buffer<T: Element>(buffer: Buffer, shape: impl Into<Shape>) -> Self {
        Self::over(buffer, shape.into(), T::DTYPE)
    }

    /// The same, of a dtype that is known only now; for memory of devices.
    pub fn over(buffer: Buffer, shape: impl Into<Shape>, dtype: DType) -> Self {
        let shape = shape.into();
        let due = shape.elements() * dtype.bytes();
        assert_eq!(buffer.bytes(), due, "buffer and shape {shape} of {dtype}");
        Self::new(shape, dtype, Value::Dense(buffer))
    }

    /// A tensor on a device, with uninitialised elements for a kernel to write.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn uninitialised(device: &Device, dtype: DType, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        Ok(Self::over(Buffer::stale_on(device, dtype, shape.elements())?, shape, dtype))
    }

    /// A tensor that is computed where it is read.
    pub fn deferred(shape: impl Into<Shape>, dtype: DType, recipe: impl Deferred) -> Self {
        let value = Value::Deferred { recipe: Box::new(recipe), computed: OnceLock::new() };
        Self::new(shape.into(), dtype, value)
    }

    fn new(shape: Shape, dtype: DType, value: Value) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Tensor(Arc::new(Inner { id, shape, dtype, value, node: None, wants_gradient: false }))
    }

    /// The same value as a leaf of the tape, for which [`backward`](Self::backward) will return a
    /// gradient.
    pub fn parameter(self) -> Self {
        self.rebuilt(|inner| inner.wants_gradient = true)
    }

    /// Puts an operation on the tape: `self` is its result, `parents` are its differentiable
    /// inputs, and `backward` turns the gradient of the result into those of the parents, in
    /// order, leaving out those that `wanted` says nobody asks for.
    ///
    /// `backward` may keep the parents. It cannot keep a clone of `self`, which must not be shared
    /// yet (a panic says so); what it needs of the result it computes again.
    ///
    /// Nothing is recorded when no parent wants a gradient or inside [`without_tape`].
    ///
    /// [`without_tape`]: crate::without_tape
    pub fn recorded<F>(self, operation: &'static str, parents: &[&Tensor], backward: F) -> Self
    where
        F: FnOnce(Tensor, &[bool]) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
    {
        if !tape::is_recording() || !parents.iter().any(|p| p.wants_gradient()) {
            return self;
        }
        let parents = parents.iter().map(|&p| p.clone()).collect();
        let node = Node::new(operation, parents, Box::new(backward));
        self.rebuilt(|inner| {
            inner.node = Some(node);
            inner.wants_gradient = true;
        })
    }

    /// Changes a tensor that nobody else holds yet.
    fn rebuilt(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        let inner = Arc::get_mut(&mut self.0).expect(
            "a result goes on the tape before it is shared: keep the inputs for backward, not a \
             clone of the result",
        );
        change(inner);
        self
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> Shape {
        self.0.shape
    }

    /// Extents as a slice.
    pub fn dims(&self) -> &[usize] {
        self.0.shape.dims()
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// Whether a gradient will be computed for this tensor.
    pub fn wants_gradient(&self) -> bool {
        self.0.wants_gradient
    }

    /// Where it lies.
    pub fn device(&self) -> Device {
        match &self.0.value {
            Value::Dense(buffer) => buffer.device(),
            Value::Deferred { recipe, .. } => recipe.device(),
        }
    }

    /// The device that it lies on, if that is another than the host.
    pub fn gpu(&self) -> Option<Arc<dyn Gpu>> {
        match self.device() {
            Device::Cpu => None,
            Device::Gpu(gpu) => Some(gpu),
        }
    }

    /// The same values on `device`, off the tape.
    ///
    /// # Errors
    /// When it has not so much memory left, or fails.
    pub fn to(&self, device: &Device) -> Result<Self> {
        let copy = self.value()?.copied_to(device)?;
        Ok(Self::over(copy, self.0.shape, self.0.dtype))
    }

    /// The same on `device`: itself if it lies there, else a copy, off the tape.
    ///
    /// # Errors
    /// When the device has not so much memory left, or fails.
    pub fn on(&self, device: &Device) -> Result<Self> {
        if self.device() == *device { Ok(self.clone()) } else { self.to(device) }
    }

    /// The memory of its values. A deferred value is computed now, and kept.
    fn value(&self) -> Result<&Buffer> {
        match &self.0.value {
            Value::Dense(buffer) => Ok(buffer),
            Value::Deferred { computed, .. } if computed.get().is_some() => {
                Ok(computed.get_or_init(|| unreachable!("it is there")))
            }
            Value::Deferred { recipe, computed } => {
                let buffer = recipe.compute()?;
                let bytes = self.0.shape.elements() * self.0.dtype.bytes();
                assert_eq!(buffer.bytes(), bytes, "memory of a deferred {} tensor", self.0.shape);
                Ok(computed.get_or_init(|| buffer))
            }
        }
    }

    /// Where its values begin in the memory of its device; for kernels. A deferred value is computed
    /// now, and kept.
    ///
    /// # Errors
    /// When it is deferred and the device fails.
    ///
    /// # Panics
    /// When it lies on the host.
    pub fn address(&self) -> Result<Address> {
        Ok(self.value()?.address())
    }

    /// The elements, outermost axis first. A deferred value is computed now, and kept.
    ///
    /// # Panics
    /// When `T` is not the tensor's dtype, or it lies on a device: operations look at their door.
    pub fn data<T: Element>(&self) -> &[T] {
        assert_eq!(T::DTYPE, self.0.dtype, "a tensor of {} read as {}", self.0.dtype, T::DTYPE);
        // The host computes without fail.
        self.value().expect("values of the host").as_slice()
    }

    /// How to compute the value while reading, if it is deferred in the way `R` knows and has not
    /// been computed already.
    pub fn recipe<R: Deferred>(&self) -> Option<&R> {
        match &self.0.value {
            Value::Deferred { recipe, computed } if computed.get().is_none() => {
                (recipe.as_ref() as &dyn Any).downcast_ref()
            }
            _ => None,
        }
    }

    /// The elements as `f64`, whatever the dtype.
    ///
    /// # Panics
    /// When it lies on a device: [`to`](Self::to) the host first.
    pub fn to_f64(&self) -> Vec<f64> {
        match self.0.dtype {
            DType::U8 => self.data::<u8>().iter().map(|&x| f64::from(x)).collect(),
            DType::BF16 => self.data::<half::bf16>().iter().map(|x| x.to_f64()).collect(),
            DType::F32 => self.data::<f32>().iter().map(|&x| f64::from(x)).collect(),
            DType::F64 => self.data::<f64>().to_vec(),
        }
    }

    /// The one element of a tensor that has just one.
    ///
    /// # Errors
    /// When there are more, or none.
    pub fn item(&self) -> Result<f64> {
        match self.shape().elements() {
            1 if self.device() != Device::Cpu => self.to(&Device::Cpu)?.item(),
            1 => Ok(self.to_f64()[0]),
            n => Err(Error::shape("item", format!("{} holds {n} elements, not 1", self.shape()))),
        }
    }

    /// The memory itself if nobody else holds it, to be written over; else a copy, on the same
    /// device.
    ///
    /// The result is off the tape.
    ///
    /// # Errors
    /// When the device has no more memory, or fails.
    pub fn into_memory(self) -> Result<Buffer> {
        match Arc::try_unwrap(self.0) {
            Ok(Inner { value: Value::Dense(buffer), .. }) => Ok(buffer),
            Ok(inner) => Tensor(Arc::new(inner)).copied(),
            Err(shared) => Tensor(shared).copied(),
        }
    }

    /// The memory, to be written over in place: the tensor's own if nobody else holds it, else that
    /// of a copy, which takes its place. The tensor is off the tape afterwards.
    ///
    /// # Errors
    /// When the device has no more memory, or fails.
    pub fn memory_mut(&mut self) -> Result<&mut Buffer> {
        let own = Arc::get_mut(&mut self.0)
            .is_some_and(|inner| matches!(inner.value, Value::Dense(_)) && !inner.wants_gradient);
        if !own {
            *self = Self::over(self.copied()?, self.0.shape, self.0.dtype);
        }
        match Arc::get_mut(&mut self.0) {
            Some(Inner { value: Value::Dense(buffer), .. }) => Ok(buffer),
            _ => unreachable!("a copy of one's own"),
        }
    }

    /// Writes another tensor's values, of the same shape and dtype, over those of this one, which
    /// stays where it lies: for what a captured step reads.
    ///
    /// # Errors
    /// When shapes or dtypes differ, somebody else holds this tensor, or a device fails.
    pub fn refill(&mut self, from: &Tensor) -> Result<()> {
        if (self.shape(), self.dtype()) != (from.shape(), from.dtype()) {
            let what = format!("{from:?} does not fit {self:?}");
            return Err(Error::shape("refill", what));
        }
        match Arc::get_mut(&mut self.0) {
            Some(Inner { value: Value::Dense(buffer), .. }) => buffer.copy_from(from.value()?),
            _ => Err(Error::value("refill", format!("{self:?} is held elsewhere too"))),
        }
    }

    fn copied(&self) -> Result<Buffer> {
        let value = self.value()?;
        value.copied_to(&value.device())
    }

    /// As [`into_memory`](Self::into_memory), of a tensor on the host, where nothing can fail.
    ///
    /// # Panics
    /// When `T` is not the tensor's dtype, or it lies on a device.
    pub fn into_buffer<T: Element>(self) -> Buffer {
        assert_eq!(T::DTYPE, self.0.dtype, "a tensor of {} taken as {}", self.0.dtype, T::DTYPE);
        assert!(self.device() == Device::Cpu, "a tensor of {} taken by the host", self.device());
        self.into_memory().expect("memory of the host")
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn node(&self) -> Option<&Node> {
        self.0.node.as_ref()
    }
}

/// Refuses tensors that do not all lie on one device.
///
/// # Errors
/// When one lies elsewhere than the first.
pub fn same_device<'a>(
    operation: &'static str,
    tensors: impl IntoIterator<Item = &'a Tensor>,
) -> Result<()> {
    let mut tensors = tensors.into_iter();
    let Some(first) = tensors.next().map(Tensor::device) else { return Ok(()) };
    match tensors.map(Tensor::device).find(|device| *device != first) {
        None => Ok(()),
        Some(other) => {
            Err(Error::Devices { operation, found: other.to_string(), wanted: first.to_string() })
        }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor {} {}", self.dtype(), self.shape())?;
        if let Some(node) = self.node() {
            write!(f, " from {}", node.operation())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(Arc<AtomicU64>);

    impl Deferred for Counting {
        fn compute(&self) -> Result<Buffer> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let mut buffer = Buffer::stale::<f32>(3);
            buffer.as_mut_slice::<f32>().copy_from_slice(&[1.0, 2.0, 3.0]);
            Ok(buffer)
        }

        fn device(&self) -> Device {
            Device::Cpu
        }
    }

    #[test]
    fn a_deferred_value_is_computed_once_and_only_when_read() {
        let count = Arc::new(AtomicU64::new(0));
        let tensor = Tensor::deferred([3], DType::F32, Counting(count.clone()));
        assert!(tensor.recipe::<Counting>().is_some());
        assert_eq!(count.load(Ordering::Relaxed), 0);
        assert_eq!(tensor.data::<f32>(), [1.0, 2.0, 3.0]);
        assert_eq!(tensor.data::<f32>(), [1.0, 2.0, 3.0]);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert!(tensor.recipe::<Counting>().is_none());
    }

    #[test]
    fn values_must_fill_the_shape() {
        let error = Tensor::from_slice(&[1.0f32; 5], [2, 3]).unwrap_err();
        assert_eq!(error.to_string(), "5 values do not fill shape [2, 3], which takes 6");
    }

    #[test]
    fn memory_with_one_owner_is_handed_over_and_shared_memory_is_copied() {
        let tensor = Tensor::from_slice(&[1.0f32, 2.0], [2]).unwrap();
        let kept = tensor.clone();
        let address = kept.data::<f32>().as_ptr();
        assert_ne!(tensor.into_buffer::<f32>().as_slice::<f32>().as_ptr(), address);
        assert_eq!(kept.into_buffer::<f32>().as_slice::<f32>().as_ptr(), address);
    }
}
