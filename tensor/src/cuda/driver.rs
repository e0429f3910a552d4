//! [`Gpu`] through the CUDA driver.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::{self, ThreadId};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUresult};

use super::compiler::Compiler;
use super::functions::{Function, Functions, Module};
use super::graph::{Graph, RelaxedCaptureMode};
use super::hardware::{Hardware, describe, is_fatal};
use super::pool::{CaptureId, DeviceAllocator, Pool};
use super::staging::Staging;
use crate::gpu::{Address, CapturedGraph, KernelArguments, Launch, Program};
use crate::{Error, Gpu, MemoryUse, Result};

/// An NVIDIA GPU: one stream, a caching allocator, and kernels compiled on first use.
pub struct Cuda {
    hardware: Hardware,
    architecture: String,
    compiler: Compiler,
    functions: Functions,
    /// Locked while a program is compiled and loaded, so that this happens only once.
    modules: Mutex<Vec<Module>>,
    pool: Mutex<Pool>,
    staging: Mutex<Staging>,
    /// The thread whose work is being captured.
    capturing: Mutex<Option<ThreadId>>,
    /// Uploads of the capture in progress, written when it ends.
    constants: Mutex<Vec<(Address, Vec<u8>)>>,
    /// The kernel launched last, for error messages.
    last: RwLock<Option<Arc<Function>>>,
    /// Whether to wait for every kernel (`CUDA_LAUNCH_BLOCKING=1`), so that errors name the right one.
    blocking: bool,
    /// The first fatal error, after which every call fails.
    failure: OnceLock<String>,
}

impl Cuda {
    pub(super) fn new(hardware: Hardware, compiler: Compiler) -> Self {
        Cuda {
            architecture: hardware.architecture(),
            compiler,
            functions: Functions::default(),
            modules: Mutex::default(),
            pool: Mutex::default(),
            staging: Mutex::new(Staging::new()),
            capturing: Mutex::default(),
            constants: Mutex::default(),
            last: RwLock::default(),
            blocking: std::env::var_os("CUDA_LAUNCH_BLOCKING").is_some_and(|value| value == "1"),
            failure: OnceLock::new(),
            hardware,
        }
    }

    /// The architecture that kernels are compiled for, such as `sm_90a`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Versions of driver, compiler and architecture, such as `CUDA 13.0, NVRTC 13.0, sm_90a`.
    pub fn versions(&self) -> String {
        let (cuda, compiler) = (self.hardware.driver_version(), self.compiler.version());
        format!("CUDA {cuda}, {compiler}, {}", self.architecture)
    }

    /// Returns idle memory to the driver, as is useful between phases of work with different shapes.
    pub fn release_idle_memory(&self) {
        if self.bind().is_ok() {
            lock(&self.pool).release_idle(self);
        }
    }

    pub(super) fn stream(&self) -> sys::CUstream {
        self.hardware.stream.cu_stream()
    }

    /// Launches a captured graph.
    ///
    /// # Safety
    /// It was captured on this device, and all memory that it uses is still allocated.
    pub(super) unsafe fn replay(&self, graph: sys::CUgraphExec) -> Result<()> {
        self.check_not_capturing("the replay of another graph")?;
        // SAFETY: guaranteed by the caller.
        let launched = unsafe { result::graph::launch(graph, self.stream()) };
        launched.map_err(|error| self.failed("launching a captured graph", error))?;
        if self.blocking { self.synchronise() } else { Ok(()) }
    }

    /// Releases the memory of a captured graph.
    pub(super) fn release_capture(&self, capture: CaptureId) {
        lock(&self.pool).release_capture(capture);
    }

    fn is_capturing(&self) -> bool {
        lock(&self.capturing).is_some()
    }

    /// Fails during a capture, for operations that cannot be captured.
    fn check_not_capturing(&self, operation: &str) -> Result<()> {
        if !self.is_capturing() {
            return Ok(());
        }
        Err(self.error(format!("{operation} cannot be captured; do it before the capture begins")))
    }

    /// Allocates from the pool.
    fn take_memory(
        &self,
        bytes: usize,
        take: impl FnOnce(&mut Pool) -> Result<Option<Address>>,
    ) -> Result<Address> {
        self.bind()?;
        if let Some(address) = take(&mut lock(&self.pool))? {
            return Ok(address);
        }
        let left = result::mem_get_info().map_or(0, |(free, _)| free);
        Err(Error::DeviceMemory { device: self.name(), requested: bytes, available: left })
    }

    /// Makes the context current on this thread. Fails if the device has failed before, or if another
    /// thread is capturing, as the capture would include the work of this thread.
    pub(super) fn bind(&self) -> Result<()> {
        if let Some(what) = self.failure.get() {
            return Err(self.error(what.clone()));
        }
        if lock(&self.capturing).is_some_and(|thread| thread != thread::current().id()) {
            return Err(self.error(OTHER_THREAD_CAPTURES.into()));
        }
        self.hardware.context.bind_to_thread().map_err(|error| self.failed("the device", error))
    }

    fn error(&self, what: String) -> Error {
        Error::Device { device: self.hardware.name.clone(), what }
    }

    /// Converts an error of the driver during `operation`. A fatal one is stored in `failure`.
    pub(super) fn failed(&self, operation: &str, error: DriverError) -> Error {
        let mut what = format!("{operation}: {}", describe(error));
        if is_fatal(error) {
            let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(function) = &*last {
                let (kernel, path) = (&function.kernel, function.program.path());
                what = match self.blocking {
                    true => format!("kernel {kernel} of {path} failed: {}", describe(error)),
                    false => format!(
                        "a kernel failed, {kernel} of {path} or one launched before it: {} \
                         (set CUDA_LAUNCH_BLOCKING=1 to find out which)",
                        describe(error)
                    ),
                };
            }
            what = self.failure.get_or_init(|| what).clone();
        }
        self.error(what)
    }

    /// A kernel, compiled and loaded on first use.
    fn function(&self, program: &Program, kernel: &str) -> Result<Arc<Function>> {
        if let Some(function) = self.functions.find(program, kernel) {
            return Ok(function);
        }
        self.check_not_capturing(&format!("loading kernel {kernel} of {}", program.path()))?;
        let mut modules = lock(&self.modules);
        let index = match modules.iter().position(|module| module.program == *program) {
            Some(index) => index,
            None => {
                modules.push(self.load(program)?);
                modules.len() - 1
            }
        };
        let function = self.hardware.function(&modules[index], kernel);
        let function = function.map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_NOT_FOUND => {
                let (path, names) = (program.path(), modules[index].kernels.join(", "));
                self.error(format!("{path} has no kernel {kernel}; it has {names}"))
            }
            _ => self.failed(&format!("kernel {kernel} of {}", program.path()), error),
        })?;
        Ok(self.functions.add(function))
    }

    fn load(&self, program: &Program) -> Result<Module> {
        let compiled = self.compiler.compile(program, &self.architecture)?;
        let module = self.hardware.module(program, &compiled);
        module.map_err(|error| {
            let (path, versions) = (program.path(), self.versions());
            self.failed(&format!("kernels of {path} cannot be loaded ({versions})"), error)
        })
    }
}

impl Gpu for Cuda {
    fn name(&self) -> String {
        self.hardware.name.clone()
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        self.take_memory(bytes, |pool| pool.take(bytes, self))
    }

    fn upload(&self, bytes: &[u8]) -> Result<Address> {
        if self.is_capturing() {
            let take = |pool: &mut Pool| pool.take_constant(bytes.len(), self);
            let address = self.take_memory(bytes.len(), take)?;
            lock(&self.constants).push((address, bytes.to_vec()));
            return Ok(address);
        }
        let address = Gpu::allocate(self, bytes.len())?;
        // SAFETY: the memory was allocated with this length, and is released if the copy fails.
        let written = unsafe {
            self.write(address, bytes).inspect_err(|_| self.release(address, bytes.len()))
        };
        written.map(|()| address)
    }

    unsafe fn release(&self, address: Address, bytes: usize) {
        lock(&self.pool).give_back(address, bytes);
    }

    unsafe fn write(&self, to: Address, bytes: &[u8]) -> Result<()> {
        self.bind()?;
        self.check_not_capturing("a copy from the host")?;
        // SAFETY: guaranteed by the caller.
        let copied = unsafe { lock(&self.staging).write(to.0, bytes, self.stream()) };
        copied.map_err(|error| self.failed("a copy from the host", error))
    }

    unsafe fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.bind()?;
        self.check_not_capturing("a copy to the host")?;
        // SAFETY: the caller guarantees the source. `bytes` stays borrowed until the copy is complete,
        // by `synchronise` below.
        let copied = unsafe { result::memcpy_dtoh_async(bytes, from.0, self.stream()) };
        copied.map_err(|error| self.failed("a copy to the host", error))?;
        self.synchronise()
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        self.bind()?;
        // SAFETY: guaranteed by the caller.
        let copied = unsafe { result::memcpy_dtod_async(to.0, from.0, bytes, self.stream()) };
        copied.map_err(|error| self.failed("a copy on the device", error))
    }

    unsafe fn launch(
        &self,
        program: &Program,
        kernel: &str,
        launch: Launch,
        arguments: &dyn KernelArguments,
    ) -> Result<()> {
        self.bind()?;
        let function = self.function(program, kernel)?;
        let checked = program.check_arguments(kernel, arguments.layout());
        checked.map_err(|what| self.error(what))?;
        let mut parameters = [arguments.bytes().as_ptr().cast_mut().cast::<c_void>()];
        let handle = function.handle.0;
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some(function);
        let ([x, y, z], [across, down, deep]) = (launch.blocks, launch.threads);
        // SAFETY: the function is loaded, and takes the struct at the one pointer, which the driver
        // copies. The caller guarantees extents.
        let launched = unsafe {
            result::launch_kernel(
                handle,
                (x, y, z),
                (across, down, deep),
                launch.shared,
                self.stream(),
                &mut parameters,
            )
        };
        if let Err(error) = launched {
            let path = program.path();
            let doing = format!("kernel {kernel} of {path} cannot be launched as {launch:?}");
            return Err(self.failed(&doing, error));
        }
        if self.blocking && !self.is_capturing() { self.synchronise() } else { Ok(()) }
    }

    fn memory_use(&self) -> MemoryUse {
        lock(&self.pool).usage()
    }

    fn synchronise(&self) -> Result<()> {
        self.bind()?;
        self.check_not_capturing("waiting for the device")?;
        // SAFETY: `hardware` owns the stream.
        let done = unsafe { result::stream::synchronize(self.stream()) };
        done.map_err(|error| self.failed("waiting for the device", error))
    }

    fn begin_capture(&self) -> Result<()> {
        self.bind()?;
        let capture = lock(&self.pool).begin();
        let Some(capture) = capture else { return Err(self.error(CAPTURING.into())) };
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: `hardware` owns the stream, which is not the default stream.
        if let Err(error) = unsafe { result::stream::begin_capture(self.stream(), mode) } {
            let mut pool = lock(&self.pool);
            pool.end();
            pool.release_capture(capture);
            return Err(self.failed("beginning a capture", error));
        }
        lock(&self.constants).clear();
        *lock(&self.capturing) = Some(thread::current().id());
        Ok(())
    }

    fn end_capture(self: Arc<Self>) -> Result<Box<dyn CapturedGraph>> {
        self.bind()?;
        let capture = lock(&self.pool).end();
        let Some(capture) = capture else { return Err(self.error(NOT_CAPTURING.into())) };
        *lock(&self.capturing) = None;
        let constants = std::mem::take(&mut *lock(&self.constants));
        // From here on, dropping the graph releases the memory of the capture.
        let mut graph = Graph::new(self.clone(), capture);
        // Constants are written even if instantiation fails: tensors that exist already use them.
        let finished = graph.finish();
        for (address, bytes) in constants {
            // SAFETY: `upload` allocated as many bytes, and the graph owns them.
            unsafe { self.write(address, &bytes)? };
        }
        finished.map(|()| Box::new(graph) as Box<dyn CapturedGraph>)
    }
}

const CAPTURING: &str = "a capture is already in progress";
const OTHER_THREAD_CAPTURES: &str = "another thread is capturing";
const NOT_CAPTURING: &str = "no capture is in progress";

/// Callers have made the context current.
impl DeviceAllocator for Cuda {
    fn allocate(&self, bytes: usize) -> Result<Option<Address>> {
        let _mode = RelaxedCaptureMode::enter();
        // SAFETY: allocation has no preconditions; the memory is uninitialised.
        match unsafe { result::malloc_sync(bytes) } {
            Ok(address) => Ok(Some(Address(address))),
            Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => Ok(None),
            Err(error) => Err(self.failed("allocating memory", error)),
        }
    }

    fn free(&self, address: Address) {
        let _mode = RelaxedCaptureMode::enter();
        // SAFETY: allocated above, and no longer used by the host. The driver waits for kernels that
        // use it. An error here is one of an earlier kernel: the next call reports it.
        let _ = unsafe { result::free_sync(address.0) };
    }
}

/// Locks a mutex, also after a panic: no state behind these locks is left inconsistent by one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
