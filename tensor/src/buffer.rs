//! Memory of tensors, with a caching allocator for the host.
//!
//! A training step allocates the same sizes again and again. Host memory is aligned to cache lines,
//! and a dropped [`Buffer`] returns its memory to a free list of its size class. So after the first
//! step nothing is allocated and no page is faulted in twice.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::gpu::{Address, Memory};
use crate::{DType, Device, Element, Result};

/// One cache line: aligned so that a 64-byte vector load touches only one.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct CacheLine([u8; CacheLine::BYTES]);

impl CacheLine {
    const BYTES: usize = 64;
}

/// Memory of a fixed length on the host or on a device. Its owner knows the dtype.
pub struct Buffer(Storage);

enum Storage {
    Host { lines: Vec<CacheLine>, bytes: usize },
    Device(Memory),
}

impl Buffer {
    /// Host memory for `len` elements of unspecified value. Reading them is not undefined behaviour,
    /// as they are zeros or remains of an earlier buffer.
    ///
    /// # Panics
    /// With [`OutOfMemory`] when the system has no memory left.
    pub fn uninitialised<T: Element>(len: usize) -> Self {
        Self::host(bytes(len, size_of::<T>()))
    }

    fn host(bytes: usize) -> Self {
        let lines = Pool::lock().take(size_class(bytes.div_ceil(CacheLine::BYTES)));
        Buffer(Storage::Host { lines, bytes })
    }

    /// Memory on `device` for `len` elements of unspecified value.
    ///
    /// # Errors
    /// When the GPU has too little free memory.
    ///
    /// # Panics
    /// With [`OutOfMemory`] when the host has too little.
    pub fn uninitialised_on(device: &Device, dtype: DType, len: usize) -> Result<Self> {
        let bytes = bytes(len, dtype.bytes());
        match device {
            Device::Cpu => Ok(Self::host(bytes)),
            Device::Gpu(gpu) => Ok(Buffer(Storage::Device(Memory::uninitialised(gpu, bytes)?))),
        }
    }

    /// Host memory for `len` zeros.
    ///
    /// # Panics
    /// With [`OutOfMemory`] when the system has no memory left.
    pub fn zeroed<T: Element>(len: usize) -> Self {
        let mut buffer = Self::uninitialised::<T>(len);
        buffer.as_mut_slice::<T>().fill(T::zeroed());
        buffer
    }

    /// The elements.
    ///
    /// # Panics
    /// When the memory is on a GPU, or its length is not a multiple of the element's size.
    pub fn as_slice<T: Element>(&self) -> &[T] {
        match &self.0 {
            Storage::Host { lines, bytes } => {
                bytemuck::cast_slice(&bytemuck::cast_slice::<CacheLine, u8>(lines)[..*bytes])
            }
            Storage::Device(memory) => panic!("host access to memory of {}", memory.gpu().name()),
        }
    }

    /// The elements, mutable.
    ///
    /// # Panics
    /// When the memory is on a GPU, or its length is not a multiple of the element's size.
    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        match &mut self.0 {
            Storage::Host { lines, bytes } => bytemuck::cast_slice_mut(
                &mut bytemuck::cast_slice_mut::<CacheLine, u8>(lines)[..*bytes],
            ),
            Storage::Device(memory) => panic!("host access to memory of {}", memory.gpu().name()),
        }
    }

    /// Length in bytes.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Storage::Host { bytes, .. } => *bytes,
            Storage::Device(memory) => memory.bytes(),
        }
    }

    /// The device where the memory resides.
    pub fn device(&self) -> Device {
        match &self.0 {
            Storage::Host { .. } => Device::Cpu,
            Storage::Device(memory) => Device::Gpu(memory.gpu().clone()),
        }
    }

    /// Device address of the first byte, for kernel arguments.
    ///
    /// # Panics
    /// When the memory is on the host.
    pub fn address(&self) -> Address {
        match &self.0 {
            Storage::Device(memory) => memory.address(),
            Storage::Host { .. } => panic!("host memory has no device address"),
        }
    }

    /// Moves the contents to `device`; returns `self` if they are already there.
    ///
    /// # Errors
    /// When the device has too little free memory, or fails.
    pub fn to_device(self, device: &Device) -> Result<Self> {
        if self.device() == *device { Ok(self) } else { self.copy_to(device) }
    }

    /// Overwrites the contents with those of a buffer of the same length on any device.
    ///
    /// # Errors
    /// When a device fails.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn copy_from(&mut self, from: &Buffer) -> Result<()> {
        assert_eq!(from.bytes(), self.bytes(), "lengths of source and destination");
        match (&mut self.0, &from.0) {
            (Storage::Device(to), Storage::Host { .. }) => to.write(from.as_slice()),
            (Storage::Device(to), Storage::Device(memory))
                if Arc::ptr_eq(to.gpu(), memory.gpu()) =>
            {
                to.copy_from(memory)
            }
            (Storage::Device(to), Storage::Device(_)) => {
                to.write(from.copy_to(&Device::Cpu)?.as_slice())
            }
            (Storage::Host { .. }, Storage::Device(memory)) => memory.read(self.as_mut_slice()),
            (Storage::Host { .. }, Storage::Host { .. }) => {
                self.as_mut_slice::<u8>().copy_from_slice(from.as_slice());
                Ok(())
            }
        }
    }

    /// A copy on `device`.
    ///
    /// # Errors
    /// When the device has too little free memory, or fails.
    pub fn copy_to(&self, device: &Device) -> Result<Self> {
        match (&self.0, device) {
            (Storage::Host { .. }, Device::Gpu(gpu)) => {
                Ok(Buffer(Storage::Device(Memory::from_host(gpu, self.as_slice())?)))
            }
            (Storage::Device(memory), Device::Gpu(gpu)) if Arc::ptr_eq(memory.gpu(), gpu) => {
                Ok(Buffer(Storage::Device(memory.copied()?)))
            }
            (_, Device::Cpu) => {
                let mut host = Self::host(self.bytes());
                host.copy_from(self)?;
                Ok(host)
            }
            // From one GPU to another, by way of the host.
            (Storage::Device(_), Device::Gpu(_)) => self.copy_to(&Device::Cpu)?.to_device(device),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Storage::Host { lines, .. } = &mut self.0 {
            Pool::lock().give_back(std::mem::take(lines));
        }
    }
}

/// Size in bytes of `len` elements of `each` bytes. Panics rather than wrap around, which would make
/// memory shorter than its tensor.
fn bytes(len: usize, each: usize) -> usize {
    len.checked_mul(each).unwrap_or_else(|| panic!("{len} elements of {each} bytes overflow"))
}

/// Rounds a number of cache lines up to one of four sizes per power of two, so that similar sizes
/// share memory and at most a quarter of it is unused.
fn size_class(lines: usize) -> usize {
    if lines <= 4 {
        return lines;
    }
    let step = 1 << (lines.ilog2() - 2);
    lines.next_multiple_of(step)
}

/// Memory use of tensors on one device, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// In use by tensors and scratch buffers.
    pub live: usize,
    /// Maximum of `live` so far.
    pub peak: usize,
    /// Free, kept for reuse.
    pub idle: usize,
    /// Number of allocations from the system or the driver.
    pub allocations: usize,
}

/// The payload of the panic when the host has no memory left.
///
/// Almost every operation allocates host memory and none can recover from a failure to do so, so this
/// is a panic rather than an [`Error`](crate::Error). A program that wants to report it catches the
/// panic in `main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes requested.
    pub requested: usize,
    /// Bytes in use by tensors and scratch buffers.
    pub live: usize,
}

/// Host memory use of all tensors of the process. For a GPU see
/// [`Gpu::memory_use`](crate::Gpu::memory_use).
pub fn memory_use() -> MemoryUse {
    Pool::lock().usage
}

/// Returns idle host memory to the system, as is useful between phases of work with different
/// shapes.
pub fn release_idle_memory() {
    let mut pool = Pool::lock();
    pool.free.clear();
    pool.usage.idle = 0;
}

/// Free host memory by size class.
#[derive(Default)]
struct Pool {
    free: BTreeMap<usize, Vec<Vec<CacheLine>>>,
    usage: MemoryUse,
}

impl Pool {
    /// Idle memory up to this many bytes is never returned to the system.
    const MIN_IDLE_LIMIT: usize = 64 << 20;

    fn lock() -> MutexGuard<'static, Pool> {
        static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);
        // Nothing that holds the lock panics halfway through a change.
        POOL.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&mut self, lines: usize) -> Vec<CacheLine> {
        let bytes = lines * CacheLine::BYTES;
        self.usage.live += bytes;
        self.usage.peak = self.usage.peak.max(self.usage.live);
        if let Some(memory) = self.free.get_mut(&lines).and_then(Vec::pop) {
            self.usage.idle -= bytes;
            return memory;
        }
        self.usage.allocations += 1;
        bytemuck::allocation::try_zeroed_vec(lines).unwrap_or_else(|()| {
            self.usage.live -= bytes;
            std::panic::panic_any(OutOfMemory { requested: bytes, live: self.usage.live })
        })
    }

    fn give_back(&mut self, memory: Vec<CacheLine>) {
        let bytes = memory.len() * CacheLine::BYTES;
        self.usage.live -= bytes;
        // When shapes keep changing, sizes accumulate that are never requested again. Training steps
        // repeat their shapes and stay far below this limit.
        if self.usage.idle + bytes > (2 * self.usage.peak).max(Self::MIN_IDLE_LIMIT) {
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
        let first = Buffer::uninitialised::<f64>(1001);
        let address = first.as_slice::<f64>().as_ptr() as usize;
        assert_eq!(address % 64, 0);
        assert_eq!(first.as_slice::<f64>().len(), 1001);
        drop(first);
        let again = Buffer::uninitialised::<f32>(2002);
        assert_eq!(again.as_slice::<f32>().as_ptr() as usize, address);
    }

    #[test]
    fn zeroed_memory_is_zero_after_reuse() {
        let mut dirty = Buffer::uninitialised::<f32>(12_345);
        dirty.as_mut_slice::<f32>().fill(f32::NAN);
        drop(dirty);
        assert!(Buffer::zeroed::<f32>(12_345).as_slice::<f32>().iter().all(|&x| x == 0.0));
    }

    #[test]
    fn idle_memory_is_bounded_when_sizes_keep_changing() {
        for lines in 0..2000 {
            drop(Buffer::uninitialised::<u8>(1_000_000 + 64 * 997 * lines));
        }
        let usage = memory_use();
        assert!(usage.idle <= (2 * usage.peak).max(Pool::MIN_IDLE_LIMIT), "{usage:?}");
    }

    #[test]
    fn a_failed_allocation_panics_with_its_size_and_is_not_counted() {
        let before = memory_use().live;
        let result = std::panic::catch_unwind(|| Buffer::uninitialised::<u8>(1 << 60));
        let payload = result.err().expect("an exbibyte cannot be allocated");
        let found = payload.downcast_ref::<OutOfMemory>().expect("the payload is OutOfMemory");
        assert!(found.requested >= 1 << 60);
        assert!(memory_use().live < before + (1 << 59));
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
