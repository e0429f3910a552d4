//! All intensity transforms of an image, in one call.

use rayon::prelude::*;
use tensor::{Error, Result, Tensor, with_device};

use super::{Noise, Power, add_noise, affine, blur, contrast, cuda, solarise};

/// What happens to the intensities of an image, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adjustment {
    /// Scale and offset: `scale * v + offset`.
    pub affine: [f64; 2],
    /// Noise that is added.
    pub noise: Option<Noise>,
    /// Blur.
    pub blur: Option<Blur>,
    /// Exponent of contrast.
    pub contrast: Option<f64>,
    /// Solarisation: values above the first become the second minus them.
    pub solarise: Option<[f64; 2]>,
}

/// Gaussian blur with zeros outside of the image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blur {
    /// Sigma in pixels, `[rows, columns]`.
    pub sigma: [f64; 2],
    /// What is added to every value afterwards.
    pub shift: f64,
}

impl Adjustment {
    /// Leaves everything as it is.
    pub const NOTHING: Adjustment =
        Adjustment { affine: [1.0, 0.0], noise: None, blur: None, contrast: None, solarise: None };

    /// Makes an image of `columns` columns, in as few passes as the formulas allow. The first is
    /// the caller's: `write([scale, offset], out)` has to write every value, `scale * v + offset`,
    /// into `out`. `spare` is scratch memory for a blur, reused from image to image.
    pub fn make<T: Power>(
        &self,
        columns: usize,
        spare: &mut Vec<T>,
        image: &mut [T],
        write: impl FnOnce([T; 2], &mut [T]),
    ) {
        let first = match self.blur {
            None => &mut *image,
            Some(_) => {
                spare.resize(image.len(), T::default());
                &mut *spare
            }
        };
        write(self.affine.map(T::from_f64), first);
        if let Some(noise) = &self.noise {
            add_noise(first, noise);
        }
        if let Some(Blur { sigma, shift }) = self.blur {
            blur(spare, columns, sigma, [1.0, shift].map(T::from_f64), image);
        }
        if let Some(gamma) = self.contrast {
            contrast(image, gamma);
        }
        if let Some([above, top]) = self.solarise {
            solarise(image, T::from_f64(above), T::from_f64(top));
        }
    }
}

/// Adjusts images, `[n, rows, columns, 1]`, each in its own way. It is no operation of the tape.
///
/// # Errors
/// When the images are not float images of one channel, or not as many as `adjustments`.
pub fn adjust(images: &Tensor, adjustments: &[Adjustment]) -> Result<Tensor> {
    let Some([n, rows, columns, 1]) = images.shape().as_array() else {
        let what = format!("takes [n, rows, columns, 1], not {}", images.shape());
        return Err(Error::shape("intensity", what));
    };
    if n != adjustments.len() {
        let what = format!("{} adjustments for {n} images", adjustments.len());
        return Err(Error::value("intensity", what));
    }
    with_device!("intensity", images,
        _gpu => cuda::adjust(images, adjustments, [rows, columns]),
        T => Ok(Tensor::build::<T>(images.shape(), |out| {
            let size = (rows * columns).max(1);
            let each = out.par_chunks_mut(size).zip(images.data::<T>().par_chunks(size));
            each.zip(adjustments).for_each_init(Vec::new, |spare, ((out, image), adjustment)| {
                adjustment.make(columns, spare, out, |[scale, offset], out| {
                    out.copy_from_slice(image);
                    affine(out, scale, offset);
                });
            });
        }))
    )
}
