//! A GPU behind the driver.

use std::ffi::{CString, c_int, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaContext, CudaStream};

use super::cache::Cache;
use super::compiler::{Compiled, Compiler};
use super::functions::{Function, Functions, Handle};
use super::pool::{Pool, Source};
use super::staging::Staging;
use crate::gpu::{Address, Argument, Launch, Program};
use crate::{Error, Gpu, MemoryUse, Result};

/// The most arguments that a kernel may take.
const ARGUMENTS: usize = 64;

/// A device that the driver has shown.
pub struct Hardware {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    name: String,
    /// Compute capability.
    capability: (i32, i32),
    /// What the driver can do, as 1000 times the major version of CUDA and 10 times the minor.
    driver: i32,
}

impl Hardware {
    /// The oldest compute capability that kernels are written for: tensor cores that take bf16.
    const OLDEST: (i32, i32) = (8, 0);

    /// The first device, or one clause that says why there is none.
    pub fn find() -> std::result::Result<Self, String> {
        // SAFETY: the driver's library does nothing when loaded but set itself up.
        if !unsafe { sys::is_culib_present() } {
            return Err(
                "libcuda.so.1 (the driver of NVIDIA's GPUs) was not found by the system's \
                        loader"
                    .to_owned(),
            );
        }
        let found = Self::first().map_err(|error| {
            let why = explained(error);
            format!("libcuda.so.1 (the driver of NVIDIA's GPUs) has no device: {why}")
        })?;
        let (major, minor) = found.capability;
        if found.capability < Self::OLDEST {
            return Err(format!(
                "{} has compute capability {major}.{minor}, and 8.0 or later is needed",
                found.name
            ));
        }
        Ok(found)
    }

    fn first() -> std::result::Result<Self, DriverError> {
        let context = CudaContext::new(0)?;
        // SAFETY: memory and order are looked after here, on one stream.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream()?;
        let name = context.name()?;
        let capability = context.compute_capability()?;
        let mut driver = 0;
        // SAFETY: the number is there to be written.
        unsafe { sys::cuDriverGetVersion(&mut driver) }.result()?;
        Ok(Hardware { context, stream, name, capability, driver })
    }

    /// What kernels are compiled for. On Hopper it is the architecture whose tensor cores have
    /// instructions of their own.
    fn architecture(&self) -> String {
        let (major, minor) = self.capability;
        let own = if self.capability == (9, 0) { "a" } else { "" };
        format!("sm_{major}{minor}{own}")
    }
}

/// An NVIDIA GPU, with kernels compiled for it.
pub struct Cuda {
    hardware: Hardware,
    architecture: String,
    compiler: Compiler,
    cache: Cache,
    functions: Functions,
    /// Held while a program is loaded, so that it happens once.
    loading: Mutex<()>,
    pool: Mutex<Pool>,
    staging: Mutex<Staging>,
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
            cache: Cache::of_user(),
            functions: Functions::default(),
            loading: Mutex::default(),
            pool: Mutex::default(),
            staging: Mutex::new(Staging::new()),
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
        let (major, minor) = (self.hardware.driver / 1000, self.hardware.driver % 1000 / 10);
        format!("CUDA {major}.{minor}, {}, {}", self.compiler.version(), self.architecture)
    }

    /// How much of the device's memory tensors take.
    pub fn memory_use(&self) -> MemoryUse {
        locked(&self.pool).usage()
    }

    /// Returns idle memory to the driver: between stages whose shapes differ.
    pub fn release_idle_memory(&self) {
        if self.bind().is_ok() {
            locked(&self.pool).release_idle(self);
        }
    }

    fn stream(&self) -> sys::CUstream {
        self.hardware.stream.cu_stream()
    }

    /// Makes the device that of this thread; what broke it before is told again.
    fn bind(&self) -> Result<()> {
        if let Some(what) = self.failure.get() {
            return Err(self.refusal(what.clone()));
        }
        self.hardware.context.bind_to_thread().map_err(|error| self.failed("the device", error))
    }

    fn refusal(&self, what: String) -> Error {
        Error::Device { device: self.hardware.name.clone(), what }
    }

    /// An error of the driver, while something was done. One that breaks the device is kept.
    fn failed(&self, doing: &str, error: DriverError) -> Error {
        let mut what = format!("{doing}: {}", explained(error));
        if breaks(error) {
            let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(function) = &*last {
                let (kernel, path) = (&function.kernel, function.program.path);
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
        let _one_at_a_time = locked(&self.loading);
        if let Some(function) = self.functions.find(program, kernel) {
            return Ok(function);
        }
        let compiled = self.compiler.cached(&self.cache, program, &self.architecture)?;
        self.load(program, &compiled)?;
        self.functions.find(program, kernel).ok_or_else(|| {
            let names: Vec<&str> = compiled.kernels.iter().map(|k| k.name.as_str()).collect();
            let (path, names) = (program.path, names.join(", "));
            self.refusal(format!("{path} has no kernel {kernel}; it has {names}"))
        })
    }

    /// Loads all kernels of a program that are not loaded yet.
    fn load(&self, program: &Program, compiled: &Compiled) -> Result<()> {
        let path = program.path;
        let failed = |error| {
            let doing = format!("kernels of {path} cannot be loaded ({})", self.versions());
            self.failed(&doing, error)
        };
        // SAFETY: a whole cubin, as the compiler gave it.
        let module = unsafe { result::module::load_data(compiled.cubin.as_ptr().cast()) };
        let module = module.map_err(failed)?;
        // What is no entry takes no registers of its own, and cannot be launched.
        for usage in compiled.kernels.iter().filter(|usage| usage.registers > 0) {
            if self.functions.find(program, &usage.name).is_some() {
                continue;
            }
            let name = CString::new(usage.name.as_str()).map_err(|_| {
                self.refusal(format!("{path}: a kernel's name with a zero byte in it"))
            })?;
            // SAFETY: the module was loaded above, and is never unloaded.
            let handle = unsafe { result::module::get_function(module, name) }.map_err(failed)?;
            self.allow_shared(handle).map_err(failed)?;
            self.functions.add(Function {
                handle: Handle(handle),
                program: program.clone(),
                kernel: usage.name.clone(),
                parameters: self.parameters(handle),
            });
        }
        Ok(())
    }

    /// Lets launches of a kernel ask for all the shared memory that the device has, beyond the
    /// customary 48 KiB. What a launch does not ask for is not taken.
    fn allow_shared(&self, function: sys::CUfunction) -> std::result::Result<(), DriverError> {
        use sys::{CUdevice_attribute as Device, CUfunction_attribute as Kernel};
        let most = Device::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let most = self.hardware.context.attribute(most)?;
        // SAFETY: the function is loaded.
        unsafe {
            let own = Kernel::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES;
            let own = result::function::get_function_attribute(function, own)?;
            let dynamic = Kernel::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            result::function::set_function_attribute(function, dynamic, most - own)
        }
    }

    /// How many arguments a kernel takes; drivers before CUDA 12.4 cannot tell.
    fn parameters(&self, function: sys::CUfunction) -> Option<usize> {
        if self.hardware.driver < 12_040 {
            return None;
        }
        let (mut offset, mut size) = (0, 0);
        // SAFETY: the function is loaded; past the last parameter the driver says so.
        let mut is = |index| unsafe {
            sys::cuFuncGetParamInfo(function, index, &mut offset, &mut size)
                == CUresult::CUDA_SUCCESS
        };
        Some((0..=ARGUMENTS).take_while(|&index| is(index)).count())
    }

    /// Refuses numbers of arguments that a kernel does not take.
    fn check(&self, function: &Function, given: usize) -> Result<()> {
        let takes = function.parameters.unwrap_or(given);
        if takes == given && given <= ARGUMENTS {
            return Ok(());
        }
        let (kernel, path) = (&function.kernel, function.program.path);
        Err(self.refusal(format!("kernel {kernel} of {path} takes {takes} arguments, not {given}")))
    }
}

impl Gpu for Cuda {
    fn name(&self) -> String {
        self.hardware.name.clone()
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        self.bind()?;
        let mut pool = locked(&self.pool);
        if let Some(address) = pool.take(bytes, self)? {
            return Ok(address);
        }
        let left = result::mem_get_info().map_or(0, |(free, _)| free);
        Err(Error::DeviceMemory { device: self.name(), asked: bytes, left })
    }

    unsafe fn release(&self, address: Address, bytes: usize) {
        locked(&self.pool).give_back(address, bytes);
    }

    unsafe fn write(&self, to: Address, bytes: &[u8]) -> Result<()> {
        self.bind()?;
        // SAFETY: the caller's.
        let copied = unsafe { locked(&self.staging).write(to.0, bytes, self.stream()) };
        copied.map_err(|error| self.failed("a copy from the host", error))
    }

    unsafe fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.bind()?;
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
        arguments: &[Argument],
    ) -> Result<()> {
        self.bind()?;
        let function = self.function(program, kernel)?;
        self.check(&function, arguments.len())?;
        // The driver reads as many pointers as the kernel has parameters. Those beyond what was given
        // lead to zeros, where no driver could tell how many that are.
        let mut values = [0u64; ARGUMENTS];
        for (value, argument) in values.iter_mut().zip(arguments) {
            *value = match *argument {
                Argument::Address(address) => address.0,
                Argument::Integer(integer) => integer as u64,
                Argument::Number(number) => number.to_bits(),
            };
        }
        let mut pointers = values.each_mut().map(|value| ptr::from_mut(value).cast::<c_void>());
        let ([x, y, z], [across, down, deep]) = (launch.blocks, launch.threads);
        // SAFETY: the function is loaded, each pointer leads to a value of eight bytes, and the rest
        // is the caller's.
        let launched = unsafe {
            result::launch_kernel(
                function.handle.0,
                (x, y, z),
                (across, down, deep),
                launch.shared,
                self.stream(),
                &mut pointers,
            )
        };
        if let Err(error) = launched {
            let path = program.path;
            let doing = format!("kernel {kernel} of {path} cannot be launched as {launch:?}");
            return Err(self.failed(&doing, error));
        }
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some(function);
        if self.waits { self.synchronise() } else { Ok(()) }
    }

    fn synchronise(&self) -> Result<()> {
        self.bind()?;
        // SAFETY: the stream lives as long as the device.
        let done = unsafe { result::stream::synchronize(self.stream()) };
        done.map_err(|error| self.failed("waiting for the device", error))
    }
}

/// The driver's memory, taken and given back while the context is current.
impl Source for Cuda {
    fn allocate(&self, bytes: usize) -> Result<Option<Address>> {
        // SAFETY: what is written there is tensors' business.
        match unsafe { result::malloc_sync(bytes) } {
            Ok(address) => Ok(Some(Address(address))),
            Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => Ok(None),
            Err(error) => Err(self.failed("allocating memory", error)),
        }
    }

    fn free(&self, address: Address) {
        // SAFETY: the pool's: it was allocated above, and nobody uses it. The driver waits for kernels
        // that still do. A failure is one of an earlier kernel, which the next call tells.
        let _ = unsafe { result::free_sync(address.0) };
    }
}

/// A panic elsewhere leaves nothing half-changed that these locks guard.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the device is of no more use after an error: one of a kernel, or of the hardware.
fn breaks(error: DriverError) -> bool {
    use CUresult::*;
    matches!(
        error.0,
        CUDA_ERROR_ECC_UNCORRECTABLE
            | CUDA_ERROR_NVLINK_UNCORRECTABLE
            | CUDA_ERROR_ILLEGAL_ADDRESS
            | CUDA_ERROR_LAUNCH_TIMEOUT
            | CUDA_ERROR_ASSERT
            | CUDA_ERROR_HARDWARE_STACK_ERROR
            | CUDA_ERROR_ILLEGAL_INSTRUCTION
            | CUDA_ERROR_MISALIGNED_ADDRESS
            | CUDA_ERROR_INVALID_ADDRESS_SPACE
            | CUDA_ERROR_INVALID_PC
            | CUDA_ERROR_LAUNCH_FAILED
            | CUDA_ERROR_UNKNOWN
    )
}

/// An error in the driver's words, with the name under which it is documented.
fn explained(error: DriverError) -> String {
    match (error.error_string(), error.error_name()) {
        (Ok(text), Ok(name)) => format!("{} ({})", text.to_string_lossy(), name.to_string_lossy()),
        _ => format!("error {} of the driver", error.0 as c_int),
    }
}
