//! NVIDIA's graphics processors, through CUDA.
//!
//! Nothing of CUDA is needed to build or to start the program. Two libraries are looked for when a
//! GPU is asked for: the driver's (`libcuda.so.1`, through the `cudarc` crate) and the run-time
//! compiler's (`libnvrtc.so`, which `CINE_NVRTC` can name). [`open`] gives the GPU, or says in one line
//! what is missing. [`Compiler`] needs no GPU.
//!
//! Everything runs on one stream, in the order in which it is launched: memory that is given back can
//! be handed out again at once, for whatever is launched on it comes later.
//!
//! # Captured steps
//! A training step can be captured as a CUDA graph, which is launched at a stroke (`graph`). All work
//! goes to one stream, which is not the default one; kernels are loaded before their first launch and
//! stay; memory that a graph uses is its own while it lives (`pool`). What the host has to say to a
//! step that is replayed it writes to fixed places before: batches to tensors that stay
//! ([`Tensor::refill`](crate::Tensor::refill)), rates to [`Numbers`](crate::gpu::Numbers).

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

use std::fmt;
use std::sync::{Arc, OnceLock};

pub use compiler::{Compiled, Compiler};
pub use driver::Cuda;
pub use usage::Usage;

/// What is missing for CUDA, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent(String);

impl Absent {
    /// The first thing that is missing, without what else was looked for.
    pub fn brief(&self) -> &str {
        self.0.split(';').next().unwrap_or_default()
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Absent {}

/// The first GPU that the driver shows (`CUDA_VISIBLE_DEVICES` chooses among several): the same one
/// whenever it is asked for.
///
/// # Errors
/// When there is none, or no compiler for it: with all that was looked for and not found.
pub fn open() -> Result<Arc<Cuda>, Absent> {
    static FOUND: OnceLock<Result<Arc<Cuda>, Absent>> = OnceLock::new();
    FOUND.get_or_init(look).clone()
}

fn look() -> Result<Arc<Cuda>, Absent> {
    let missing = match (hardware::Hardware::find(), nvrtc::Nvrtc::find()) {
        (Ok(hardware), Ok(_)) => {
            return Compiler::find().map(|compiler| Arc::new(Cuda::new(hardware, compiler)));
        }
        (Err(hardware), Ok(_)) => hardware,
        (Ok(_), Err(compiler)) => compiler.to_owned(),
        (Err(hardware), Err(compiler)) => format!("{hardware}; {compiler}"),
    };
    Err(Absent(format!("no GPU through CUDA: {missing}")))
}
