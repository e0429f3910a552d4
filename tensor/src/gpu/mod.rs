//! Graphics processors: memory of their own, and kernels that run there.
//!
//! [`Gpu`] is all that the engine asks of one, so that the same kernel sources, launched by the same
//! code, run on hardware and on an emulator that looks for mistakes.

mod arguments;
mod capture;
mod layout;
mod memory;
mod number;
mod program;

use std::fmt;
use std::sync::Arc;

use crate::{MemoryUse, Result};

pub use arguments::{Argument, Given, In, KernelArguments, KernelField, Out, Pointee, Real, Wide};
pub use capture::{Captured, capture};
pub use layout::{Field, FieldType, Kernel, Layout};
pub use memory::Memory;
pub use number::{Number, Numbers, Place};
pub use program::{PRELUDE, Program, Source, Sum, sum_program};

/// A place in the memory of a [`Gpu`], as its kernels see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address(pub u64);

impl Address {
    /// Where there is nothing.
    pub const NULL: Address = Address(0);
}

/// How many blocks and threads a kernel runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks along x, y and z.
    pub blocks: [u32; 3],
    /// Threads of a block along x, y and z; 1024 at most together.
    pub threads: [u32; 3],
    /// Bytes of shared memory beside what the kernel declares.
    pub shared: u32,
}

impl Launch {
    /// Threads of a block where nothing speaks for another number.
    pub const THREADS: u32 = 256;

    /// A thread for each of `items`, in blocks of [`THREADS`](Self::THREADS). The last block has some
    /// too many.
    pub fn over(items: usize) -> Self {
        Self::blocks(items.div_ceil(Self::THREADS as usize), Self::THREADS)
    }

    /// So many blocks in a row, at least one.
    pub fn blocks(blocks: usize, threads: u32) -> Self {
        let blocks = u32::try_from(blocks.max(1)).unwrap_or(u32::MAX);
        Launch { blocks: [blocks, 1, 1], threads: [threads, 1, 1], shared: 0 }
    }
}

/// A processor with memory of its own, which runs kernels in the order in which they are launched.
pub trait Gpu: Send + Sync {
    /// What it is, for people.
    fn name(&self) -> String;

    /// Memory for so many bytes (above 0), aligned to 256, holding anything.
    ///
    /// # Errors
    /// When there is not so much left.
    fn allocate(&self, bytes: usize) -> Result<Address>;

    /// Memory that holds a copy of the host's bytes, of which there are some.
    ///
    /// In a capture it becomes a constant of what is captured: written once, before the first replay,
    /// and no kernel may write there.
    ///
    /// # Errors
    /// When there is not so much memory left, or the device fails.
    fn upload(&self, bytes: &[u8]) -> Result<Address>;

    /// Takes memory back, once every kernel launched before is done with it.
    ///
    /// # Safety
    /// It is what [`allocate`](Self::allocate) gave for as many bytes, and nobody uses it any more.
    unsafe fn release(&self, address: Address, bytes: usize);

    /// Copies from the host.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Safety
    /// From `to` on there is allocated memory for all of `bytes`.
    unsafe fn write(&self, to: Address, bytes: &[u8]) -> Result<()>;

    /// Copies to the host, after everything launched before.
    ///
    /// # Errors
    /// When the device fails, or a kernel launched before did.
    ///
    /// # Safety
    /// From `from` on there is allocated memory for all of `bytes`.
    unsafe fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()>;

    /// Copies within the device's memory.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Safety
    /// Both are allocated memory of so many bytes, and do not overlap.
    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()>;

    /// Runs a kernel of a program, which is compiled the first time.
    ///
    /// # Errors
    /// When it does not compile, takes another struct of arguments, or cannot be launched.
    ///
    /// # Safety
    /// Names, types and dtypes of arguments, and that no two of them overlap where one is written, are
    /// checked or hold by construction. The caller guarantees extents: with these sizes and this many
    /// blocks and threads, the kernel stays within the memory behind each pointer, does not use a null
    /// pointer, and has enough shared memory; and no two threads write the same element.
    unsafe fn launch(
        &self,
        program: &Program,
        kernel: &str,
        launch: Launch,
        arguments: &dyn KernelArguments,
    ) -> Result<()>;

    /// How much of its memory is in use.
    fn memory_use(&self) -> MemoryUse;

    /// Waits until everything that was launched is done.
    ///
    /// # Errors
    /// When some of it failed.
    fn synchronise(&self) -> Result<()>;

    /// Keeps what is launched and copied from now on, by this thread, instead of running it.
    /// [`capture`] does so for a piece of work.
    ///
    /// # Errors
    /// When a capture is under way already, or the device fails.
    fn begin_capture(&self) -> Result<()>;

    /// What was launched and copied since [`begin_capture`](Self::begin_capture), to be run.
    ///
    /// # Errors
    /// When none was begun, or the device fails.
    fn end_capture(self: Arc<Self>) -> Result<Box<dyn Captured>>;
}

/// Where tensors lie and are computed with.
#[derive(Clone, Default)]
pub enum Device {
    /// The processor that runs the program.
    #[default]
    Cpu,
    /// Another.
    Gpu(Arc<dyn Gpu>),
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Device::Cpu, Device::Cpu) => true,
            (Device::Gpu(one), Device::Gpu(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Device {}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("the CPU"),
            Device::Gpu(gpu) => f.write_str(&gpu.name()),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
