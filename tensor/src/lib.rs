//! Memory: shapes, dtypes, devices, storage, the tape and random streams.
//!
//! A [`Tensor`] is an immutable array with an optional place on the tape. Operations live in the
//! `kernels` crate; here is only what they all stand on.

mod buffer;
pub mod cuda;
mod dtype;
mod error;
pub mod gpu;
pub mod random;
mod shape;
mod tape;
mod tensor;

pub use buffer::{Buffer, MemoryUse, OutOfMemory, memory_use, release_idle_memory};
pub use dtype::{DType, Element, Float};
pub use error::{Error, Result};
pub use gpu::{Device, Gpu, Number};
pub use shape::Shape;
pub use tape::{Gradients, without_tape};
pub use tensor::{Deferred, Tensor, same_device};
