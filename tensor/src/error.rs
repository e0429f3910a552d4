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
