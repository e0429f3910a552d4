//! Memory: shapes, dtypes, storage, the tape and random streams.

mod dtype;
mod error;
mod shape;

pub use dtype::{DType, Element};
pub use error::{Error, Result};
pub use shape::Shape;
