//! The interface to GPUs: device memory, kernel programs, launches and captured graphs.
//!
//! Everything that the engine needs from a GPU is in the trait [`Gpu`]. So the same kernel sources and
//! launch code run on hardware ([`cuda`](crate::cuda)) and on an emulator that detects memory errors
//! and races.

mod arguments;
mod capture;
mod layout;
mod memory;
mod program;
mod scalar;

use std::fmt;
use std::sync::Arc;

use crate::{MemoryUse, Result};

pub use arguments::{Acc, In, KernelArguments, KernelField, Out, Pointee, Real};
pub use capture::{CapturedGraph, capture};
pub use layout::{Field, FieldType, Kernel, Layout};
pub use memory::Memory;
pub use program::{PRELUDE, Program, Source, Sum, sum_program};
pub use scalar::{DeviceScalar, ScalarArg, ScalarArgs};

/// An address in the memory of a [`Gpu`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address(pub u64);

impl Address {
    /// The null pointer.
    pub const NULL: Address = Address(0);
}

/// The grid of a kernel launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks along x, y and z.
    pub blocks: [u32; 3],
    /// Threads per block along x, y and z; at most 1024 in total.
    pub threads: [u32; 3],
    /// Bytes of dynamic shared memory per block.
    pub shared: u32,
}

impl Launch {
    /// The default number of threads per block.
    pub const THREADS: u32 = 256;

    /// One thread per item, in blocks of [`THREADS`](Self::THREADS). The surplus threads of the last
    /// block must do nothing.
    pub fn over(items: usize) -> Self {
        Self::blocks(items.div_ceil(Self::THREADS as usize), Self::THREADS)
    }

    /// A one-dimensional grid of `blocks` blocks, at least one, of `threads` threads each.
    pub fn blocks(blocks: usize, threads: u32) -> Self {
        let blocks = u32::try_from(blocks.max(1)).unwrap_or(u32::MAX);
        Launch { blocks: [blocks, 1, 1], threads: [threads, 1, 1], shared: 0 }
    }
}

/// A GPU with one stream: copies and kernels run in the order in which they are issued.
///
/// Kernels run asynchronously. An error of a kernel can be returned by any later call.
pub trait Gpu: Send + Sync {
    /// The name of the device, for messages.
    fn name(&self) -> String;

    /// Allocates device memory of unspecified contents, aligned to 256 bytes. `bytes` must not be 0.
    ///
    /// # Errors
    /// When the device has too little free memory.
    fn allocate(&self, bytes: usize) -> Result<Address>;

    /// Allocates device memory and copies `bytes` from the host into it. `bytes` must not be empty.
    ///
    /// During a capture the memory becomes a constant of the captured graph: it is written once, before
    /// the first replay, and no kernel may write to it.
    ///
    /// # Errors
    /// When the device has too little free memory, or fails.
    fn upload(&self, bytes: &[u8]) -> Result<Address>;

    /// Frees memory after all work that was issued before.
    ///
    /// # Safety
    /// [`allocate`](Self::allocate) or [`upload`](Self::upload) returned `address` for this number of
    /// bytes, and nothing issued later uses it.
    unsafe fn release(&self, address: Address, bytes: usize);

    /// Copies from the host. `bytes` may be changed as soon as the call returns.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Safety
    /// `to` points to at least `bytes.len()` bytes of allocated memory.
    unsafe fn write(&self, to: Address, bytes: &[u8]) -> Result<()>;

    /// Copies to the host and waits until the copy is complete.
    ///
    /// # Errors
    /// When the device fails, or a kernel failed before.
    ///
    /// # Safety
    /// `from` points to at least `bytes.len()` bytes of allocated memory.
    unsafe fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()>;

    /// Copies within device memory.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Safety
    /// Both addresses point to at least `bytes` bytes of allocated memory, which do not overlap.
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

    /// Device memory in use.
    fn memory_use(&self) -> MemoryUse;

    /// Waits until all work that was issued is complete.
    ///
    /// # Errors
    /// When some of it failed.
    fn synchronise(&self) -> Result<()>;

    /// Starts to record the launches and copies of this thread instead of running them. Use
    /// [`capture`], which also ends the capture if the work fails.
    ///
    /// # Errors
    /// When a capture is in progress, or the device fails.
    fn begin_capture(&self) -> Result<()>;

    /// Ends the capture: a graph of all launches and copies since
    /// [`begin_capture`](Self::begin_capture).
    ///
    /// # Errors
    /// When no capture is in progress, or the device fails.
    fn end_capture(self: Arc<Self>) -> Result<Box<dyn CapturedGraph>>;
}

/// A device where tensors reside and are computed.
///
/// Two GPU devices are equal if they are the same object.
#[derive(Clone, Default)]
pub enum Device {
    /// The CPU and host memory.
    #[default]
    Cpu,
    /// A GPU and its memory.
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
