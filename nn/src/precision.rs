//! In which precision a network computes: that of the images that it is given.

use kernels::cast::cast;
use tensor::{DType, Result, Tensor};

/// What images and features are stored in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Precision {
    mixed: bool,
}

impl Precision {
    /// Mixed precision: images and features in bf16, all else in float32.
    pub fn mixed(mixed: bool) -> Self {
        Precision { mixed }
    }

    /// Images as the network is to see them: in bf16 if that is wanted and they lie on a GPU. Where
    /// its parameters are of float64, nothing is narrowed.
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

/// What a network says, as precise as its parameters are: for losses over rows, and for the host.
///
/// # Errors
/// When a device fails.
pub fn widened(output: &Tensor) -> Result<Tensor> {
    match output.dtype() {
        DType::BF16 => cast(output, DType::F32),
        _ => Ok(output.clone()),
    }
}
