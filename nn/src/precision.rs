//! The precision of a network's features, which is that of its input images.

use kernels::cast::cast;
use tensor::{DType, Result, Tensor};

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

    /// Images in the precision that the network should compute in: bf16 on a GPU if that is
    /// mixed precision, else unchanged. Images in float64 stay in float64.
    ///
    /// # Errors
    /// When a device fails.
    pub fn images(self, images: &Tensor) -> Result<Tensor> {
        match images.gpu() {
            Some(_) if self.mixed && images.dtype() == DType::F32 => cast(images, DType::BF16),
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
