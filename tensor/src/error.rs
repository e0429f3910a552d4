//! What can go wrong with a tensor.

use crate::{DType, Shape};

/// A failure of the engine, as one line that says what was found and what was wanted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Shapes that do not fit an operation.
    #[error("{operation}: {what}")]
    Shape {
        /// The operation that refused.
        operation: &'static str,
        /// What was found and what was wanted.
        what: String,
    },
    /// A tensor of another dtype than an operation takes.
    #[error("{operation}: takes {wanted}, not {found}")]
    DType {
        /// The operation that refused.
        operation: &'static str,
        /// The dtype it was given.
        found: DType,
        /// The dtypes it takes.
        wanted: &'static str,
    },
    /// Data whose length is not that of the shape.
    #[error("{found} values do not fill shape {shape}, which takes {}", shape.elements())]
    Length {
        /// Number of values given.
        found: usize,
        /// The shape they should fill.
        shape: Shape,
    },
    /// A value outside what an operation can work with.
    #[error("{operation}: {what}")]
    Value {
        /// The operation that refused.
        operation: &'static str,
        /// What was found and what was wanted.
        what: String,
    },
    /// Tensors that lie on different devices.
    #[error("{operation}: a tensor on {found} beside one on {wanted}")]
    Devices {
        /// The operation that refused.
        operation: &'static str,
        /// Where one lies.
        found: String,
        /// Where another lies.
        wanted: String,
    },
    /// A device without the memory that was asked for.
    #[error(
        "out of memory: {device} was asked for {:.1} MiB and has {:.1} MiB left",
        *asked as f64 / 1048576.0,
        *left as f64 / 1048576.0
    )]
    DeviceMemory {
        /// What it is.
        device: String,
        /// Bytes asked for.
        asked: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A failure of a device: a kernel that does not compile, or stopped.
    #[error("{device}: {what}")]
    Device {
        /// What it is.
        device: String,
        /// What happened.
        what: String,
    },
    /// The gradient of something that is not one number, or that no parameter led to.
    #[error("backward: {0}")]
    Backward(String),
}

/// The engine's result type.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Shapes that do not fit `operation`.
    pub fn shape(operation: &'static str, what: impl Into<String>) -> Self {
        Error::Shape { operation, what: what.into() }
    }

    /// A value that `operation` cannot work with.
    pub fn value(operation: &'static str, what: impl Into<String>) -> Self {
        Error::Value { operation, what: what.into() }
    }
}
