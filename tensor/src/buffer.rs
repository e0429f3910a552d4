//! Host memory: cache-line aligned, recycled rather than returned to the system.
//!
//! A training step asks for the same sizes again and again. A dropped [`Buffer`] goes back to a
//! free list of its size class, so that after the first step nothing new is allocated and no page
//! is faulted in twice.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard};

use crate::Element;

/// One cache line; aligned so that a full vector load never straddles two.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; Line::BYTES]);

impl Line {
    const BYTES: usize = 64;
}

/// Aligned host memory of a fixed length in bytes.
pub struct Buffer {
    lines: Vec<Line>,
    bytes: usize,
}

impl Buffer {
    /// Memory for `len` elements, holding whatever was there before: every element must be
    /// written before it is read. (It is initialised memory: stale, not undefined.)
    pub fn stale<T: Element>(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        Buffer { lines: Pool::lock().take(size_class(bytes.div_ceil(Line::BYTES))), bytes }
    }

    /// Memory for `len` elements, all zero.
    pub fn zeroed<T: Element>(len: usize) -> Self {
        let mut buffer = Self::stale::<T>(len);
        buffer.as_mut_slice::<T>().fill(T::zeroed());
        buffer
    }

    /// The elements.
    pub fn as_slice<T: Element>(&self) -> &[T] {
        bytemuck::cast_slice(&bytemuck::cast_slice::<Line, u8>(&self.lines)[..self.bytes])
    }

    /// The elements, to be written.
    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        let bytes = self.bytes;
        bytemuck::cast_slice_mut(
            &mut bytemuck::cast_slice_mut::<Line, u8>(&mut self.lines)[..bytes],
        )
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        Pool::lock().give_back(std::mem::take(&mut self.lines));
    }
}

/// Rounds a number of lines up to one of four steps per power of two, so that close sizes share
/// memory at a cost of at most a quarter.
fn size_class(lines: usize) -> usize {
    if lines <= 4 {
        return lines;
    }
    let step = 1 << (lines.ilog2() - 2);
    lines.next_multiple_of(step)
}

/// Bytes of tensor memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// In use by tensors and scratch now.
    pub live: usize,
    /// The most that was ever in use at once.
    pub peak: usize,
    /// Kept for reuse.
    pub idle: usize,
    /// How often the system was asked for memory.
    pub allocations: usize,
}

/// What a panic carries when the system has no more memory to give.
///
/// Every operation allocates, and none could do anything about it: so this is the one failure of
/// the engine that unwinds. A program that wants to end in order catches it at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub asked: usize,
    /// Bytes in use by tensors and scratch.
    pub live: usize,
}

/// How much memory tensors take, over the whole process.
pub fn memory_use() -> MemoryUse {
    Pool::lock().usage
}

/// Returns idle memory to the system: between stages whose shapes differ.
pub fn release_idle_memory() {
    let mut pool = Pool::lock();
    pool.free.clear();
    pool.usage.idle = 0;
}

#[derive(Default)]
struct Pool {
    free: BTreeMap<usize, Vec<Vec<Line>>>,
    usage: MemoryUse,
}

impl Pool {
    fn lock() -> MutexGuard<'static, Pool> {
        static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);
        // A panic elsewhere cannot leave the free lists half-changed.
        POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn take(&mut self, lines: usize) -> Vec<Line> {
        let bytes = lines * Line::BYTES;
        self.usage.live += bytes;
        self.usage.peak = self.usage.peak.max(self.usage.live);
        if let Some(memory) = self.free.get_mut(&lines).and_then(Vec::pop) {
            self.usage.idle -= bytes;
            return memory;
        }
        self.usage.allocations += 1;
        bytemuck::allocation::try_zeroed_vec(lines).unwrap_or_else(|()| {
            self.usage.live -= bytes;
            std::panic::panic_any(OutOfMemory { asked: bytes, live: self.usage.live })
        })
    }

    fn give_back(&mut self, memory: Vec<Line>) {
        let bytes = memory.len() * Line::BYTES;
        self.usage.live -= bytes;
        // Where shapes keep changing (subjects on grids of their own) sizes pile up that nobody
        // asks for again. A training step, whose shapes recur, keeps far less than this.
        if self.usage.idle + bytes > 2 * self.usage.peak {
            self.free.clear();
            self.usage.idle = 0;
        }
        self.usage.idle += bytes;
        self.free.entry(memory.len()).or_default().push(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_recycled_and_aligned() {
        let first = Buffer::stale::<f64>(1001);
        let address = first.as_slice::<f64>().as_ptr() as usize;
        assert_eq!(address % 64, 0);
        assert_eq!(first.as_slice::<f64>().len(), 1001);
        drop(first);
        let again = Buffer::stale::<f32>(2002);
        assert_eq!(again.as_slice::<f32>().as_ptr() as usize, address);
    }

    #[test]
    fn zeroed_memory_is_zero_after_reuse() {
        let mut dirty = Buffer::stale::<f32>(12_345);
        dirty.as_mut_slice::<f32>().fill(f32::NAN);
        drop(dirty);
        assert!(Buffer::zeroed::<f32>(12_345).as_slice::<f32>().iter().all(|&x| x == 0.0));
    }

    #[test]
    fn memory_of_sizes_that_nobody_asks_for_again_is_returned() {
        for lines in 0..2000 {
            drop(Buffer::stale::<u8>(1_000_000 + 64 * 997 * lines));
        }
        let usage = memory_use();
        assert!(usage.idle <= 2 * usage.peak, "{usage:?}");
    }

    #[test]
    fn memory_that_there_is_not_is_told_from_other_panics() {
        let before = memory_use().live;
        let refused = std::panic::catch_unwind(|| Buffer::stale::<u8>(1 << 60));
        let payload = refused.err().expect("an exbibyte");
        let found = payload.downcast_ref::<OutOfMemory>().expect("a panic of this kind");
        assert!(found.asked >= 1 << 60);
        assert!(memory_use().live < before + (1 << 59), "nothing is counted that is not there");
    }

    #[test]
    fn size_classes_waste_at_most_a_quarter() {
        for lines in 1..10_000 {
            let class = size_class(lines);
            assert!(class >= lines && class * 4 <= lines * 5, "{lines} -> {class}");
            assert_eq!(size_class(class), class);
        }
    }
}
