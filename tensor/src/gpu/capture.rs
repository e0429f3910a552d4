//! Work that is captured once and run again at a stroke.

use std::sync::Arc;

use super::Gpu;
use crate::Error;

/// Work that was captured: launches and copies, with every address and argument that they had.
///
/// Memory that was taken, given back or uploaded during the capture belongs to it and goes to nobody
/// else while it lives; for what was there before, whoever replays it answers.
pub trait Captured: Send {
    /// Runs it, after everything launched before.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Safety
    /// All that it reads and writes, and that was there before the capture, is still held by whom it
    /// was held then, who expects it to be written.
    unsafe fn replay(&self) -> Result<(), Error>;
}

/// Captures what `work` launches and copies on a GPU, none of which is run: that is left to
/// [`Captured::replay`].
///
/// All that it launches must have been launched before, so that kernels are loaded. It must not wait
/// for the device, nor copy from or to the host other than by [`Gpu::upload`].
///
/// # Errors
/// Those of `work`, which are also those of what must not be captured.
pub fn capture<T, E: From<Error>>(
    gpu: &Arc<dyn Gpu>,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<(T, Box<dyn Captured>), E> {
    /// Ends a capture whose work panicked.
    struct Ending<'a>(Option<&'a Arc<dyn Gpu>>);
    impl Drop for Ending<'_> {
        fn drop(&mut self) {
            if let Some(gpu) = self.0 {
                let _ = gpu.clone().end_capture();
            }
        }
    }
    gpu.begin_capture()?;
    let mut ending = Ending(Some(gpu));
    let outcome = work();
    ending.0 = None;
    let captured = gpu.clone().end_capture();
    Ok((outcome?, captured?))
}
