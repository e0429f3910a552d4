//! A GPU that is emulated on the CPU, so that the CUDA sources of this project run, unchanged, in a
//! test suite where there is no GPU.
//!
//! ```no_run
//! use emulator::{Emulator, Mode};
//! use tensor::gpu::{Gpu, Launch, Memory, Out, Program, Source};
//!
//! tensor::kernels! {
//!     const KERNELS;
//!
//!     one => struct One<'a> {
//!         x: Out<'a, f32>,
//!         count: usize,
//!     }
//! }
//!
//! # fn main() -> tensor::Result<()> {
//! let gpu: std::sync::Arc<dyn Gpu> = Emulator::new(Mode::Check)?;
//! const SOURCES: &[Source] = &[Source {
//!     path: "one.cu",
//!     text: r#"
//!         struct One { float* x; long long count; };
//!         extern "C" __global__ void one(One a) {
//!             if (thread_index() < a.count) a.x[thread_index()] = 1;
//!         }
//!     "#,
//! }];
//! let program = Program::new(SOURCES, tensor::DType::F32).with_kernels(KERNELS);
//! let mut memory = Memory::uninitialised(&gpu, 4 * 1000)?;
//! let args = One { x: Out::whole(&mut memory), count: 1000 };
//! // SAFETY: the memory has `count` numbers.
//! unsafe { gpu.launch(&program, "one", Launch::over(1000), &args)? };
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//! - **Compilation.** A header (`kernel/cuda.h`) gives C++ the words of CUDA. What no header can do,
//!   declarations of shared variables and a table of kernels, is rewritten in the text (`source`).
//!   g++ makes a library of it, which is kept in `target/emulated` under a hash of all that went in
//!   (`compiler`): a second run compiles nothing.
//! - **Threads** are fibers. Each runs until it waits, at a barrier or for its warp, then the next
//!   one does; blocks run one after another. All in a fixed order, so that results are the same
//!   each time; [`Emulator::seeded`] takes another order.
//! - **Memory.** Buffers have exact bounds and addresses of their own for good; whatever is fresh,
//!   global or shared, holds NaN.
//! - **Captured steps** are lists of launches and copies (`capture`). Each replay starts from poison,
//!   and refuses to use memory that was given back since the capture.
//! - **Tensor cores** and asynchronous copies are called through `kernels/src/gpu/tensor_core.cuh`,
//!   which has PTX for a GPU and calls the runtime here.
//!
//! # What [`Mode::Check`] finds
//! Each access of a kernel calls the runtime, by the hooks of GCC's thread sanitizer, whose own
//! runtime is not linked. Every byte has a record of who wrote it last and who has read it since, in
//! intervals between barriers (`runtime/record.h`). So the verdict does not hang on the order in
//! which threads happened to run. The first mistake ends the launch, with kernel, source line,
//! block, thread, and byte of which buffer:
//! - **races** within a block: accesses of which one writes, without a barrier, or `__syncwarp` of
//!   the whole warp, between them. A shuffle orders no memory, as CUDA has it;
//! - **races between blocks** of a launch, unless all are atomic, or ordered as where the last block
//!   reads what all others wrote: each calls `__threadfence` and then counts itself at one address;
//! - **out of bounds**: of buffers, shared variables and local arrays; buffers given back;
//! - **uninitialised** bytes that a kernel or the host reads;
//! - **misaligned** vectors, and rows for `ldmatrix` and `cp.async`. Shared variables are aligned as
//!   declared and no better;
//! - **divergence**: barriers or warp operations of different lines that meet, or wait for ever;
//! - **cp.async** whose target is touched before the wait, or that is never waited for.
//!
//! # What it cannot say
//! - Speed, bank conflicts, coalescing, registers, occupancy.
//! - Memory ordering finer than above: fences and atomics order nothing else, and a partial mask of
//!   `__syncwarp` orders nothing, which may be reported as a race that is none.
//! - Rounding: approximate functions (`__expf`, `rsqrtf`) are the C library's, tensor cores add in
//!   another order, and fused multiply-add is used only where the source says so.
//! - Local variables that are read before they are written.
//! - Anything of Hopper: wgmma, TMA, mbarrier, clusters.
//!
//! [`Mode::Fast`] checks launches only; a kernel that leaves its memory may end the process.

mod arguments;
mod capture;
mod compiler;
mod program;
mod runtime;
mod source;

use std::ffi::c_void;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tensor::gpu::{Address, CapturedGraph, Gpu, KernelArguments, Launch, Program};
use tensor::{Error, MemoryUse, Result};

use arguments::Arguments;
use capture::{Captures, Command, Step};
use program::Loaded;
use runtime::{RawDevice, RawKernel, Runtime};

/// How much an [`Emulator`] looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Results only.
    Fast,
    /// Every access of every kernel. Takes two to four times as long.
    Check,
}

/// Threads that a block can have.
const MOST_THREADS: u64 = 1024;
/// Blocks along x, y and z.
const MOST_BLOCKS: [u32; 3] = [i32::MAX as u32, 65535, 65535];
/// Threads along x, y and z.
const MOST_THREADS_ALONG: [u32; 3] = [1024, 1024, 64];
/// Bytes of shared memory of a block, with what the kernel declares; that of an H100.
const MOST_SHARED: u32 = 227 << 10;

/// An emulated GPU with memory of its own. Launches return when the kernel has run.
pub struct Emulator {
    mode: Mode,
    runtime: &'static Runtime,
    device: Mutex<Device>,
    captures: Mutex<Captures>,
    usage: Mutex<MemoryUse>,
}

/// The runtime's device. One thread at a time may use it.
struct Device(*mut RawDevice);

// SAFETY: the runtime keeps nothing of a thread between calls.
unsafe impl Send for Device {}

impl Emulator {
    /// A device without memory in use.
    ///
    /// # Errors
    /// When there is no g++, or not so many addresses (256 GiB).
    pub fn new(mode: Mode) -> Result<Arc<Self>> {
        Self::seeded(mode, 0)
    }

    /// A device that runs the threads of a block, and the blocks of a launch, in an order drawn from
    /// a seed; 0 is the order of their indices.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn seeded(mode: Mode, seed: u32) -> Result<Arc<Self>> {
        let runtime = Runtime::of_this_process().map_err(|what| failure(mode, what))?;
        // SAFETY: the runtime was loaded.
        let device = unsafe { (runtime.create)((mode == Mode::Check).into(), seed) };
        if device.is_null() {
            return Err(failure(mode, "no addresses left for its memory".into()));
        }
        let (device, captures, usage) =
            (Mutex::new(Device(device)), Mutex::default(), Mutex::default());
        Ok(Arc::new(Emulator { mode, runtime, device, captures, usage }))
    }

    /// What this machine lacks to emulate a GPU, and what to install; none where it can.
    pub fn missing() -> Option<String> {
        compiler::Compiler::of_this_machine().err()
    }

    /// A device for a test, or none where this machine lacks what it takes: then the test says so in
    /// one line and passes, but fails where the environment variable `CI` is set.
    ///
    /// # Panics
    /// Where the test must not be left out, and where what is there does not work.
    pub fn for_test(test: &str, mode: Mode) -> Option<Arc<Self>> {
        let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
        if left_out(test, Self::missing(), ci) {
            return None;
        }
        match Self::new(mode) {
            Ok(emulator) => Some(emulator),
            Err(error) => panic!("{test}: {error}"),
        }
    }

    /// What it checks.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    fn device(&self) -> MutexGuard<'_, Device> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usage(&self) -> MutexGuard<'_, MemoryUse> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Captures, whoever looks at them.
    fn all_captures(&self) -> MutexGuard<'_, Captures> {
        self.captures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at captures, whose refusal becomes an error, as does that another thread captures.
    fn captures<T>(
        &self,
        look: impl FnOnce(&mut Captures) -> std::result::Result<T, String>,
    ) -> Result<T> {
        let mut captures = self.all_captures();
        captures.here().and_then(|()| look(&mut captures)).map_err(|what| self.failure(what))
    }

    /// Whether an address lies in memory that was not given back.
    fn is_live(&self, address: Address) -> bool {
        // SAFETY: the runtime looks the address up.
        unsafe { (self.runtime.is_live)(self.device().0, pointer(address)) != 0 }
    }

    /// Makes memory as it was when it was fresh: nobody has written it.
    fn forget(&self, address: Address, bytes: usize) {
        // SAFETY: the runtime looks the address up.
        unsafe { (self.runtime.forget)(self.device().0, pointer(address), bytes) };
    }

    fn failure(&self, what: String) -> Error {
        failure(self.mode, what)
    }

    /// Launches a kernel again with the arguments of a captured launch.
    fn launch_again(
        &self,
        program: &Program,
        kernel: &str,
        launch: Launch,
        arguments: &Arguments,
    ) -> Result<()> {
        let run = |loaded: &Loaded| self.run(loaded, loaded.kernel(kernel)?, launch, arguments);
        self.captures(|captures| captures.here())?;
        Loaded::with(program, self.mode, run).map_err(|what| self.failure(what))
    }

    /// The kernels of a program, which is compiled as for a launch: only if each kernel that the
    /// program declares takes the struct that it has in Rust.
    ///
    /// # Errors
    /// The compiler's first lines, when it does not compile.
    pub fn kernels(&self, program: &Program) -> Result<Vec<String>> {
        let names = |loaded: &Loaded| Ok(loaded.kernels().to_vec());
        Loaded::with(program, self.mode, names).map_err(|what| self.failure(what))
    }

    fn run(
        &self,
        program: &Loaded,
        kernel: &RawKernel,
        launch: Launch,
        arguments: &Arguments,
    ) -> std::result::Result<(), String> {
        let pointers = arguments.raw_pointers();
        let (mut offset, mut line) = (0, 0);
        let device = self.device();
        // SAFETY: the kernel takes the words that were checked; the caller of `launch` guarantees
        // extents.
        let message = unsafe {
            (self.runtime.launch)(
                device.0,
                kernel,
                launch.blocks.as_ptr(),
                launch.threads.as_ptr(),
                launch.shared as usize,
                arguments.words.as_ptr(),
                pointers.as_ptr(),
                pointers.len() as u32,
                &mut offset,
                &mut line,
            )
        };
        runtime::result(message).map_err(|what| {
            let source = program.source();
            match (offset > 0).then(|| program.place(offset)).flatten() {
                Some(place) => format!("{place}: {what}"),
                None if line > 0 => format!("{source}:{line}: {what}"),
                None => format!("{source}: {what}"),
            }
        })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // SAFETY: nobody else has the device, and it was created by the same runtime.
        unsafe { (self.runtime.destroy)(self.device().0) }
    }
}

impl Gpu for Emulator {
    fn name(&self) -> String {
        name(self.mode)
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        self.captures(|captures| captures.here())?;
        let device = self.device();
        // SAFETY: the device lives as long as the emulator.
        let (address, left) = unsafe {
            ((self.runtime.allocate)(device.0, bytes), (self.runtime.memory_left)(device.0))
        };
        if address.is_null() {
            return Err(Error::DeviceMemory {
                device: self.name(),
                requested: bytes,
                available: left,
            });
        }
        let mut usage = self.usage();
        usage.live += bytes;
        usage.peak = usage.peak.max(usage.live);
        usage.allocations += 1;
        drop(usage);
        let address = Address(address as u64);
        self.captures(|captures| {
            captures.taken(address, bytes);
            Ok(address)
        })
    }

    fn upload(&self, bytes: &[u8]) -> Result<Address> {
        let address = self.allocate(bytes.len())?;
        if !self.captures(|captures| Ok(captures.keeps_constant(address, bytes)))? {
            // SAFETY: the memory was allocated for as many bytes.
            unsafe { self.write(address, bytes)? };
        }
        Ok(address)
    }

    unsafe fn release(&self, address: Address, bytes: usize) {
        let mut usage = self.usage();
        usage.live = usage.live.saturating_sub(bytes);
        drop(usage);
        if self.all_captures().stays(address, bytes) {
            return;
        }
        // SAFETY: the runtime looks the address up, and leaves what it did not give.
        unsafe { (self.runtime.release)(self.device().0, pointer(address), bytes) };
    }

    fn memory_use(&self) -> MemoryUse {
        *self.usage()
    }

    unsafe fn write(&self, to: Address, bytes: &[u8]) -> Result<()> {
        self.captures(|captures| captures.refuse("a copy from the host"))?;
        let device = self.device();
        // SAFETY: the runtime checks that the buffer is as long.
        let message = unsafe {
            (self.runtime.write)(device.0, pointer(to), bytes.as_ptr().cast(), bytes.len())
        };
        runtime::result(message).map_err(|what| self.failure(what))
    }

    unsafe fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.captures(|captures| captures.refuse("a copy to the host"))?;
        let device = self.device();
        // SAFETY: the runtime checks that the buffer is as long.
        let message = unsafe {
            (self.runtime.read)(device.0, pointer(from), bytes.as_mut_ptr().cast(), bytes.len())
        };
        runtime::result(message).map_err(|what| self.failure(what))
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        if self.captures(|captures| Ok(captures.keeps(|| Command::Copy { from, to, bytes })))? {
            return Ok(());
        }
        let device = self.device();
        // SAFETY: the runtime checks both buffers; the caller promises that they do not overlap.
        let message = unsafe { (self.runtime.copy)(device.0, pointer(from), pointer(to), bytes) };
        runtime::result(message).map_err(|what| self.failure(what))
    }

    unsafe fn launch(
        &self,
        program: &Program,
        kernel: &str,
        launch: Launch,
        arguments: &dyn KernelArguments,
    ) -> Result<()> {
        let run = |loaded: &Loaded| {
            let raw = loaded.kernel(kernel)?;
            check_size(kernel, raw, launch)?;
            let arguments = &Arguments::checked(program, kernel, arguments)?;
            let mut captures = self.all_captures();
            captures.here()?;
            if captures.keeps_launch(program, kernel, launch, arguments)? {
                return Ok(());
            }
            drop(captures);
            self.run(loaded, raw, launch, arguments)
        };
        Loaded::with(program, self.mode, run).map_err(|what| self.failure(what))
    }

    fn synchronise(&self) -> Result<()> {
        self.captures(|captures| captures.refuse("waiting for the device"))
    }

    fn begin_capture(&self) -> Result<()> {
        self.captures(Captures::begin)
    }

    fn end_capture(self: Arc<Self>) -> Result<Box<dyn CapturedGraph>> {
        let recording = self.captures(Captures::end)?;
        Ok(Box::new(Step::new(self, recording)?))
    }
}

/// Whether a test cannot run for what is missing, which is written to the terminal past the test
/// harness, and no excuse under `CI`.
fn left_out(test: &str, missing: Option<String>, ci: bool) -> bool {
    let Some(missing) = missing else { return false };
    assert!(!ci, "{test}: left out, which must not be where CI is set: {missing}");
    // `println!` of a test that passes is not shown. In one piece, for tests run beside each other;
    // nothing can be done if it fails.
    let line = format!("left out: {test}: {missing}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    true
}

/// A launch must be one that a GPU can do.
fn check_size(kernel: &str, raw: &RawKernel, launch: Launch) -> std::result::Result<(), String> {
    let Launch { blocks, threads, shared } = launch;
    let within = |sizes: [u32; 3], most: [u32; 3]| {
        sizes.iter().zip(most).all(|(&size, most)| (1..=most).contains(&size))
    };
    let count: u64 = threads.iter().map(|&count| u64::from(count)).product();
    if !within(blocks, MOST_BLOCKS) {
        return Err(format!("{kernel}: {blocks:?} blocks; 1 to {MOST_BLOCKS:?} can be launched"));
    }
    if !within(threads, MOST_THREADS_ALONG) || count > MOST_THREADS {
        return Err(format!(
            "{kernel}: {threads:?} threads; a block has 1 to {MOST_THREADS_ALONG:?}, and \
             {MOST_THREADS} together"
        ));
    }
    if let Some(most) = raw.most_threads().filter(|&most| count > u64::from(most)) {
        return Err(format!("{kernel}: {count} threads; its __launch_bounds__ says {most}"));
    }
    if shared > MOST_SHARED {
        return Err(format!("{kernel}: {shared} bytes of shared memory; there are {MOST_SHARED}"));
    }
    Ok(())
}

fn pointer(address: Address) -> *mut c_void {
    address.0 as usize as *mut c_void
}

fn name(mode: Mode) -> String {
    match mode {
        Mode::Fast => "emulated GPU".into(),
        Mode::Check => "emulated GPU, checking".into(),
    }
}

fn failure(mode: Mode, what: String) -> Error {
    Error::Device { device: name(mode), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_leaves_a_test_out() {
        assert!(!left_out("a test", None, true));
        assert!(left_out("a test of this test", Some("nothing is missing".into()), false));
    }

    #[test]
    #[should_panic(expected = "a test: left out, which must not be where CI is set: no g++")]
    fn nothing_is_left_out_under_ci() {
        left_out("a test", Some("no g++".into()), true);
    }
}
