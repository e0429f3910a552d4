//! Captured graphs: work that is recorded once and replayed with a single launch.

use std::sync::Arc;

use super::Gpu;
use crate::Error;

/// A captured graph of launches and copies, with the addresses and arguments that they had.
///
/// The graph owns all memory that was allocated, freed or uploaded during the capture: until the graph
/// is dropped, such memory is not reused outside it. Memory allocated before remains the caller's.
pub trait CapturedGraph: Send {
    /// Launches the graph, after all work that was issued before.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Safety
    /// All memory that the graph uses and that was allocated before the capture is still allocated to
    /// the same owners, and no borrow of it conflicts with what the graph writes.
    unsafe fn replay(&self) -> Result<(), Error>;
}

/// Records the launches and copies that `work` issues on `gpu` into a graph. None of them runs until
/// [`CapturedGraph::replay`].
///
/// `work` must have run once before, so that all its kernels are loaded. It must not wait for the
/// device, nor copy to or from host memory other than by [`Gpu::upload`].
///
/// # Errors
/// Those of `work`, which include calls that cannot be captured, and those of the device.
pub fn capture<T, E: From<Error>>(
    gpu: &Arc<dyn Gpu>,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<(T, Box<dyn CapturedGraph>), E> {
    /// Ends the capture if `work` panics.
    struct Guard<'a>(Option<&'a Arc<dyn Gpu>>);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            if let Some(gpu) = self.0 {
                let _ = gpu.clone().end_capture();
            }
        }
    }
    gpu.begin_capture()?;
    let mut guard = Guard(Some(gpu));
    let result = work();
    guard.0 = None;
    let captured = gpu.clone().end_capture();
    Ok((result?, captured?))
}
