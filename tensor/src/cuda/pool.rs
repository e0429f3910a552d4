//! Device memory that is recycled.
//!
//! The driver takes long to hand out memory, and waits for the whole device when it takes some back.
//! What is released here is kept by size, so that a training step, whose shapes recur, asks the driver
//! for nothing after the first.
//!
//! # Captured steps
//! What is taken during a capture belongs to the captured step: it is recycled within the capture as
//! usual, and goes to nobody else until the step is [let go](Pool::let_go). So does what was there
//! before and is released during the capture, which the step may still read; and constants, which
//! are not recycled within the capture either, for nothing writes them anew in a replay.

use std::collections::{BTreeMap, HashMap};

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
    idle: Idle,
    usage: MemoryUse,
    /// The step that is being captured, and what may be recycled within it.
    capture: Option<(Step, Idle)>,
    captures: u64,
    /// What belongs to captured steps.
    owned: HashMap<u64, Owned>,
}

type Idle = BTreeMap<usize, Vec<Address>>;

/// A captured step, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step(u64);

/// Memory of captured steps.
struct Owned {
    /// Those that may read or write it.
    steps: Vec<Step>,
    class: usize,
    /// Whether somebody holds it beside the steps.
    held: bool,
    /// Whether the step that took it may take it again; others may not.
    recycled: bool,
}

impl Pool {
    /// Memory for at least so many bytes. Where the source has no more, it first gets back all that
    /// lies idle; none if that does not help.
    pub fn take(&mut self, bytes: usize, source: &impl Source) -> Result<Option<Address>> {
        let class = size_class(bytes);
        if let Some((_, idle)) = &mut self.capture
            && let Some(address) = idle.get_mut(&class).and_then(Vec::pop)
        {
            if let Some(owned) = self.owned.get_mut(&address.0) {
                owned.held = true;
            }
            return Ok(Some(address));
        }
        self.take_for_good(class, true, source)
    }

    /// The same, for what a captured step finds in every replay as it is written once.
    pub fn take_constant(&mut self, bytes: usize, source: &impl Source) -> Result<Option<Address>> {
        self.take_for_good(size_class(bytes), false, source)
    }

    fn take_for_good(
        &mut self,
        class: usize,
        recycled: bool,
        source: &impl Source,
    ) -> Result<Option<Address>> {
        let address = match self.idle.get_mut(&class).and_then(Vec::pop) {
            Some(address) => {
                self.usage.idle -= class;
                Some(address)
            }
            None => self.fresh(class, source)?,
        };
        let Some(address) = address else { return Ok(None) };
        self.usage.live += class;
        self.usage.peak = self.usage.peak.max(self.usage.live);
        if let Some(&(step, _)) = self.capture.as_ref() {
            self.owned.insert(address.0, Owned { steps: vec![step], class, held: true, recycled });
        }
        Ok(Some(address))
    }

    fn fresh(&mut self, class: usize, source: &impl Source) -> Result<Option<Address>> {
        let mut address = source.allocate(class)?;
        // To take memory back the driver waits for the device, which nobody can during a capture.
        if address.is_none() && self.usage.idle > 0 && self.capture.is_none() {
            self.release_idle(source);
            address = source.allocate(class)?;
        }
        self.usage.allocations += usize::from(address.is_some());
        Ok(address)
    }

    /// Keeps memory that was taken for so many bytes.
    pub fn give_back(&mut self, address: Address, bytes: usize) {
        let class = size_class(bytes);
        let capture = self.capture.as_mut();
        if let Some(owned) = self.owned.get_mut(&address.0) {
            owned.held = false;
            let Some((step, idle)) = capture else { return };
            if !owned.steps.contains(step) {
                owned.steps.push(*step);
                owned.recycled = false;
            }
            if owned.recycled {
                idle.entry(class).or_default().push(address);
            }
        } else if let Some(&mut (step, _)) = capture {
            let steps = vec![step];
            self.owned.insert(address.0, Owned { steps, class, held: false, recycled: false });
        } else {
            self.usage.live -= class;
            self.keep(class, address);
        }
    }

    fn keep(&mut self, class: usize, address: Address) {
        self.usage.idle += class;
        self.idle.entry(class).or_default().push(address);
    }

    /// Begins a captured step; none if one is begun already.
    pub fn begin(&mut self) -> Option<Step> {
        if self.capture.is_some() {
            return None;
        }
        self.captures += 1;
        let step = Step(self.captures);
        self.capture = Some((step, Idle::new()));
        Some(step)
    }

    /// The step that was begun, if one was: it owns what it has taken until it is let go.
    pub fn end(&mut self) -> Option<Step> {
        self.capture.take().map(|(step, _)| step)
    }

    /// Nobody replays a step any more: what it alone holds is idle.
    pub fn let_go(&mut self, step: Step) {
        let mut idle = Vec::new();
        self.owned.retain(|&address, owned| {
            owned.steps.retain(|&other| other != step);
            if owned.steps.is_empty() && !owned.held {
                idle.push((address, owned.class));
            }
            !owned.steps.is_empty()
        });
        // In an order that does not hang on the map's.
        idle.sort_unstable();
        for (address, class) in idle {
            self.usage.live -= class;
            self.keep(class, Address(address));
        }
    }

    /// Returns what lies idle to the source.
    pub fn release_idle(&mut self, source: &impl Source) {
        for address in std::mem::take(&mut self.idle).into_values().flatten() {
            source.free(address);
        }
        self.usage.idle = 0;
    }

    /// How much is in use, that of captured steps included, and how much lies idle.
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

    #[test]
    fn nothing_is_returned_during_a_capture() {
        let (device, mut pool) = (Device::of(100 << 20), Pool::default());
        let idle = pool.take(60 << 20, &device).unwrap().unwrap();
        pool.give_back(idle, 60 << 20);
        let step = pool.begin().unwrap();
        assert_eq!(pool.take(64 << 20, &device).unwrap(), None);
        assert_eq!(pool.take(60 << 20, &device).unwrap(), Some(idle), "what is there is used");
        pool.end();
        pool.let_go(step);
        pool.give_back(idle, 60 << 20);
        assert!(pool.take(64 << 20, &device).unwrap().is_some());
    }

    #[test]
    fn memory_of_a_captured_step_is_recycled_within_it_and_goes_to_nobody_else() {
        let (device, mut pool) = (Device::of(1 << 30), Pool::default());
        let take = |pool: &mut Pool| pool.take(5000, &device).unwrap().unwrap();
        let before = [take(&mut pool), take(&mut pool)];
        pool.give_back(before[0], 5000);

        let step = pool.begin().unwrap();
        assert_eq!(pool.begin(), None, "one at a time");
        let first = take(&mut pool);
        assert_eq!(first, before[0], "what lay idle is used up first");
        pool.give_back(first, 5000);
        assert_eq!(take(&mut pool), first, "recycled within the capture");
        let constant = pool.take_constant(5000, &device).unwrap().unwrap();
        pool.give_back(constant, 5000);
        // Read by what was captured, and nobody's afterwards but the step's.
        pool.give_back(before[1], 5000);
        let other = take(&mut pool);
        assert!(other != constant && other != before[1] && other != first);
        pool.give_back(first, 5000);
        assert_eq!(pool.end(), Some(step));

        let owned = [first, constant, before[1], other];
        let outside: Vec<_> = (0..6).map(|_| take(&mut pool)).collect();
        assert!(outside.iter().all(|address| !owned.contains(address)), "{outside:?}, {owned:?}");
        outside.into_iter().for_each(|address| pool.give_back(address, 5000));
        assert!(!pool.idle.values().flatten().any(|address| owned.contains(address)));
        assert_eq!(pool.usage().live, 4 * size_class(5000));

        pool.let_go(step);
        assert_eq!(pool.usage().live, size_class(5000), "what is held beside the step stays held");
        pool.give_back(other, 5000);
        assert_eq!((pool.usage().live, pool.owned.len()), (0, 0));
        assert_eq!(pool.usage().idle, 10 * size_class(5000));
    }

    #[test]
    fn what_one_captured_step_gave_and_another_read_stays_for_both() {
        let (device, mut pool) = (Device::of(1 << 30), Pool::default());
        let take = |pool: &mut Pool| pool.take(5000, &device).unwrap().unwrap();
        let one = pool.begin().unwrap();
        let result = take(&mut pool);
        pool.end();
        // Read by what the other captures, and dropped there.
        let other = pool.begin().unwrap();
        pool.give_back(result, 5000);
        assert_ne!(take(&mut pool), result, "not recycled: the other step may have read it");
        pool.end();
        pool.let_go(one);
        assert_ne!(take(&mut pool), result, "the other step still reads it");
        pool.let_go(other);
        assert_eq!(take(&mut pool), result);
    }
}
