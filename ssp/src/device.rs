//! Where a run computes.

use tensor::{Device, cuda};

use crate::{Error, Result};

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// What is known to work: the processor, until the kernels for GPUs have met one.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A GPU of NVIDIA.
    Cuda,
}

impl Choice {
    /// The device. `note` is told what a user should know of it.
    ///
    /// # Errors
    /// When there is no such device; the line says what was looked for.
    pub fn open(self, note: &dyn Fn(&str)) -> Result<Device> {
        if self != Choice::Cuda {
            return Ok(Device::Cpu);
        }
        let gpu = cuda::open().map_err(|absent| {
            Error::Setting(format!(
                "--device cuda: {absent}; leave --device out to compute without"
            ))
        })?;
        let device = Device::Gpu(gpu);
        note(&format!(
            "computing on {device}, in float32. These kernels were checked on an emulated GPU only: \
             compare a short run with --device cpu"
        ));
        Ok(device)
    }
}
