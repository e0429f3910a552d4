//! Memory of tensors. That of the host is cache-line aligned, and recycled rather than returned to
//! the system.
//!
//! A training step asks for the same sizes again and again. A dropped [`Buffer`] goes back to a
//! free list of its size class, so that after the first step nothing new is allocated and no page
//! is faulted in twice.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard};

use crate::gpu::{Address, Memory};
use crate::{DType, Device, Element, Result};

/// One cache line; aligned so that a full vector load never straddles two.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; Line::BYTES]);

impl Line {
    const BYTES: usize = 64;
}

/// Memory of a fixed length in bytes, on the host or on a device.
pub struct Buffer(Place);

enum Place {
    Host { lines: Vec<Line>, bytes: usize },
    Device(Memory),
}

impl Buffer {
    /// Host memory for `len` elements, holding whatever was there before: every element must be
    /// written before it is read. (It is initialised memory: stale, not undefined.)
    pub fn stale<T: Element>(len: usize) -> Self {
        Self::host(bytes(len, size_of::<T>()))
    }

    fn host(bytes: usize) -> Self {
        let lines = Pool::lock().take(size_class(bytes.div_ceil(Line::BYTES)));
        Buffer(Place::Host { lines, bytes })
    }

    /// Memory on a device for `len` elements, holding anything.
    ///
    /// # Errors
    /// When the device has not so much left.
    pub fn stale_on(device: &Device, dtype: DType, len: usize) -> Result<Self> {
        let bytes = bytes(len, dtype.bytes());
        match device {
            Device::Cpu => Ok(Self::host(bytes)),
            Device::Gpu(gpu) => Ok(Buffer(Place::Device(Memory::stale(gpu, bytes)?))),
        }
    }

    /// Host memory for `len` elements, all zero.
    pub fn zeroed<T: Element>(len: usize) -> Self {
        let mut buffer = Self::stale::<T>(len);
        buffer.as_mut_slice::<T>().fill(T::zeroed());
        buffer
    }

    /// The elements.
    ///
    /// # Panics
    /// When they lie on a device: operations look where tensors lie at their door.
    pub fn as_slice<T: Element>(&self) -> &[T] {
        match &self.0 {
            Place::Host { lines, bytes } => {
                bytemuck::cast_slice(&bytemuck::cast_slice::<Line, u8>(lines)[..*bytes])
            }
            Place::Device(memory) => panic!("memory of {} read by the host", memory.gpu().name()),
        }
    }

    /// The elements, to be written.
    ///
    /// # Panics
    /// When they lie on a device.
    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        match &mut self.0 {
            Place::Host { lines, bytes } => {
                bytemuck::cast_slice_mut(&mut bytemuck::cast_slice_mut::<Line, u8>(lines)[..*bytes])
            }
            Place::Device(memory) => {
                panic!("memory of {} written by the host", memory.gpu().name())
            }
        }
    }

    /// How long it is.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Place::Host { bytes, .. } => *bytes,
            Place::Device(memory) => memory.bytes(),
        }
    }

    /// Where it lies.
    pub fn device(&self) -> Device {
        match &self.0 {
            Place::Host { .. } => Device::Cpu,
            Place::Device(memory) => Device::Gpu(memory.gpu().clone()),
        }
    }

    /// Where it begins in the memory of its device; for kernels.
    ///
    /// # Panics
    /// When it lies on the host.
    pub fn address(&self) -> Address {
        match &self.0 {
            Place::Device(memory) => memory.address(),
            Place::Host { .. } => panic!("memory of the host given to a kernel"),
        }
    }

    /// The same on `device`: itself if it lies there, else a copy.
    ///
    /// # Errors
    /// When the device has not so much memory left, or fails.
    pub fn on(self, device: &Device) -> Result<Self> {
        if self.device() == *device { Ok(self) } else { self.copied_to(device) }
    }

    /// Copies from equally long memory, wherever that lies; this stays where it is.
    ///
    /// # Errors
    /// When a device fails.
    ///
    /// # Panics
    /// When lengths differ.
    pub fn copy_from(&mut self, from: &Buffer) -> Result<()> {
        assert_eq!(from.bytes(), self.bytes(), "memory and what is copied to it");
        match (&mut self.0, &from.0) {
            (Place::Device(to), Place::Host { .. }) => to.write(from.as_slice()),
            (Place::Device(to), Place::Device(memory))
                if std::sync::Arc::ptr_eq(to.gpu(), memory.gpu()) =>
            {
                to.copy_from(memory)
            }
            (Place::Device(to), Place::Device(_)) => {
                to.write(from.copied_to(&Device::Cpu)?.as_slice())
            }
            (Place::Host { .. }, Place::Device(memory)) => memory.read(self.as_mut_slice()),
            (Place::Host { .. }, Place::Host { .. }) => {
                self.as_mut_slice::<u8>().copy_from_slice(from.as_slice());
                Ok(())
            }
        }
    }

    /// A copy on `device`.
    ///
    /// # Errors
    /// When it has not so much memory left, or fails.
    pub fn copied_to(&self, device: &Device) -> Result<Self> {
        match (&self.0, device) {
            (Place::Host { .. }, Device::Gpu(gpu)) => {
                Ok(Buffer(Place::Device(Memory::from_host(gpu, self.as_slice())?)))
            }
            (Place::Device(memory), Device::Gpu(gpu))
                if std::sync::Arc::ptr_eq(memory.gpu(), gpu) =>
            {
                Ok(Buffer(Place::Device(memory.copied()?)))
            }
            (from, to) => {
                let mut host = Self::host(self.bytes());
                match from {
                    Place::Host { .. } => {
                        host.as_mut_slice().copy_from_slice(self.as_slice::<u8>())
                    }
                    Place::Device(memory) => memory.read(host.as_mut_slice())?,
                }
                match to {
                    Device::Cpu => Ok(host),
                    other => host.copied_to(other),
                }
            }
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Place::Host { lines, .. } = &mut self.0 {
            Pool::lock().give_back(std::mem::take(lines));
        }
    }
}

/// Bytes of `len` elements of `each`.
///
/// # Panics
/// When no machine has so many: with a number that has wrapped, memory would be shorter than its
/// tensor.
fn bytes(len: usize, each: usize) -> usize {
    len.checked_mul(each).unwrap_or_else(|| panic!("{len} elements of {each} bytes"))
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
    /// Bytes that are not worth returning.
    const KEPT: usize = 64 << 20;

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
        // asks for again. A training step, whose shapes recur, keeps far less than this; one so
        // small that each thread's scratch outweighs its tensors keeps no more than the floor.
        if self.usage.idle + bytes > (2 * self.usage.peak).max(Self::KEPT) {
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
        assert!(usage.idle <= (2 * usage.peak).max(Pool::KEPT), "{usage:?}");
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
