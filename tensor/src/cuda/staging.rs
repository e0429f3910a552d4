//! Asynchronous copies from the host to the device.

use std::ptr;

use cudarc::driver::result::{self, DriverError, event};
use cudarc::driver::sys;

/// Bytes of one pinned buffer.
const BUFFER_BYTES: usize = 4 << 20;
/// Number of pinned buffers, and so of copies that can be in flight.
const BUFFERS: usize = 4;
/// Up to this size the driver stages a copy from pageable memory itself, without waiting.
const SMALL: usize = 64 << 10;

/// A ring of pinned host buffers. The driver waits for the stream before it copies from pageable
/// memory; from pinned memory it copies in the background while the host continues.
pub struct Staging {
    buffers: Vec<Pinned>,
    next: usize,
}

struct Pinned {
    memory: *mut u8,
    /// Recorded after the last copy from the buffer.
    copied: sys::CUevent,
}

// SAFETY: any thread with the context may use pinned memory and events, and `&mut self` keeps other
// threads from using them at the same time.
unsafe impl Send for Staging {}

impl Staging {
    /// Allocates the ring in the current context. If pinned memory is not available the ring is shorter
    /// or empty, and copies are slower.
    pub fn new() -> Self {
        let buffers = (0..BUFFERS).map_while(|_| Pinned::new().ok()).collect();
        Staging { buffers, next: 0 }
    }

    /// Copies to the device in stream order. `bytes` may be changed as soon as the call returns.
    ///
    /// # Safety
    /// The context is current, and `to` points to at least `bytes.len()` bytes of allocated memory.
    pub unsafe fn write(
        &mut self,
        to: sys::CUdeviceptr,
        bytes: &[u8],
        stream: sys::CUstream,
    ) -> Result<(), DriverError> {
        if bytes.len() <= SMALL || self.buffers.is_empty() {
            // SAFETY: the caller guarantees the destination. The driver reads pageable memory before
            // the call returns.
            return unsafe { result::memcpy_htod_async(to, bytes, stream) };
        }
        for (index, chunk) in bytes.chunks(BUFFER_BYTES).enumerate() {
            let buffer = &self.buffers[self.next];
            self.next = (self.next + 1) % self.buffers.len();
            // SAFETY: after the event no copy reads the buffer, and a chunk fits into it. The caller
            // guarantees the destination.
            unsafe {
                event::synchronize(buffer.copied)?;
                ptr::copy_nonoverlapping(chunk.as_ptr(), buffer.memory, chunk.len());
                let staged = std::slice::from_raw_parts(buffer.memory, chunk.len());
                result::memcpy_htod_async(to + (index * BUFFER_BYTES) as u64, staged, stream)?;
                event::record(buffer.copied, stream)?;
            }
        }
        Ok(())
    }
}

impl Pinned {
    fn new() -> Result<Self, DriverError> {
        let copied = event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING)?;
        // SAFETY: the memory is written before it is read, and never through a reference.
        let memory = unsafe { result::malloc_host(BUFFER_BYTES, 0) };
        match memory {
            Ok(memory) => Ok(Pinned { memory: memory.cast(), copied }),
            Err(error) => {
                // SAFETY: created above and not used.
                let _ = unsafe { event::destroy(copied) };
                Err(error)
            }
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: `self` owns both. After the event no copy reads the memory. If the device has failed,
        // errors here have been reported before.
        unsafe {
            let _ = event::synchronize(self.copied);
            let _ = event::destroy(self.copied);
            let _ = result::free_host(self.memory.cast());
        }
    }
}
