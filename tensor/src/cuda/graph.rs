//! A captured step as a CUDA graph: thousands of launches at the cost of one.

use std::ptr;
use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::{self, CUstreamCaptureMode};

use super::Cuda;
use super::functions::Handle;
use super::pool::Step;
use crate::Result;
use crate::gpu::Captured;

/// A graph that can be launched, and the memory that is its own.
pub struct Graph {
    gpu: Arc<Cuda>,
    step: Step,
    /// Null until the capture is finished.
    executable: Handle<sys::CUgraphExec>,
}

impl Graph {
    /// The owner of a step's memory, from its capture on.
    pub fn of(gpu: Arc<Cuda>, step: Step) -> Self {
        Graph { gpu, step, executable: Handle(ptr::null_mut()) }
    }

    /// Ends the capture on the stream and makes it ready to be launched.
    pub fn finish(&mut self) -> Result<()> {
        let failed = |error| self.gpu.failed("ending a capture", error);
        // SAFETY: a capture was begun on the stream. What it gave is a graph or null, which cannot be
        // instantiated; it is needed no more once that has been tried.
        unsafe {
            let graph = result::stream::end_capture(self.gpu.stream()).map_err(failed)?;
            let mut executable = ptr::null_mut();
            let ready = sys::cuGraphInstantiateWithFlags(&mut executable, graph, 0).result();
            if !graph.is_null() {
                let _ = result::graph::destroy(graph);
            }
            ready.map_err(failed)?;
            self.executable = Handle(executable);
        }
        Ok(())
    }
}

impl Captured for Graph {
    unsafe fn replay(&self) -> Result<()> {
        self.gpu.bind()?;
        // SAFETY: the caller's, of all that the graph did not take itself.
        unsafe { self.gpu.replay(self.executable.0) }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.gpu.bind().is_ok() && !self.executable.0.is_null() {
            // SAFETY: made by `finish`, and launched by nobody else. One that still runs is freed
            // when it is done. A failure is one of an earlier kernel, which the next call tells.
            let _ = unsafe { result::graph::exec_destroy(self.executable.0) };
        }
        self.gpu.let_go(self.step);
    }
}

/// Lets this thread do what a capture of its own would forbid, such as to ask for memory; it touches
/// nothing that is captured.
pub struct Relaxed(CUstreamCaptureMode);

impl Relaxed {
    /// From now on, until it is dropped.
    pub fn now() -> Self {
        Relaxed(exchanged(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED))
    }
}

impl Drop for Relaxed {
    fn drop(&mut self) {
        exchanged(self.0);
    }
}

/// Sets the mode of this thread, and returns what it was.
fn exchanged(mut mode: CUstreamCaptureMode) -> CUstreamCaptureMode {
    // SAFETY: the mode is read and written in place. Where the driver refuses it stays as it is.
    let _ = unsafe { sys::cuThreadExchangeStreamCaptureMode(&mut mode) };
    mode
}
