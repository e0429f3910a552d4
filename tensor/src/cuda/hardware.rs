//! The device as the driver shows it, and loading of kernels.

use std::ffi::{CString, c_int};
use std::sync::Arc;

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaContext, CudaStream};

use super::compiler::CompiledProgram;
use super::functions::{Function, Handle, Module};
use super::version::driver_version;
use crate::gpu::Program;

/// The driver's library, as error messages name it.
const DRIVER: &str = if cfg!(windows) {
    "nvcuda.dll (the NVIDIA driver)"
} else {
    "libcuda.so.1 (the NVIDIA driver)"
};

/// The minimum driver version, as [`Hardware::driver`]: CUDA 12, the oldest supported NVRTC.
const MIN_DRIVER: i32 = 12_000;

/// The minimum compute capability: Ampere, the first whose tensor cores multiply bf16.
const MIN_CAPABILITY: (i32, i32) = (8, 0);

/// A device with its context and the stream for all work.
pub struct Hardware {
    pub context: Arc<CudaContext>,
    pub stream: Arc<CudaStream>,
    pub name: String,
    /// Compute capability.
    capability: (i32, i32),
    /// The CUDA version of the driver: 1000 * major + 10 * minor.
    driver: i32,
}

impl Hardware {
    /// The first device, or the reason why there is none.
    pub fn find() -> Result<Self, String> {
        // SAFETY: loading the driver's library only initialises it.
        if !unsafe { sys::is_culib_present() } {
            return Err(format!("{DRIVER} was not found by the system's loader"));
        }
        let version = driver_version();
        if version < MIN_DRIVER {
            return Err(format!(
                "{DRIVER} supports CUDA {}, but {} or later is required",
                dotted(version),
                dotted(MIN_DRIVER)
            ));
        }
        let first = Self::first(version)
            .map_err(|error| format!("{DRIVER} has no device: {}", describe(error)))?;
        let (major, minor) = first.capability;
        if first.capability < MIN_CAPABILITY {
            return Err(format!(
                "{} has compute capability {major}.{minor}, but 8.0 or later is required",
                first.name
            ));
        }
        Ok(first)
    }

    fn first(driver: i32) -> Result<Self, DriverError> {
        let context = CudaContext::new(0)?;
        // SAFETY: tracking orders work on several streams, and there is only one.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream()?;
        let name = context.name()?;
        let capability = context.compute_capability()?;
        Ok(Hardware { context, stream, name, capability, driver })
    }

    /// The architecture to compile for. On Hopper it is `sm_90a`, which has the `wgmma` instructions.
    pub fn architecture(&self) -> String {
        let (major, minor) = self.capability;
        let suffix = if self.capability == (9, 0) { "a" } else { "" };
        format!("sm_{major}{minor}{suffix}")
    }

    /// The CUDA version of the driver, such as `13.0`.
    pub fn driver_version(&self) -> String {
        dotted(self.driver)
    }

    /// Loads a program. It is never unloaded.
    pub fn module(
        &self,
        program: &Program,
        compiled: &CompiledProgram,
    ) -> Result<Module, DriverError> {
        // SAFETY: a complete cubin from the compiler, or from the cache, which verifies checksums.
        let handle = unsafe { result::module::load_data(compiled.cubin.as_ptr().cast()) }?;
        // Entries without registers are functions, not kernels.
        let kernels = compiled.kernels.iter().filter(|usage| usage.registers > 0);
        let kernels = kernels.map(|usage| usage.name.clone()).collect();
        Ok(Module { handle: Handle(handle), program: program.clone(), kernels })
    }

    /// Prepares a kernel of a module for launch.
    pub fn function(&self, module: &Module, kernel: &str) -> Result<Function, DriverError> {
        let name = CString::new(kernel).map_err(|_| DriverError(CUresult::CUDA_ERROR_NOT_FOUND))?;
        // SAFETY: modules are never unloaded.
        let handle = unsafe { result::module::get_function(module.handle.0, name) }?;
        self.allow_shared(handle)?;
        Ok(Function {
            handle: Handle(handle),
            program: module.program.clone(),
            kernel: kernel.to_owned(),
        })
    }

    /// Allows launches of a kernel to use all shared memory of the device. Without this opt-in the
    /// limit is 48 KiB. It reserves nothing.
    fn allow_shared(&self, function: sys::CUfunction) -> Result<(), DriverError> {
        use sys::{CUdevice_attribute as Device, CUfunction_attribute as Kernel};
        let optin = Device::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let max = self.context.attribute(optin)?;
        // SAFETY: the function is loaded.
        unsafe {
            let size = Kernel::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES;
            let declared = result::function::get_function_attribute(function, size)?;
            let dynamic = Kernel::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            result::function::set_function_attribute(function, dynamic, max - declared)
        }
    }
}

fn dotted(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// Whether the context is unusable after an error of a kernel or of the hardware.
pub fn is_fatal(error: DriverError) -> bool {
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

/// The driver's description of an error, with its documented name.
pub fn describe(error: DriverError) -> String {
    match (error.error_string(), error.error_name()) {
        (Ok(text), Ok(name)) => format!("{} ({})", text.to_string_lossy(), name.to_string_lossy()),
        _ => format!("CUDA driver error {}", error.0 as c_int),
    }
}
