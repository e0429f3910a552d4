//! One image per task.

use rayon::prelude::*;
use tensor::{Feature, Shape, Tensor};

/// Means over pixels, summed in float64.
pub fn forward<T: Feature>(x: &Tensor, [batch, pixels, channels]: [usize; 3]) -> Tensor {
    Tensor::build::<T>([batch, channels], |out| {
        let images = x.data::<T>().par_chunks(pixels * channels);
        out.par_chunks_mut(channels).zip(images).for_each(|(out, image)| {
            let mut sums = vec![0.0f64; channels];
            for pixel in image.chunks_exact(channels) {
                sums.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += x.to_f64());
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = T::from_f64(sum / pixels as f64);
            }
        });
    })
}

/// Every pixel gets an equal share.
pub fn backward<T: Feature>(gradient: &Tensor, shape: Shape, pixels: usize) -> Tensor {
    let channels = shape.last();
    let share = T::Acc::from_f64(1.0 / pixels as f64);
    Tensor::build::<T>(shape, |out| {
        let images = out.par_chunks_mut(pixels * channels);
        images.zip(gradient.data::<T>().par_chunks(channels)).for_each(|(image, gradient)| {
            for pixel in image.chunks_exact_mut(channels) {
                pixel
                    .iter_mut()
                    .zip(gradient)
                    .for_each(|(out, g)| *out = T::narrow(share * g.widen()));
            }
        });
    })
}
