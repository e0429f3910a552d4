//! What the driver shows: a device, and kernels loaded onto it.

use std::ffi::{CString, c_int};
use std::sync::Arc;

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaContext, CudaStream};

use super::compiler::Compiled;
use super::functions::{ARGUMENTS, Function, Handle, Module};
use crate::gpu::Program;

/// What is looked for first.
const DRIVER: &str = if cfg!(windows) {
    "nvcuda.dll (the driver of NVIDIA's GPUs)"
} else {
    "libcuda.so.1 (the driver of NVIDIA's GPUs)"
};

/// The oldest driver that takes what the compiler makes, and has all that is called.
const OLDEST_DRIVER: i32 = 12_000;

/// The oldest compute capability that kernels are written for: tensor cores that take bf16.
const OLDEST_CAPABILITY: (i32, i32) = (8, 0);

/// A device that the driver has shown.
pub struct Hardware {
    pub context: Arc<CudaContext>,
    pub stream: Arc<CudaStream>,
    pub name: String,
    /// Compute capability.
    capability: (i32, i32),
    /// What the driver can do, as 1000 times the major version of CUDA and 10 times the minor.
    driver: i32,
}

impl Hardware {
    /// The first device, or one clause that says why there is none.
    pub fn find() -> std::result::Result<Self, String> {
        // SAFETY: the driver's library does nothing when loaded but set itself up.
        if !unsafe { sys::is_culib_present() } {
            return Err(format!("{DRIVER} was not found by the system's loader"));
        }
        let version = driver_version();
        if version < OLDEST_DRIVER {
            return Err(format!(
                "{DRIVER} knows CUDA {}, and {} or later is needed",
                dotted(version),
                dotted(OLDEST_DRIVER)
            ));
        }
        let found = Self::first(version)
            .map_err(|error| format!("{DRIVER} has no device: {}", explained(error)))?;
        let (major, minor) = found.capability;
        if found.capability < OLDEST_CAPABILITY {
            return Err(format!(
                "{} has compute capability {major}.{minor}, and 8.0 or later is needed",
                found.name
            ));
        }
        Ok(found)
    }

    fn first(driver: i32) -> std::result::Result<Self, DriverError> {
        let context = CudaContext::new(0)?;
        // SAFETY: memory and order are looked after here, on one stream.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream()?;
        let name = context.name()?;
        let capability = context.compute_capability()?;
        Ok(Hardware { context, stream, name, capability, driver })
    }

    /// What kernels are compiled for. On Hopper it is the architecture whose tensor cores have
    /// instructions of their own.
    pub fn architecture(&self) -> String {
        let (major, minor) = self.capability;
        let own = if self.capability == (9, 0) { "a" } else { "" };
        format!("sm_{major}{minor}{own}")
    }

    /// What the driver can do, as a version of CUDA: `13.0`.
    pub fn driver_version(&self) -> String {
        dotted(self.driver)
    }

    /// Loads a program, for as long as this one runs.
    pub fn module(
        &self,
        program: &Program,
        compiled: &Compiled,
    ) -> std::result::Result<Module, DriverError> {
        // SAFETY: a whole cubin, as the compiler gave it.
        let handle = unsafe { result::module::load_data(compiled.cubin.as_ptr().cast()) }?;
        // What is no kernel has no registers of its own.
        let kernels = compiled.kernels.iter().filter(|usage| usage.registers > 0);
        let kernels = kernels.map(|usage| usage.name.clone()).collect();
        Ok(Module { handle: Handle(handle), program: program.clone(), kernels })
    }

    /// Readies a kernel of a module to be launched.
    pub fn function(
        &self,
        module: &Module,
        kernel: &str,
    ) -> std::result::Result<Function, DriverError> {
        let name = CString::new(kernel).map_err(|_| DriverError(CUresult::CUDA_ERROR_NOT_FOUND))?;
        // SAFETY: modules are never unloaded.
        let handle = unsafe { result::module::get_function(module.handle.0, name) }?;
        self.allow_shared(handle)?;
        Ok(Function {
            handle: Handle(handle),
            program: module.program.clone(),
            kernel: kernel.to_owned(),
            parameters: self.parameters(handle),
        })
    }

    /// Lets launches of a kernel ask for all the shared memory that the device has, beyond the
    /// customary 48 KiB. What a launch does not ask for is not taken.
    fn allow_shared(&self, function: sys::CUfunction) -> std::result::Result<(), DriverError> {
        use sys::{CUdevice_attribute as Device, CUfunction_attribute as Kernel};
        let most = Device::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let most = self.context.attribute(most)?;
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
        if self.driver < 12_040 {
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
}

/// The driver's version, as 1000 times the major version of CUDA and 10 times the minor; 0 where it
/// will not tell.
fn driver_version() -> i32 {
    let mut version = 0;
    // SAFETY: the library is there, and the number to be written too.
    match unsafe { sys::cuDriverGetVersion(&mut version) } {
        CUresult::CUDA_SUCCESS => version,
        _ => 0,
    }
}

/// The major version of CUDA that the driver knows; none where there is no driver.
pub fn driver_major() -> Option<i32> {
    // SAFETY: the driver's library does nothing when loaded but set itself up.
    let present = unsafe { sys::is_culib_present() };
    present.then(driver_version).filter(|version| *version > 0).map(|version| version / 1000)
}

fn dotted(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// Whether the device is of no more use after an error: one of a kernel, or of the hardware.
pub fn breaks(error: DriverError) -> bool {
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
pub fn explained(error: DriverError) -> String {
    match (error.error_string(), error.error_name()) {
        (Ok(text), Ok(name)) => format!("{} ({})", text.to_string_lossy(), name.to_string_lossy()),
        _ => format!("error {} of the driver", error.0 as c_int),
    }
}
