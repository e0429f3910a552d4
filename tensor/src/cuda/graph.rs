//! Captured work as a CUDA graph: thousands of launches at the cost of one.

use std::ptr;
use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::{self, CUstreamCaptureMode};

use super::Cuda;
use super::functions::Handle;
use super::pool::CaptureId;
use crate::Result;
use crate::gpu::CapturedGraph;

/// An executable graph, which owns the memory of its capture.
pub struct Graph {
    gpu: Arc<Cuda>,
    capture: CaptureId,
    /// Null until the capture has ended.
    executable: Handle<sys::CUgraphExec>,
}

impl Graph {
    /// The owner of the memory of a capture. It cannot be launched before [`finish`](Self::finish).
    pub fn new(gpu: Arc<Cuda>, capture: CaptureId) -> Self {
        Graph { gpu, capture, executable: Handle(ptr::null_mut()) }
    }

    /// Ends the capture on the stream and instantiates the graph.
    pub fn finish(&mut self) -> Result<()> {
        let failed = |error| self.gpu.failed("ending a capture", error);
        // SAFETY: the stream is capturing. The result is a graph, or null, for which instantiation is
        // an error. The executable graph does not depend on the graph that is destroyed.
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

impl CapturedGraph for Graph {
    unsafe fn replay(&self) -> Result<()> {
        self.gpu.bind()?;
        // SAFETY: the caller guarantees memory that is older than the capture; `self` owns the rest.
        unsafe { self.gpu.replay(self.executable.0) }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.gpu.bind().is_ok() && !self.executable.0.is_null() {
            // SAFETY: instantiated by `finish` and owned by `self`. The driver destroys a running graph
            // when it is complete. An error here is one of an earlier kernel: the next call reports it.
            let _ = unsafe { result::graph::exec_destroy(self.executable.0) };
        }
        self.gpu.release_capture(self.capture);
    }
}

/// A guard that sets the capture mode of this thread to relaxed. It allows calls such as `cuMemAlloc`,
/// which are otherwise an error during a capture although they are not captured.
pub struct RelaxedCaptureMode(CUstreamCaptureMode);

impl RelaxedCaptureMode {
    /// Sets the mode until the guard is dropped.
    pub fn enter() -> Self {
        RelaxedCaptureMode(exchange_mode(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED))
    }
}

impl Drop for RelaxedCaptureMode {
    fn drop(&mut self) {
        exchange_mode(self.0);
    }
}

/// Sets the capture mode of this thread and returns the previous one.
fn exchange_mode(mut mode: CUstreamCaptureMode) -> CUstreamCaptureMode {
    // SAFETY: the driver reads and writes `mode`. On an error it remains unchanged.
    let _ = unsafe { sys::cuThreadExchangeStreamCaptureMode(&mut mode) };
    mode
}
