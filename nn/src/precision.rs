//! The precision of a network's features, which is that of its input images.

use kernels::cast::cast;
use kernels::simd;
use tensor::{DType, Device, Result, Tensor};

/// The precision of images and features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Precision {
    mixed: bool,
}

impl Precision {
    /// Mixed precision: images and features in bf16, all else in float32.
    pub fn mixed(mixed: bool) -> Self {
        Precision { mixed }
    }

    /// Whether features on `device` are in bf16. On a processor that multiplies bf16 no faster than float32 they
    /// are not, even in mixed precision.
    pub fn is_mixed_on(self, device: &Device) -> bool {
        self.mixed && (*device != Device::Cpu || simd::level().multiplies_bf16())
    }

    /// Images in the precision that the network should compute in: bf16 if that is
    /// [mixed](Self::is_mixed_on), else unchanged. Images in float64 stay in float64.
    ///
    /// # Errors
    /// When a device fails.
    pub fn images(self, images: &Tensor) -> Result<Tensor> {
        match images.dtype() {
            DType::F32 if self.is_mixed_on(&images.device()) => cast(images, DType::BF16),
            _ => Ok(images.clone()),
        }
    }
}

/// A network's output in float32 if it is in bf16, else unchanged: for losses over rows, and for the
/// host.
///
/// # Errors
/// When a device fails.
pub fn widened(output: &Tensor) -> Result<Tensor> {
    match output.dtype() {
        DType::BF16 => cast(output, DType::F32),
        _ => Ok(output.clone()),
    }
}
