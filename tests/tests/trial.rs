//! A GPU that computes otherwise than the CPU is found out before it is used.

use std::sync::Arc;

use emulator::{Emulator, Mode};
use tensor::gpu::{Address, CapturedGraph, Gpu, KernelArguments, Launch, Program};
use tensor::{Device, MemoryUse, Result};

/// An emulated GPU that leaves the launches of one kernel out.
struct Faulty {
    gpu: Arc<Emulator>,
    kernel: &'static str,
}

impl Gpu for Faulty {
    fn name(&self) -> String {
        format!("{} without {}", self.gpu.name(), self.kernel)
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        self.gpu.allocate(bytes)
    }

    fn upload(&self, bytes: &[u8]) -> Result<Address> {
        self.gpu.upload(bytes)
    }

    unsafe fn release(&self, address: Address, bytes: usize) {
        // SAFETY: the caller's.
        unsafe { self.gpu.release(address, bytes) }
    }

    unsafe fn write(&self, to: Address, bytes: &[u8]) -> Result<()> {
        // SAFETY: the caller's.
        unsafe { self.gpu.write(to, bytes) }
    }

    unsafe fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        // SAFETY: the caller's.
        unsafe { self.gpu.read(from, bytes) }
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        // SAFETY: the caller's.
        unsafe { self.gpu.copy(from, to, bytes) }
    }

    unsafe fn launch(
        &self,
        program: &Program,
        kernel: &str,
        launch: Launch,
        arguments: &dyn KernelArguments,
    ) -> Result<()> {
        match kernel == self.kernel {
            true => Ok(()),
            // SAFETY: the caller's.
            false => unsafe { self.gpu.launch(program, kernel, launch, arguments) },
        }
    }

    fn memory_use(&self) -> MemoryUse {
        self.gpu.memory_use()
    }

    fn synchronise(&self) -> Result<()> {
        self.gpu.synchronise()
    }

    fn begin_capture(&self) -> Result<()> {
        self.gpu.begin_capture()
    }

    fn end_capture(self: Arc<Self>) -> Result<Box<dyn CapturedGraph>> {
        self.gpu.clone().end_capture()
    }
}

#[test]
fn a_gpu_that_leaves_something_out_is_not_taken() {
    for kernel in ["taps_weight_parts", "batch_norm_backward", "dice_ce_backward"] {
        let Some(gpu) = Emulator::for_test("trial of a faulty GPU", Mode::Fast) else { return };
        let faulty: Arc<dyn Gpu> = Arc::new(Faulty { gpu, kernel });
        let why = common::device::trial(&Device::Gpu(faulty)).unwrap_err();
        assert!(why.contains("are off by"), "{kernel}: {why}");
    }
}
