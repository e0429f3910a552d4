//! Tensors on the CPU and on NVIDIA GPUs, reverse-mode automatic differentiation, and random
//! numbers.
//!
//! A [`Tensor`] is an immutable n-dimensional array. Each operation on tensors that require
//! gradients is recorded on a tape, which [`Tensor::backward`] walks in reverse. The operations
//! themselves are in the `kernels` crate; this crate has what they share:
//!
//! - [`Tensor`], [`Shape`], [`DType`] and the memory behind them ([`Buffer`]);
//! - the tape: [`Tensor::recorded`], [`Gradients`], [`no_grad`];
//! - [`gpu`], the interface that every GPU implements, and [`cuda`], the implementation for NVIDIA;
//! - [`random`], counter-based random streams.
//!
//! ```
//! use tensor::{Result, Tensor};
//!
//! // y = x², with its derivative.
//! fn square(x: &Tensor) -> Result<Tensor> {
//!     let value = x.item()?;
//!     Ok(Tensor::scalar(value * value).recorded("square", &[x], move |gradient, _| {
//!         Ok(vec![Some(Tensor::scalar(2.0 * value * gradient.item()?))])
//!     }))
//! }
//!
//! # fn main() -> Result<()> {
//! let x = Tensor::scalar(3.0).parameter();
//! let gradients = square(&x)?.backward()?;
//! assert_eq!(gradients.get(&x).unwrap().item()?, 6.0);
//! # Ok(())
//! # }
//! ```

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
#[doc(hidden)]
pub use dtype::FEATURES;
pub use dtype::{DType, Element, Feature, Float};
pub use error::{Error, Result};
pub use gpu::{Device, Gpu, ScalarArg};
pub use half::bf16;
pub use shape::Shape;
pub use tape::{Gradients, no_grad};
pub use tensor::{LazyExpr, Tensor, same_device};
