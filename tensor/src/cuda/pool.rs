//! A caching allocator for device memory.
//!
//! The driver allocates slowly, and waits for the whole device before it frees memory. The pool keeps
//! freed memory by size class, so that a training step, which repeats its sizes, makes no driver calls
//! after the first.
//!
//! # Captures
//! A captured graph contains addresses, so a graph owns memory until it is dropped
//! ([`Pool::release_capture`]):
//! - memory allocated during its capture. It is reused within the capture, whose order every replay
//!   repeats, but not outside;
//! - memory that was allocated before and freed during its capture, because the graph may read it. It is
//!   not reused within the capture either;
//! - constants ([`Pool::take_constant`]), which are not reused within the capture, because a replay does
//!   not write them again.

use std::collections::{BTreeMap, HashMap};

use crate::gpu::Address;
use crate::{MemoryUse, Result};

/// The allocator behind the pool: the driver.
pub trait DeviceAllocator {
    /// Allocates memory; `None` if the device has too little.
    fn allocate(&self, bytes: usize) -> Result<Option<Address>>;

    /// Frees memory that [`allocate`](Self::allocate) returned.
    fn free(&self, address: Address);
}

/// The caching allocator of one device.
#[derive(Default)]
pub struct Pool {
    idle: FreeLists,
    usage: MemoryUse,
    /// The capture in progress, and memory that can be reused within it.
    capture: Option<(CaptureId, FreeLists)>,
    /// Number of captures so far.
    captures: u64,
    /// Memory of captured graphs, by address.
    owned: HashMap<u64, Owned>,
}

/// Free memory by size class.
type FreeLists = BTreeMap<usize, Vec<Address>>;

/// Identifies a capture and the graph that results from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureId(u64);

/// Memory that captured graphs own.
struct Owned {
    /// The captures whose graphs may read or write it.
    captures: Vec<CaptureId>,
    class: usize,
    /// Whether it is also allocated to a user of the pool.
    allocated: bool,
    /// Whether it can be reused within the capture that allocated it.
    reusable: bool,
}

impl Pool {
    /// Allocates at least `bytes` bytes. If the device has too little memory, returns idle memory to
    /// the driver and tries again; `None` if that does not help.
    pub fn take(&mut self, bytes: usize, device: &impl DeviceAllocator) -> Result<Option<Address>> {
        let class = size_class(bytes);
        if let Some((_, reusable)) = &mut self.capture
            && let Some(address) = reusable.get_mut(&class).and_then(Vec::pop)
        {
            if let Some(owned) = self.owned.get_mut(&address.0) {
                owned.allocated = true;
            }
            return Ok(Some(address));
        }
        self.take_idle_or_new(class, true, device)
    }

    /// As [`take`](Self::take), for a constant of the capture in progress.
    pub fn take_constant(
        &mut self,
        bytes: usize,
        device: &impl DeviceAllocator,
    ) -> Result<Option<Address>> {
        self.take_idle_or_new(size_class(bytes), false, device)
    }

    fn take_idle_or_new(
        &mut self,
        class: usize,
        reusable: bool,
        device: &impl DeviceAllocator,
    ) -> Result<Option<Address>> {
        let address = match self.idle.get_mut(&class).and_then(Vec::pop) {
            Some(address) => {
                self.usage.idle -= class;
                Some(address)
            }
            None => self.allocate(class, device)?,
        };
        let Some(address) = address else { return Ok(None) };
        self.usage.live += class;
        self.usage.peak = self.usage.peak.max(self.usage.live);
        if let Some(&(capture, _)) = self.capture.as_ref() {
            let captures = vec![capture];
            self.owned.insert(address.0, Owned { captures, class, allocated: true, reusable });
        }
        Ok(Some(address))
    }

    fn allocate(&mut self, class: usize, device: &impl DeviceAllocator) -> Result<Option<Address>> {
        let mut address = device.allocate(class)?;
        // To free memory the driver waits for the device, which is an error during a capture.
        if address.is_none() && self.usage.idle > 0 && self.capture.is_none() {
            self.release_idle(device);
            address = device.allocate(class)?;
        }
        self.usage.allocations += usize::from(address.is_some());
        Ok(address)
    }

    /// Frees memory that was taken for `bytes` bytes.
    pub fn give_back(&mut self, address: Address, bytes: usize) {
        let class = size_class(bytes);
        let capture = self.capture.as_mut();
        if let Some(owned) = self.owned.get_mut(&address.0) {
            owned.allocated = false;
            let Some((capture, reusable)) = capture else { return };
            if !owned.captures.contains(capture) {
                owned.captures.push(*capture);
                owned.reusable = false;
            }
            if owned.reusable {
                reusable.entry(class).or_default().push(address);
            }
        } else if let Some(&mut (capture, _)) = capture {
            let captures = vec![capture];
            let owned = Owned { captures, class, allocated: false, reusable: false };
            self.owned.insert(address.0, owned);
        } else {
            self.make_idle(class, address);
        }
    }

    fn make_idle(&mut self, class: usize, address: Address) {
        self.usage.live -= class;
        self.usage.idle += class;
        self.idle.entry(class).or_default().push(address);
    }

    /// Begins a capture; `None` if one is in progress.
    pub fn begin(&mut self) -> Option<CaptureId> {
        if self.capture.is_some() {
            return None;
        }
        self.captures += 1;
        let capture = CaptureId(self.captures);
        self.capture = Some((capture, FreeLists::new()));
        Some(capture)
    }

    /// Ends the capture in progress, if any. Its memory remains owned until
    /// [`release_capture`](Self::release_capture).
    pub fn end(&mut self) -> Option<CaptureId> {
        self.capture.take().map(|(capture, _)| capture)
    }

    /// Releases the memory of a graph that is dropped.
    pub fn release_capture(&mut self, capture: CaptureId) {
        let mut unused = Vec::new();
        self.owned.retain(|&address, owned| {
            owned.captures.retain(|&other| other != capture);
            if owned.captures.is_empty() && !owned.allocated {
                unused.push((address, owned.class));
            }
            !owned.captures.is_empty()
        });
        // Makes the order of the free lists independent of the hash map's.
        unused.sort_unstable();
        for (address, class) in unused {
            self.make_idle(class, Address(address));
        }
    }

    /// Returns idle memory to the driver.
    pub fn release_idle(&mut self, device: &impl DeviceAllocator) {
        for address in std::mem::take(&mut self.idle).into_values().flatten() {
            device.free(address);
        }
        self.usage.idle = 0;
    }

    /// Memory in use, including that of captured graphs, and idle memory.
    pub fn usage(&self) -> MemoryUse {
        self.usage
    }
}

/// Rounds a number of bytes up to one of eight sizes per power of two, so that similar sizes share
/// memory and at most an eighth of it is unused. Sizes are multiples of 256 bytes, the alignment that
/// kernels assume, and large ones of the driver's page size, to which it would round anyway.
fn size_class(bytes: usize) -> usize {
    const ALIGNMENT: usize = 256;
    const PAGE: usize = 2 << 20;
    let bytes = bytes.max(1);
    let step = (1 << bytes.ilog2()) / 8;
    let least = if bytes > PAGE { PAGE } else { ALIGNMENT };
    bytes.next_multiple_of(step.max(least))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A simulated device with `left` bytes of free memory.
    struct Device {
        left: RefCell<usize>,
        sizes: RefCell<BTreeMap<u64, usize>>,
    }

    impl Device {
        fn of(left: usize) -> Self {
            Device { left: left.into(), sizes: RefCell::default() }
        }
    }

    impl DeviceAllocator for Device {
        fn allocate(&self, bytes: usize) -> Result<Option<Address>> {
            let mut left = self.left.borrow_mut();
            if bytes > *left {
                return Ok(None);
            }
            *left -= bytes;
            let mut sizes = self.sizes.borrow_mut();
            let address = sizes.last_key_value().map_or(0, |(last, _)| last + 256) + 256;
            sizes.insert(address, bytes);
            Ok(Some(Address(address)))
        }

        fn free(&self, address: Address) {
            *self.left.borrow_mut() += self.sizes.borrow_mut().remove(&address.0).expect("once");
        }
    }

    #[test]
    fn size_classes_waste_little_and_are_fixed_points() {
        let sizes = (1..20_000).chain((0..4000).map(|i| 30_011 * i + 7));
        for bytes in sizes {
            let class = size_class(bytes);
            assert!(class >= bytes && class.is_multiple_of(256), "{bytes} -> {class}");
            assert_eq!(size_class(class), class, "{bytes}");
            let page = if bytes > 2 << 20 { 2 << 20 } else { 256 };
            assert!(class - bytes < page.max(bytes / 8 + 1), "{bytes} -> {class}");
        }
    }

    #[test]
    fn repeating_a_step_allocates_nothing() {
        let (device, mut pool) = (Device::of(1 << 30), Pool::default());
        let mut step = || {
            let sizes = [100, 5000, 100, 1 << 20, 5 << 20, 5000];
            let taken = sizes.map(|bytes| (pool.take(bytes, &device).unwrap().unwrap(), bytes));
            taken.into_iter().for_each(|(address, bytes)| pool.give_back(address, bytes));
            pool.usage()
        };
        let first = step();
        assert_eq!((first.allocations, first.live), (6, 0));
        assert_eq!(step(), first);
    }

    #[test]
    fn idle_memory_is_freed_before_an_allocation_fails() {
        let (device, mut pool) = (Device::of(100 << 20), Pool::default());
        let large = pool.take(60 << 20, &device).unwrap().unwrap();
        assert_eq!(pool.take(64 << 20, &device).unwrap(), None, "too little memory");
        assert_eq!(pool.usage().live, 60 << 20, "a failed allocation is not counted");
        pool.give_back(large, 60 << 20);
        assert!(pool.take(64 << 20, &device).unwrap().is_some(), "idle memory was freed");
        assert_eq!((pool.usage().idle, *device.left.borrow()), (0, 36 << 20));
    }

    #[test]
    fn nothing_is_freed_during_a_capture() {
        let (device, mut pool) = (Device::of(100 << 20), Pool::default());
        let idle = pool.take(60 << 20, &device).unwrap().unwrap();
        pool.give_back(idle, 60 << 20);
        let capture = pool.begin().unwrap();
        assert_eq!(pool.take(64 << 20, &device).unwrap(), None);
        assert_eq!(pool.take(60 << 20, &device).unwrap(), Some(idle), "idle memory is reused");
        pool.end();
        pool.release_capture(capture);
        pool.give_back(idle, 60 << 20);
        assert!(pool.take(64 << 20, &device).unwrap().is_some());
    }

    #[test]
    fn memory_of_a_graph_is_reused_within_its_capture_only() {
        let (device, mut pool) = (Device::of(1 << 30), Pool::default());
        let take = |pool: &mut Pool| pool.take(5000, &device).unwrap().unwrap();
        let before = [take(&mut pool), take(&mut pool)];
        pool.give_back(before[0], 5000);

        let capture = pool.begin().unwrap();
        assert_eq!(pool.begin(), None, "one capture at a time");
        let first = take(&mut pool);
        assert_eq!(first, before[0], "idle memory is used first");
        pool.give_back(first, 5000);
        assert_eq!(take(&mut pool), first, "reused within the capture");
        let constant = pool.take_constant(5000, &device).unwrap().unwrap();
        pool.give_back(constant, 5000);
        // Allocated before and freed during the capture: the graph may read it.
        pool.give_back(before[1], 5000);
        let other = take(&mut pool);
        assert!(other != constant && other != before[1] && other != first);
        pool.give_back(first, 5000);
        assert_eq!(pool.end(), Some(capture));

        let owned = [first, constant, before[1], other];
        let outside: Vec<_> = (0..6).map(|_| take(&mut pool)).collect();
        assert!(outside.iter().all(|address| !owned.contains(address)), "{outside:?}, {owned:?}");
        outside.into_iter().for_each(|address| pool.give_back(address, 5000));
        assert!(!pool.idle.values().flatten().any(|address| owned.contains(address)));
        assert_eq!(pool.usage().live, 4 * size_class(5000));

        pool.release_capture(capture);
        assert_eq!(pool.usage().live, size_class(5000), "`other` is still allocated");
        pool.give_back(other, 5000);
        assert_eq!((pool.usage().live, pool.owned.len()), (0, 0));
        assert_eq!(pool.usage().idle, 10 * size_class(5000));
    }

    #[test]
    fn memory_shared_by_two_graphs_is_kept_until_both_are_dropped() {
        let (device, mut pool) = (Device::of(1 << 30), Pool::default());
        let take = |pool: &mut Pool| pool.take(5000, &device).unwrap().unwrap();
        let one = pool.begin().unwrap();
        let result = take(&mut pool);
        pool.end();
        // The second capture reads the memory and frees it.
        let other = pool.begin().unwrap();
        pool.give_back(result, 5000);
        assert_ne!(take(&mut pool), result, "not reused: the second graph may have read it");
        pool.end();
        pool.release_capture(one);
        assert_ne!(take(&mut pool), result, "the second graph still reads it");
        pool.release_capture(other);
        assert_eq!(take(&mut pool), result);
    }
}
