//! The error type of tensors and devices.

use crate::{DType, Shape};

/// A failure of an operation or a device. Displays as one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Shapes that an operation does not accept.
    #[error("{operation}: {what}")]
    Shape {
        /// The operation that failed.
        operation: &'static str,
        /// The shapes given and what was expected.
        what: String,
    },
    /// A tensor of a dtype that an operation does not accept.
    #[error("{operation}: takes {wanted}, not {found}")]
    DType {
        /// The operation that failed.
        operation: &'static str,
        /// The dtype given.
        found: DType,
        /// The dtypes that are accepted.
        wanted: &'static str,
    },
    /// A number of values that differs from the number of elements of the shape.
    #[error("shape {shape} has {} elements, but {found} values were given", shape.elements())]
    Length {
        /// Number of values given.
        found: usize,
        /// The shape.
        shape: Shape,
    },
    /// A value outside the domain of an operation.
    #[error("{operation}: {what}")]
    Value {
        /// The operation that failed.
        operation: &'static str,
        /// The value given and what was expected.
        what: String,
    },
    /// Tensors of one operation that reside on different devices.
    #[error("{operation}: expected all tensors on {wanted}, but one is on {found}")]
    Devices {
        /// The operation that failed.
        operation: &'static str,
        /// The device of one tensor.
        found: String,
        /// The device of the first tensor.
        wanted: String,
    },
    /// A device without enough free memory.
    #[error(
        "out of memory: {:.1} MiB requested from {device}, which has {:.1} MiB free",
        *requested as f64 / 1048576.0,
        *available as f64 / 1048576.0
    )]
    DeviceMemory {
        /// Name of the device.
        device: String,
        /// Bytes requested.
        requested: usize,
        /// Bytes free.
        available: usize,
    },
    /// A failure of a device, such as a kernel that does not compile or that crashed.
    #[error("{device}: {what}")]
    Device {
        /// Name of the device.
        device: String,
        /// What happened.
        what: String,
    },
    /// A backward pass that cannot be computed; see [`Tensor::backward`](crate::Tensor::backward).
    #[error("backward: {0}")]
    Backward(String),
}

/// Result of tensor operations.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Shape`].
    pub fn shape(operation: &'static str, what: impl Into<String>) -> Self {
        Error::Shape { operation, what: what.into() }
    }

    /// An [`Error::Value`].
    pub fn value(operation: &'static str, what: impl Into<String>) -> Self {
        Error::Value { operation, what: what.into() }
    }
}
