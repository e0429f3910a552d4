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
//! # Towards a captured step
//! A training step can become one CUDA graph, launched at a stroke. What that needs is kept to here:
//! all work goes to one stream, which is not the default one; kernels are loaded before their first
//! launch and stay; and a step that was run once allocates nothing, so that addresses recur. What the
//! step itself has to keep to: no [`write`](crate::Gpu::write) and no [`read`](crate::Gpu::read) while
//! it is captured, for a replay would copy from where the host's data once lay. Batches and rates are
//! written to fixed places before each replay; and memory that a graph uses must not go to others
//! while the graph lives.

mod cache;
mod compiler;
mod driver;
mod functions;
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
