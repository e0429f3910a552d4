//! Device memory that is recycled.
//!
//! The driver takes long to hand out memory, and waits for the whole device when it takes some back.
//! What is released here is kept by size, so that a training step, whose shapes recur, asks the driver
//! for nothing after the first.

use std::collections::BTreeMap;

use crate::gpu::Address;
use crate::{MemoryUse, Result};

/// Where memory comes from.
pub trait Source {
    /// New memory, or none where there is not so much left.
    fn allocate(&self, bytes: usize) -> Result<Option<Address>>;

    /// Takes memory back that [`allocate`](Self::allocate) gave.
    fn free(&self, address: Address);
}

/// Memory by size class.
#[derive(Default)]
pub struct Pool {
    idle: BTreeMap<usize, Vec<Address>>,
    usage: MemoryUse,
}

impl Pool {
    /// Memory for at least so many bytes. Where the source has no more, it first gets back all that
    /// lies idle; none if that does not help.
    pub fn take(&mut self, bytes: usize, source: &impl Source) -> Result<Option<Address>> {
        let class = size_class(bytes);
        let address = match self.idle.get_mut(&class).and_then(Vec::pop) {
            Some(address) => {
                self.usage.idle -= class;
                Some(address)
            }
            None => self.fresh(class, source)?,
        };
        if address.is_some() {
            self.usage.live += class;
            self.usage.peak = self.usage.peak.max(self.usage.live);
        }
        Ok(address)
    }

    fn fresh(&mut self, class: usize, source: &impl Source) -> Result<Option<Address>> {
        let mut address = source.allocate(class)?;
        if address.is_none() && self.usage.idle > 0 {
            self.release_idle(source);
            address = source.allocate(class)?;
        }
        self.usage.allocations += usize::from(address.is_some());
        Ok(address)
    }

    /// Keeps memory that was taken for so many bytes.
    pub fn give_back(&mut self, address: Address, bytes: usize) {
        let class = size_class(bytes);
        self.usage.live -= class;
        self.usage.idle += class;
        self.idle.entry(class).or_default().push(address);
    }

    /// Returns what lies idle to the source.
    pub fn release_idle(&mut self, source: &impl Source) {
        for address in std::mem::take(&mut self.idle).into_values().flatten() {
            source.free(address);
        }
        self.usage.idle = 0;
    }

    /// How much is in use, and how much lies idle.
    pub fn usage(&self) -> MemoryUse {
        self.usage
    }
}

/// Rounds a number of bytes up to one of eight steps per power of two, so that close sizes share
/// memory at a cost of at most an eighth. Small ones are whole multiples of 256 bytes (what kernels
/// may take for aligned), large ones of the driver's pages, which it would round to in any case.
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

    /// A device of so many bytes.
    struct Device {
        left: RefCell<usize>,
        sizes: RefCell<BTreeMap<u64, usize>>,
    }

    impl Device {
        fn of(left: usize) -> Self {
            Device { left: left.into(), sizes: RefCell::default() }
        }
    }

    impl Source for Device {
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
    fn size_classes_waste_little_and_are_their_own_class() {
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
    fn a_step_that_recurs_allocates_nothing_new() {
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
    fn idle_memory_is_returned_before_anything_is_refused() {
        let (device, mut pool) = (Device::of(100 << 20), Pool::default());
        let large = pool.take(60 << 20, &device).unwrap().unwrap();
        assert_eq!(pool.take(64 << 20, &device).unwrap(), None, "there is not so much");
        assert_eq!(pool.usage().live, 60 << 20, "what was refused does not count");
        pool.give_back(large, 60 << 20);
        assert!(pool.take(64 << 20, &device).unwrap().is_some(), "the idle was returned");
        assert_eq!((pool.usage().idle, *device.left.borrow()), (0, 36 << 20));
    }
}
