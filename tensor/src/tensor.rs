//! The tensor: a shape, a dtype, reference-counted memory, and the operation that produced it.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::gpu::{Address, Gpu};
use crate::tape::{self, Node};
use crate::{Buffer, DType, Device, Element, Error, Result, Shape};

/// An immutable n-dimensional array in row-major order.
///
/// Cloning is cheap: clones share memory, identity and place on the tape. Images are channels-last:
/// `[batch, rows, columns, channels]`.
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    id: u64,
    shape: Shape,
    dtype: DType,
    value: Value,
    /// The operation that produced the tensor. `None` for leaves, and if no input requires a gradient.
    node: Option<Node>,
    requires_grad: bool,
}

/// Buffers are reference-counted on their own, so that tensors of different shapes can share one.
enum Value {
    Dense(Arc<Buffer>),
    Lazy { expression: Box<dyn LazyExpr>, computed: OnceLock<Arc<Buffer>> },
}

/// A lazy expression: how to compute the values of a tensor when they are first read.
///
/// A consumer that knows the concrete type can fuse the expression into its own loads, so that the
/// values never exist in memory: see [`Tensor::lazy_expr`]. A convolution does so with normalisation and
/// activation. Any other consumer reads the tensor as usual; its values are then computed once and
/// kept.
pub trait LazyExpr: Any + Send + Sync {
    /// Computes all values, on the device of the inputs. The length must match the tensor's shape and
    /// dtype.
    ///
    /// # Errors
    /// When the device fails.
    fn compute(&self) -> Result<Buffer>;

    /// The device on which the values are computed.
    fn device(&self) -> Device;
}

impl Tensor {
    /// A tensor of the given values in row-major order, on the CPU.
    ///
    /// ```
    /// # use tensor::Tensor;
    /// # fn main() -> tensor::Result<()> {
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
    /// assert_eq!((x.dims(), x.dtype().name()), (&[2, 3][..], "f32"));
    /// assert!(Tensor::from_slice(&[1.0f32, 2.0], [3]).is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the number of values differs from the number of elements of the shape.
    pub fn from_slice<T: Element>(values: &[T], shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if values.len() != shape.elements() {
            return Err(Error::Length { found: values.len(), shape });
        }
        Ok(Self::build::<T>(shape, |out| out.copy_from_slice(values)))
    }

    /// A tensor with no axes and one element, on the CPU.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::build::<T>(Shape::SCALAR, |out| out[0] = value)
    }

    /// A tensor of zeros, on the CPU.
    pub fn zeros<T: Element>(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        Self::from_buffer::<T>(Buffer::zeroed::<T>(shape.elements()), shape)
    }

    /// A tensor on the CPU whose elements `write` fills in. It must write all of them: their initial
    /// values are unspecified.
    ///
    /// ```
    /// # use tensor::Tensor;
    /// let squares = Tensor::build::<f64>([4], |out| {
    ///     out.iter_mut().enumerate().for_each(|(i, x)| *x = (i * i) as f64);
    /// });
    /// assert_eq!(squares.data::<f64>(), [0.0, 1.0, 4.0, 9.0]);
    /// ```
    pub fn build<T: Element>(shape: impl Into<Shape>, write: impl FnOnce(&mut [T])) -> Self {
        let shape = shape.into();
        let mut buffer = Buffer::uninitialised::<T>(shape.elements());
        write(buffer.as_mut_slice());
        Self::from_buffer::<T>(buffer, shape)
    }

    /// A tensor of the elements in `buffer`, of the dtype of `T`.
    ///
    /// # Panics
    /// When the buffer's length does not match the shape.
    pub fn from_buffer<T: Element>(buffer: Buffer, shape: impl Into<Shape>) -> Self {
        Self::from_parts(buffer, shape.into(), T::DTYPE)
    }

    /// A tensor of the elements in `buffer`, of a dtype that is known only at run time.
    ///
    /// # Panics
    /// When the buffer's length does not match the shape and dtype.
    pub fn from_parts(buffer: Buffer, shape: impl Into<Shape>, dtype: DType) -> Self {
        let shape = shape.into();
        let bytes = shape.elements() * dtype.bytes();
        assert_eq!(buffer.bytes(), bytes, "length of a buffer for {dtype} {shape}");
        Self::new(shape, dtype, Value::Dense(Arc::new(buffer)))
    }

    /// A tensor on a device, with uninitialised elements for a kernel to write.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn uninitialised(device: &Device, dtype: DType, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        Ok(Self::from_parts(
            Buffer::uninitialised_on(device, dtype, shape.elements())?,
            shape,
            dtype,
        ))
    }

    /// A tensor whose values `expression` computes when they are first read.
    pub fn lazy(shape: impl Into<Shape>, dtype: DType, expression: impl LazyExpr) -> Self {
        let value = Value::Lazy { expression: Box::new(expression), computed: OnceLock::new() };
        Self::new(shape.into(), dtype, value)
    }

    fn new(shape: Shape, dtype: DType, value: Value) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Tensor(Arc::new(Inner { id, shape, dtype, value, node: None, requires_grad: false }))
    }

    /// Makes the tensor a parameter: [`backward`](Self::backward) returns a gradient for it.
    ///
    /// # Panics
    /// When the tensor has clones.
    pub fn parameter(self) -> Self {
        self.update_unshared(|inner| inner.requires_grad = true)
    }

    /// Records on the tape that `operation` computed `self` from `parents`, its differentiable inputs.
    ///
    /// `backward` is called with the gradient of the result and, for each parent, whether its gradient
    /// is required. It returns the gradients in the order of `parents`, with `None` for those that are
    /// not required. It may own clones of the parents, but not of `self`: a value of the result that it
    /// needs must be recomputed.
    ///
    /// Nothing is recorded if no parent requires a gradient, or inside
    /// [`no_grad`](crate::no_grad).
    ///
    /// # Panics
    /// When `self` has clones.
    pub fn recorded<F>(self, operation: &'static str, parents: &[&Tensor], backward: F) -> Self
    where
        F: FnOnce(Tensor, &[bool]) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
    {
        if !tape::is_recording() || !parents.iter().any(|p| p.requires_grad()) {
            return self;
        }
        let parents = parents.iter().map(|&p| p.clone()).collect();
        let node = Node::new(operation, parents, Box::new(backward));
        self.update_unshared(|inner| {
            inner.node = Some(node);
            inner.requires_grad = true;
        })
    }

    fn update_unshared(mut self, update: impl FnOnce(&mut Inner)) -> Self {
        let inner = Arc::get_mut(&mut self.0).expect(
            "the tensor is shared: `backward` may keep clones of the inputs, not of the result",
        );
        update(inner);
        self
    }

    /// The dimensions, outermost first.
    pub fn shape(&self) -> Shape {
        self.0.shape
    }

    /// The dimensions as a slice.
    pub fn dims(&self) -> &[usize] {
        self.0.shape.dims()
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// Whether the tensor is a parameter or was computed from one with the tape on.
    pub fn requires_grad(&self) -> bool {
        self.0.requires_grad
    }

    /// The device where the values reside.
    pub fn device(&self) -> Device {
        match &self.0.value {
            Value::Dense(buffer) => buffer.device(),
            Value::Lazy { expression, .. } => expression.device(),
        }
    }

    /// The GPU where the values reside; `None` on the CPU.
    pub fn gpu(&self) -> Option<Arc<dyn Gpu>> {
        match self.device() {
            Device::Cpu => None,
            Device::Gpu(gpu) => Some(gpu),
        }
    }

    /// A copy of the values on `device`, detached from the tape.
    ///
    /// # Errors
    /// When the device has too little free memory, or fails.
    pub fn copy_to(&self, device: &Device) -> Result<Self> {
        let copy = self.buffer()?.copy_to(device)?;
        Ok(Self::from_parts(copy, self.0.shape, self.0.dtype))
    }

    /// The tensor on `device`: a clone if it is already there, otherwise a copy, detached from the
    /// tape.
    ///
    /// # Errors
    /// When the device has too little free memory, or fails.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        if self.device() == *device { Ok(self.clone()) } else { self.copy_to(device) }
    }

    /// The memory of the values, which a lazy expression computes on the first call.
    fn buffer(&self) -> Result<&Arc<Buffer>> {
        match &self.0.value {
            Value::Dense(buffer) => Ok(buffer),
            Value::Lazy { expression, computed } => {
                if let Some(buffer) = computed.get() {
                    return Ok(buffer);
                }
                let buffer = expression.compute()?;
                let bytes = self.0.shape.elements() * self.0.dtype.bytes();
                assert_eq!(buffer.bytes(), bytes, "length of a lazy {self:?}");
                Ok(computed.get_or_init(|| Arc::new(buffer)))
            }
        }
    }

    /// A tensor of another shape that shares the memory of this one, detached from the tape. Computes a
    /// lazy tensor.
    ///
    /// `reshape` of the `kernels` crate does the same on the tape.
    ///
    /// ```
    /// # fn main() -> tensor::Result<()> {
    /// let x = tensor::Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
    /// let y = x.with_shape([3, 2])?;
    /// assert_eq!(y.data::<f32>().as_ptr(), x.data::<f32>().as_ptr());
    /// assert!(x.with_shape([4]).is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the new shape has another number of elements, or a device fails to compute a lazy tensor.
    pub fn with_shape(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        let (found, wanted) = (self.0.shape.elements(), shape.elements());
        if found != wanted {
            let what = format!("{} has {found} elements, but {shape} has {wanted}", self.0.shape);
            return Err(Error::shape("reshape", what));
        }
        Ok(Self::new(shape, self.0.dtype, Value::Dense(self.buffer()?.clone())))
    }

    /// Device address of the first element, for kernel arguments. Computes a lazy tensor.
    ///
    /// # Errors
    /// When the tensor is lazy and the device fails.
    ///
    /// # Panics
    /// When the tensor is on the CPU.
    pub fn address(&self) -> Result<Address> {
        Ok(self.buffer()?.address())
    }

    /// The elements in row-major order. Computes a lazy tensor.
    ///
    /// # Panics
    /// When `T` is not the tensor's dtype, or the tensor is on a GPU.
    pub fn data<T: Element>(&self) -> &[T] {
        assert_eq!(T::DTYPE, self.0.dtype, "a tensor of {} read as {}", self.0.dtype, T::DTYPE);
        self.buffer().expect("lazy expressions do not fail on the CPU").as_slice()
    }

    /// The lazy expression of the tensor, if it is of type `R` and has not been computed yet.
    pub fn lazy_expr<R: LazyExpr>(&self) -> Option<&R> {
        match &self.0.value {
            Value::Lazy { expression, computed } if computed.get().is_none() => {
                (expression.as_ref() as &dyn Any).downcast_ref()
            }
            _ => None,
        }
    }

    /// The elements in row-major order, converted to `f64`.
    ///
    /// # Panics
    /// When the tensor is on a GPU: copy it to the CPU with [`copy_to`](Self::copy_to) first.
    pub fn to_f64(&self) -> Vec<f64> {
        match self.0.dtype {
            DType::U8 => self.data::<u8>().iter().map(|&x| f64::from(x)).collect(),
            DType::BF16 => self.data::<half::bf16>().iter().map(|x| x.to_f64()).collect(),
            DType::F32 => self.data::<f32>().iter().map(|&x| f64::from(x)).collect(),
            DType::F64 => self.data::<f64>().to_vec(),
        }
    }

    /// The value of a tensor with one element, on any device.
    ///
    /// # Errors
    /// When the tensor has more elements or none, or a device fails.
    pub fn item(&self) -> Result<f64> {
        match self.shape().elements() {
            1 if self.device() != Device::Cpu => self.copy_to(&Device::Cpu)?.item(),
            1 => Ok(self.to_f64()[0]),
            n => Err(Error::shape("item", format!("{} has {n} elements, not 1", self.shape()))),
        }
    }

    /// The tensor's memory if nothing shares it, otherwise a copy on the same device. In-place
    /// operations use it to reuse the memory of their input.
    ///
    /// # Errors
    /// When the device has too little free memory, or fails.
    pub fn into_memory(self) -> Result<Buffer> {
        match Arc::try_unwrap(self.0) {
            Ok(Inner { value: Value::Dense(buffer), .. }) => {
                Arc::try_unwrap(buffer).or_else(|shared| shared.copy_to(&shared.device()))
            }
            Ok(inner) => Tensor(Arc::new(inner)).copied(),
            Err(shared) => Tensor(shared).copied(),
        }
    }

    /// The tensor's memory, to be modified in place. If something shares it, or it is the result of a
    /// recorded operation, it is first replaced by a copy, which is off the tape. A leaf of the tape
    /// stays one.
    ///
    /// # Errors
    /// When the device has too little free memory, or fails.
    pub fn memory_mut(&mut self) -> Result<&mut Buffer> {
        if self.0.node.is_some() || self.unshared_buffer().is_none() {
            let is_leaf = self.requires_grad() && self.node().is_none();
            let copy = Self::from_parts(self.copied()?, self.0.shape, self.0.dtype);
            *self = if is_leaf { copy.parameter() } else { copy };
        }
        Ok(self.unshared_buffer().expect("a new copy is dense and unshared"))
    }

    /// The tensor's memory. `None` if something shares it or the tensor is lazy.
    fn unshared_buffer(&mut self) -> Option<&mut Buffer> {
        match Arc::get_mut(&mut self.0) {
            Some(Inner { value: Value::Dense(buffer), .. }) => Arc::get_mut(buffer),
            _ => None,
        }
    }

    /// Makes the tensor a leaf of the tape that wants a gradient, or not, as PyTorch's
    /// `requires_grad_` does. A value that something else shares is copied first.
    ///
    /// # Errors
    /// When the device has no more memory, or fails.
    pub fn set_wants_gradient(&mut self, wanted: bool) -> Result<()> {
        self.memory_mut()?;
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.requires_grad = wanted;
        }
        Ok(())
    }

    /// Overwrites the values with those of a tensor of the same shape and dtype on any device. The
    /// device address does not change, so that a captured graph which reads this tensor sees the new
    /// values.
    ///
    /// # Errors
    /// When shapes or dtypes differ, this tensor is lazy or shared, or a device fails.
    pub fn copy_from(&mut self, from: &Tensor) -> Result<()> {
        if (self.shape(), self.dtype()) != (from.shape(), from.dtype()) {
            let what = format!("cannot copy {from:?} into {self:?}");
            return Err(Error::shape("copy_from", what));
        }
        match self.unshared_buffer() {
            Some(buffer) => buffer.copy_from(from.buffer()?),
            None => Err(Error::value("copy_from", format!("{self:?} is lazy or shared"))),
        }
    }

    fn copied(&self) -> Result<Buffer> {
        let buffer = self.buffer()?;
        buffer.copy_to(&buffer.device())
    }

    /// As [`into_memory`](Self::into_memory), for a tensor on the CPU, where it cannot fail.
    ///
    /// # Panics
    /// When `T` is not the tensor's dtype, or the tensor is on a GPU.
    pub fn into_buffer<T: Element>(self) -> Buffer {
        assert_eq!(T::DTYPE, self.0.dtype, "a tensor of {} read as {}", self.0.dtype, T::DTYPE);
        assert!(self.device() == Device::Cpu, "host access to a tensor on {}", self.device());
        self.into_memory().expect("copies on the CPU do not fail")
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn node(&self) -> Option<&Node> {
        self.0.node.as_ref()
    }
}

/// Checks that all tensors of an operation are on the same device.
///
/// # Errors
/// [`Error::Devices`] when one is on another device than the first.
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

    impl LazyExpr for Counting {
        fn compute(&self) -> Result<Buffer> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let mut buffer = Buffer::uninitialised::<f32>(3);
            buffer.as_mut_slice::<f32>().copy_from_slice(&[1.0, 2.0, 3.0]);
            Ok(buffer)
        }

        fn device(&self) -> Device {
            Device::Cpu
        }
    }

    #[test]
    fn a_lazy_tensor_is_computed_once_and_only_when_read() {
        let count = Arc::new(AtomicU64::new(0));
        let tensor = Tensor::lazy([3], DType::F32, Counting(count.clone()));
        assert!(tensor.lazy_expr::<Counting>().is_some());
        assert_eq!(count.load(Ordering::Relaxed), 0);
        assert_eq!(tensor.data::<f32>(), [1.0, 2.0, 3.0]);
        assert_eq!(tensor.data::<f32>(), [1.0, 2.0, 3.0]);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert!(tensor.lazy_expr::<Counting>().is_none());
    }

    #[test]
    fn the_number_of_values_must_match_the_shape() {
        let error = Tensor::from_slice(&[1.0f32; 5], [2, 3]).unwrap_err();
        assert_eq!(error.to_string(), "shape [2, 3] has 6 elements, but 5 values were given");
    }

    #[test]
    fn unshared_memory_is_reused_and_shared_memory_is_copied() {
        let tensor = Tensor::from_slice(&[1.0f32, 2.0], [2]).unwrap();
        let kept = tensor.clone();
        let address = kept.data::<f32>().as_ptr();
        assert_ne!(tensor.into_buffer::<f32>().as_slice::<f32>().as_ptr(), address);
        assert_eq!(kept.into_buffer::<f32>().as_slice::<f32>().as_ptr(), address);
    }

    #[test]
    fn a_leaf_is_updated_in_place_and_a_shared_one_as_a_copy() {
        let mut leaf = Tensor::from_slice(&[1.0f32, 2.0], [2]).unwrap().parameter();
        let place = leaf.data::<f32>().as_ptr();
        leaf.memory_mut().unwrap().as_mut_slice::<f32>()[0] = 3.0;
        assert_eq!((leaf.data::<f32>(), leaf.data::<f32>().as_ptr()), (&[3.0, 2.0][..], place));
        assert!(leaf.requires_grad());

        let shared = leaf.clone();
        leaf.memory_mut().unwrap().as_mut_slice::<f32>()[0] = 4.0;
        assert_eq!((leaf.data::<f32>()[0], shared.data::<f32>()[0]), (4.0, 3.0));
        assert!(leaf.requires_grad() && shared.requires_grad());
        leaf.set_wants_gradient(false).unwrap();
        assert!(!leaf.requires_grad());

        let result = Tensor::scalar(1.0f32);
        let mut result = result.recorded("copy", &[&shared], |_, _| Ok(vec![None]));
        result.memory_mut().unwrap();
        assert!(!result.requires_grad(), "a recorded result leaves the tape");
    }

    #[test]
    fn tensors_of_two_shapes_share_memory_until_one_is_modified() {
        let mut tensor = Tensor::from_slice(&[1.0f32, 2.0], [2]).unwrap();
        let column = tensor.with_shape([2, 1]).unwrap();
        assert_eq!(column.data::<f32>().as_ptr(), tensor.data::<f32>().as_ptr());
        tensor.memory_mut().unwrap().as_mut_slice::<f32>()[0] = 7.0;
        assert_eq!(tensor.data::<f32>(), [7.0, 2.0]);
        assert_eq!(column.data::<f32>(), [1.0, 2.0]);
        // Now the memory is the column's alone.
        let address = column.data::<f32>().as_ptr();
        assert_eq!(column.into_buffer::<f32>().as_slice::<f32>().as_ptr(), address);
    }
}
