//! The way from the host's memory to the device's.

use std::ptr;

use cudarc::driver::result::{self, DriverError, event};
use cudarc::driver::sys;

/// How much goes at once.
const PIECE: usize = 4 << 20;
/// How many pieces can be on their way.
const PIECES: usize = 4;
/// Up to here the driver takes a copy along with the command, and nobody waits.
const SMALL: usize = 64 << 10;

/// Memory of the host that the device reads by itself, so that a copy waits for its turn among the
/// kernels while the host goes on. Data are copied into it, piece by piece, round and round.
pub struct Staging {
    pieces: Vec<Piece>,
    next: usize,
}

struct Piece {
    memory: *mut u8,
    /// When the device has read the piece.
    read: sys::CUevent,
}

// SAFETY: both are names of things that any thread with the context may use; the owner's lock sees to
// it that it is one at a time.
unsafe impl Send for Staging {}

impl Staging {
    /// Staging for the current context; without pieces, and so slower, where there is no memory of
    /// this kind.
    pub fn new() -> Self {
        let pieces = (0..PIECES).map_while(|_| Piece::new().ok()).collect();
        Staging { pieces, next: 0 }
    }

    /// Copies to the device, in the order of the stream. The host's bytes may change afterwards.
    ///
    /// # Safety
    /// The context is current, and from `to` on there is allocated memory for all of `bytes`.
    pub unsafe fn write(
        &mut self,
        to: sys::CUdeviceptr,
        bytes: &[u8],
        stream: sys::CUstream,
    ) -> Result<(), DriverError> {
        if bytes.len() <= SMALL || self.pieces.is_empty() {
            // SAFETY: the caller's. Memory that is not pinned is read before the call returns.
            return unsafe { result::memcpy_htod_async(to, bytes, stream) };
        }
        for (index, chunk) in bytes.chunks(PIECE).enumerate() {
            let piece = &self.pieces[self.next];
            self.next = (self.next + 1) % self.pieces.len();
            // SAFETY: the device is done with the piece, which has room for the chunk; the target is
            // the caller's.
            unsafe {
                event::synchronize(piece.read)?;
                ptr::copy_nonoverlapping(chunk.as_ptr(), piece.memory, chunk.len());
                let staged = std::slice::from_raw_parts(piece.memory, chunk.len());
                result::memcpy_htod_async(to + (index * PIECE) as u64, staged, stream)?;
                event::record(piece.read, stream)?;
            }
        }
        Ok(())
    }
}

impl Piece {
    fn new() -> Result<Self, DriverError> {
        let read = event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING)?;
        // SAFETY: bytes, which are written before they are read.
        let memory = unsafe { result::malloc_host(PIECE, 0) };
        match memory {
            Ok(memory) => Ok(Piece { memory: memory.cast(), read }),
            Err(error) => {
                // SAFETY: it was created above, and nothing else knows of it.
                let _ = unsafe { event::destroy(read) };
                Err(error)
            }
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // SAFETY: both were created with the piece; the device reads it no more once the event is
        // there. Where the device has failed there is nobody left to tell.
        unsafe {
            let _ = event::synchronize(self.read);
            let _ = event::destroy(self.read);
            let _ = result::free_host(self.memory.cast());
        }
    }
}
