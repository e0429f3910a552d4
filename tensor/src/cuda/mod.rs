//! NVIDIA GPUs, through CUDA.
//!
//! CUDA is needed neither to build nor to start a program. [`open`] loads two libraries at run time:
//! the driver (`libcuda.so.1`, through the `cudarc` crate) and the compiler (`libnvrtc.so`, whose path
//! `CINE_NVRTC` can give). If either is missing, its error says so in one line. [`Compiler`] works
//! without a GPU.
//!
//! All work is issued to one stream. Freed memory can therefore be reused at once: work that uses it
//! again runs after the work that used it before.
//!
//! # Graphs
//! A training step can be captured as a CUDA graph and launched as a whole (module `graph`). While a
//! graph exists, it owns the memory that was allocated during its capture (module `pool`). Inputs that
//! change between replays are written to fixed addresses: batches to existing tensors
//! ([`Tensor::copy_from`](crate::Tensor::copy_from)), learning rates and the like to
//! [`ScalarArgs`](crate::gpu::ScalarArgs).

mod cache;
mod compiler;
mod driver;
mod functions;
mod graph;
mod hardware;
mod nvrtc;
mod pool;
mod staging;
#[cfg(test)]
mod tests;
mod usage;
mod version;

use std::fmt;
use std::sync::{Arc, OnceLock};

pub use compiler::{CompiledProgram, Compiler};
pub use driver::Cuda;
pub use usage::KernelUsage;

/// Why CUDA is not available, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(String);

impl Unavailable {
    /// The first reason only.
    pub fn summary(&self) -> &str {
        self.0.split(';').next().unwrap_or_default()
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// Opens the first GPU; `CUDA_VISIBLE_DEVICES` selects among several. All calls return the same one.
///
/// # Errors
/// When there is no usable GPU, driver or compiler: everything that is missing.
///
/// ```
/// use tensor::{Device, cuda};
/// let device = match cuda::open() {
///     Ok(gpu) => Device::Gpu(gpu),
///     Err(reason) => {
///         eprintln!("computing on the CPU: {reason}");
///         Device::Cpu
///     }
/// };
/// ```
pub fn open() -> Result<Arc<Cuda>, Unavailable> {
    static FOUND: OnceLock<Result<Arc<Cuda>, Unavailable>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Result<Arc<Cuda>, Unavailable> {
    let missing = match (hardware::Hardware::find(), nvrtc::Nvrtc::find()) {
        (Ok(hardware), Ok(_)) => {
            return Compiler::find().map(|compiler| Arc::new(Cuda::new(hardware, compiler)));
        }
        (Err(hardware), Ok(_)) => hardware,
        (Ok(_), Err(compiler)) => compiler.to_owned(),
        (Err(hardware), Err(compiler)) => format!("{hardware}; {compiler}"),
    };
    Err(Unavailable(format!("no GPU through CUDA: {missing}")))
}
