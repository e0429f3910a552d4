//! A GPU with its memory and its kernels, as the engine asks for it.

use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::{self, ThreadId};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUresult};

use super::compiler::Compiler;
use super::functions::{ARGUMENTS, Function, Functions, Module};
use super::graph::{Graph, Relaxed};
use super::hardware::{Hardware, breaks, explained};
use super::pool::{Pool, Source, Step};
use super::staging::Staging;
use crate::gpu::{Address, Argument, Captured, Given, KernelArguments, Launch, Program};
use crate::{Error, Gpu, MemoryUse, Result};

/// An NVIDIA GPU, with kernels compiled for it.
pub struct Cuda {
    hardware: Hardware,
    architecture: String,
    compiler: Compiler,
    functions: Functions,
    /// Held while one is added, so that it happens once.
    modules: Mutex<Vec<Module>>,
    pool: Mutex<Pool>,
    staging: Mutex<Staging>,
    /// The thread whose launches are kept instead of run.
    capturing: Mutex<Option<ThreadId>>,
    /// What is written when the capture ends.
    constants: Mutex<Vec<(Address, Vec<u8>)>>,
    /// What was launched last, to be named when something fails.
    last: RwLock<Option<Arc<Function>>>,
    /// Wait for every kernel, so that the one that fails is known.
    waits: bool,
    /// What broke the device. After that nothing runs any more.
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
            waits: std::env::var_os("CUDA_LAUNCH_BLOCKING").is_some_and(|value| value == "1"),
            failure: OnceLock::new(),
            hardware,
        }
    }

    /// What kernels are compiled for: `sm_90a`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The versions that matter: `CUDA 13.0, NVRTC 13.0, sm_90a`.
    pub fn versions(&self) -> String {
        let (cuda, compiler) = (self.hardware.driver_version(), self.compiler.version());
        format!("CUDA {cuda}, {compiler}, {}", self.architecture)
    }

    /// Returns idle memory to the driver: between stages whose shapes differ.
    pub fn release_idle_memory(&self) {
        if self.bind().is_ok() {
            locked(&self.pool).release_idle(self);
        }
    }

    pub(super) fn stream(&self) -> sys::CUstream {
        self.hardware.stream.cu_stream()
    }

    /// Launches a captured step.
    ///
    /// # Safety
    /// It was captured on this device, and all that it reads and writes is still there.
    pub(super) unsafe fn replay(&self, graph: sys::CUgraphExec) -> Result<()> {
        self.not_captured("the replay of another step")?;
        // SAFETY: the caller's.
        let launched = unsafe { result::graph::launch(graph, self.stream()) };
        launched.map_err(|error| self.failed("launching a captured step", error))?;
        if self.waits { self.synchronise() } else { Ok(()) }
    }

    /// Takes back what a captured step alone holds.
    pub(super) fn let_go(&self, step: Step) {
        locked(&self.pool).let_go(step);
    }

    fn is_capturing(&self) -> bool {
        locked(&self.capturing).is_some()
    }

    /// Refuses what a captured step cannot do.
    fn not_captured(&self, doing: &str) -> Result<()> {
        if self.is_capturing() { Err(self.refusal(not_capturable(doing))) } else { Ok(()) }
    }

    /// Memory out of the pool.
    fn taken(
        &self,
        bytes: usize,
        take: impl FnOnce(&mut Pool) -> Result<Option<Address>>,
    ) -> Result<Address> {
        self.bind()?;
        if let Some(address) = take(&mut locked(&self.pool))? {
            return Ok(address);
        }
        let left = result::mem_get_info().map_or(0, |(free, _)| free);
        Err(Error::DeviceMemory { device: self.name(), asked: bytes, left })
    }

    /// Makes the device that of this thread; what broke it before is told again. While one thread
    /// captures, others are refused: the stream would take what they launch into the captured step.
    pub(super) fn bind(&self) -> Result<()> {
        if let Some(what) = self.failure.get() {
            return Err(self.refusal(what.clone()));
        }
        if locked(&self.capturing).is_some_and(|by| by != thread::current().id()) {
            return Err(self.refusal(CAPTURED_ELSEWHERE.into()));
        }
        self.hardware.context.bind_to_thread().map_err(|error| self.failed("the device", error))
    }

    fn refusal(&self, what: String) -> Error {
        Error::Device { device: self.hardware.name.clone(), what }
    }

    /// An error of the driver, while something was done. One that breaks the device is kept.
    pub(super) fn failed(&self, doing: &str, error: DriverError) -> Error {
        let mut what = format!("{doing}: {}", explained(error));
        if breaks(error) {
            let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(function) = &*last {
                let (kernel, path) = (&function.kernel, function.program.path());
                what = match self.waits {
                    true => format!("kernel {kernel} of {path} failed: {}", explained(error)),
                    false => format!(
                        "a kernel failed, {kernel} of {path} or one launched before it: {} \
                         (CUDA_LAUNCH_BLOCKING=1 tells which)",
                        explained(error)
                    ),
                };
            }
            what = self.failure.get_or_init(|| what).clone();
        }
        self.refusal(what)
    }

    /// A kernel, compiled and loaded if need be.
    fn function(&self, program: &Program, kernel: &str) -> Result<Arc<Function>> {
        if let Some(function) = self.functions.find(program, kernel) {
            return Ok(function);
        }
        self.not_captured(&format!("loading kernel {kernel} of {}", program.path()))?;
        let mut modules = locked(&self.modules);
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
                self.refusal(format!("{path} has no kernel {kernel}; it has {names}"))
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

    /// Refuses numbers of arguments that a kernel does not take.
    fn check(&self, function: &Function, given: usize) -> Result<()> {
        let takes = match function.parameters {
            _ if given > ARGUMENTS => format!("{ARGUMENTS} at most"),
            Some(takes) if takes != given => takes.to_string(),
            _ => return Ok(()),
        };
        let (kernel, path) = (&function.kernel, function.program.path());
        Err(self.refusal(format!(
            "kernel {kernel} of {path} takes other arguments: {takes}, not {given}"
        )))
    }
}

impl Gpu for Cuda {
    fn name(&self) -> String {
        self.hardware.name.clone()
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        self.taken(bytes, |pool| pool.take(bytes, self))
    }

    fn upload(&self, bytes: &[u8]) -> Result<Address> {
        if self.is_capturing() {
            let address = self.taken(bytes.len(), |pool| pool.take_constant(bytes.len(), self))?;
            locked(&self.constants).push((address, bytes.to_vec()));
            return Ok(address);
        }
        let address = Gpu::allocate(self, bytes.len())?;
        // SAFETY: the memory was allocated for as many bytes, which are given back where that fails.
        let written = unsafe {
            self.write(address, bytes).inspect_err(|_| self.release(address, bytes.len()))
        };
        written.map(|()| address)
    }

    unsafe fn release(&self, address: Address, bytes: usize) {
        locked(&self.pool).give_back(address, bytes);
    }

    unsafe fn write(&self, to: Address, bytes: &[u8]) -> Result<()> {
        self.bind()?;
        self.not_captured("a copy from the host")?;
        // SAFETY: the caller's.
        let copied = unsafe { locked(&self.staging).write(to.0, bytes, self.stream()) };
        copied.map_err(|error| self.failed("a copy from the host", error))
    }

    unsafe fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.bind()?;
        self.not_captured("a copy to the host")?;
        // SAFETY: the caller's; the host's bytes are waited for below, while they are borrowed.
        let copied = unsafe { result::memcpy_dtoh_async(bytes, from.0, self.stream()) };
        copied.map_err(|error| self.failed("a copy to the host", error))?;
        self.synchronise()
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        self.bind()?;
        // SAFETY: the caller's.
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
        // The driver reads as many pointers as the kernel has parameters. Those beyond what was given
        // lead to zeros, where no driver could tell how many that are.
        let mut values = [0u64; ARGUMENTS];
        let mut parameter = None;
        match arguments.given() {
            Given::Struct { layout, bytes } => {
                let checked = program.check_arguments(kernel, layout);
                checked.map_err(|what| self.refusal(what))?;
                parameter = Some(bytes.as_ptr().cast_mut().cast());
            }
            Given::Positional(arguments) => {
                self.check(&function, arguments.len())?;
                for (value, argument) in values.iter_mut().zip(arguments) {
                    *value = match *argument {
                        Argument::Address(address) => address.0,
                        Argument::Integer(integer) => integer as u64,
                        Argument::Number(number) => number.to_bits(),
                    };
                }
            }
        }
        let mut pointers = values.each_mut().map(|value| ptr::from_mut(value).cast::<c_void>());
        if let Some(parameter) = parameter {
            pointers[0] = parameter;
        }
        let handle = function.handle.0;
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some(function);
        let ([x, y, z], [across, down, deep]) = (launch.blocks, launch.threads);
        // SAFETY: the function is loaded and takes the struct behind the first pointer, or a value of
        // eight bytes behind each, which the driver copies. The caller guarantees extents.
        let launched = unsafe {
            result::launch_kernel(
                handle,
                (x, y, z),
                (across, down, deep),
                launch.shared,
                self.stream(),
                &mut pointers,
            )
        };
        if let Err(error) = launched {
            let path = program.path();
            let doing = format!("kernel {kernel} of {path} cannot be launched as {launch:?}");
            return Err(self.failed(&doing, error));
        }
        if self.waits && !self.is_capturing() { self.synchronise() } else { Ok(()) }
    }

    fn memory_use(&self) -> MemoryUse {
        locked(&self.pool).usage()
    }

    fn synchronise(&self) -> Result<()> {
        self.bind()?;
        self.not_captured("waiting for the device")?;
        // SAFETY: the stream lives as long as the device.
        let done = unsafe { result::stream::synchronize(self.stream()) };
        done.map_err(|error| self.failed("waiting for the device", error))
    }

    fn begin_capture(&self) -> Result<()> {
        self.bind()?;
        let begun = locked(&self.pool).begin();
        let Some(step) = begun else { return Err(self.refusal(CAPTURING.into())) };
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream lives as long as the device, and is not the default one.
        if let Err(error) = unsafe { result::stream::begin_capture(self.stream(), mode) } {
            let mut pool = locked(&self.pool);
            pool.end();
            pool.let_go(step);
            return Err(self.failed("beginning a capture", error));
        }
        locked(&self.constants).clear();
        *locked(&self.capturing) = Some(thread::current().id());
        Ok(())
    }

    fn end_capture(self: Arc<Self>) -> Result<Box<dyn Captured>> {
        self.bind()?;
        let ended = locked(&self.pool).end();
        let Some(step) = ended else { return Err(self.refusal(NOT_CAPTURING.into())) };
        *locked(&self.capturing) = None;
        let constants = std::mem::take(&mut *locked(&self.constants));
        // From here on the step's memory is given back when the graph is dropped.
        let mut graph = Graph::of(self.clone(), step);
        // Written even if the graph cannot be made: their owners take them for written.
        let finished = graph.finish();
        for (address, bytes) in constants {
            // SAFETY: taken for as many bytes by `upload`, and the step's own.
            unsafe { self.write(address, &bytes)? };
        }
        finished.map(|()| Box::new(graph) as Box<dyn Captured>)
    }
}

const CAPTURING: &str = "a step is being captured already: end it first";
const CAPTURED_ELSEWHERE: &str = "another thread is capturing a step: wait until it has ended";
const NOT_CAPTURING: &str = "no step is being captured: begin one first";

fn not_capturable(doing: &str) -> String {
    format!("{doing} cannot be captured: do it before, in a step that is run as it comes")
}

/// The driver's memory, taken and given back while the context is current.
impl Source for Cuda {
    fn allocate(&self, bytes: usize) -> Result<Option<Address>> {
        let _relaxed = Relaxed::now();
        // SAFETY: what is written there is tensors' business.
        match unsafe { result::malloc_sync(bytes) } {
            Ok(address) => Ok(Some(Address(address))),
            Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => Ok(None),
            Err(error) => Err(self.failed("allocating memory", error)),
        }
    }

    fn free(&self, address: Address) {
        let _relaxed = Relaxed::now();
        // SAFETY: the pool's: it was allocated above, and nobody uses it. The driver waits for kernels
        // that still do. A failure is one of an earlier kernel, which the next call tells.
        let _ = unsafe { result::free_sync(address.0) };
    }
}

/// A panic elsewhere leaves nothing half-changed that these locks guard.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
