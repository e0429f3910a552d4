//! One scale of the loss: its labels, its value, its gradient.

use tensor::{DType, Error, Result, Tensor};

use super::DiceCe;
use super::cpu::{self, ImageSums, Size, Slopes};
use crate::exponential::Exponential;
use crate::simd::Loadable;

/// The logits of one scale and the labels that they are held against.
pub struct Scale {
    logits: Tensor,
    labels: Tensor,
    size: Size,
    /// Share of this scale in the loss.
    pub weight: f64,
}

/// The loss at one scale, and what its gradient needs.
pub struct Terms {
    /// Mean over all pixels.
    pub cross_entropy: f64,
    /// Mean over images.
    pub dice: f64,
    /// Derivatives of the total, image by image.
    slopes: Vec<Slopes>,
}

/// Extents of one scale, and its share in the loss.
#[derive(Clone, Copy)]
pub struct Extent {
    /// Rows and columns of its logits.
    pub pixels: [usize; 2],
    /// Its share in the loss.
    pub weight: f64,
}

/// The extents of every scale, once shapes and dtypes are found to fit.
pub fn extents(logits: &[&Tensor], labels: &Tensor, classes: usize) -> Result<Vec<Extent>> {
    let Some(first) = logits.first() else {
        return Err(Error::shape("dice_ce", "no logits"));
    };
    if labels.dtype() != DType::U8 {
        let found = labels.dtype();
        return Err(Error::DType { operation: "dice_ce labels", found, wanted: "u8" });
    }
    let Some([batch, rows, columns]) = labels.shape().as_array() else {
        let what = format!("labels {} are not [batch, rows, columns]", labels.shape());
        return Err(Error::shape("dice_ce", what));
    };
    let total: f64 = (0..logits.len()).map(|k| 0.5f64.powi(k as i32)).sum();
    let extent = |(k, &logits): (usize, &&Tensor)| {
        let extents = logits
            .shape()
            .as_array()
            .filter(|&[n, h, w, c]| n == batch && c == classes && n * h * w * rows * columns > 0);
        match extents.filter(|_| logits.dtype() == first.dtype()) {
            Some([_, h, w, _]) => {
                Ok(Extent { pixels: [h, w], weight: 0.5f64.powi(k as i32) / total })
            }
            None => Err(misfit(logits, labels, classes, first.dtype())),
        }
    };
    logits.iter().enumerate().map(extent).collect()
}

impl Scale {
    /// Every scale of the loss, once shapes, dtypes and labels are found to fit.
    pub fn all(logits: &[&Tensor], labels: &Tensor, classes: usize) -> Result<Vec<Scale>> {
        let extents = extents(logits, labels, classes)?;
        let highest = labels.data::<u8>().iter().fold(0, |highest, &label| highest.max(label));
        if usize::from(highest) >= classes {
            let what = format!("label {highest} is none of {classes} classes");
            return Err(Error::value("dice_ce", what));
        }
        let [batch, rows, columns] = labels.shape().as_array().unwrap_or_default();
        let scale = |(&logits, extent): (&&Tensor, Extent)| {
            let [h, w] = extent.pixels;
            Scale {
                logits: logits.clone(),
                labels: shrunk(labels, [batch, rows, columns], [h, w]),
                size: Size { batch, pixels: h * w, classes },
                weight: extent.weight,
            }
        };
        Ok(logits.iter().zip(extents).map(scale).collect())
    }

    /// The loss at this scale. `class_weights` sum to 1.
    pub fn terms<F: Loadable<Acc: Exponential>>(
        &self,
        class_weights: &[f64],
        settings: &DiceCe,
    ) -> Terms {
        let images = cpu::forward(self.logits.data::<F>(), self.labels.data(), self.size);
        let (batch, pixels) = (self.size.batch as f64, self.size.pixels as f64);
        let slopes = |image: &ImageSums| {
            let share = self.weight * settings.dice_weight / batch;
            Slopes {
                cross_entropy: self.weight * settings.cross_entropy_weight / (batch * pixels),
                dice: image.dice_slopes(class_weights, settings.smooth, share),
            }
        };
        let dice = |image: &ImageSums| image.dice_loss(class_weights, settings.smooth);
        Terms {
            cross_entropy: images.iter().map(|i| i.cross_entropy).sum::<f64>() / (batch * pixels),
            dice: images.iter().map(dice).sum::<f64>() / batch,
            slopes: images.iter().map(slopes).collect(),
        }
    }

    /// The gradient of the total with respect to this scale's logits, times `factor`.
    pub fn gradient<F: Loadable<Acc: Exponential>>(&self, terms: &Terms, factor: f64) -> Tensor {
        let slopes: Vec<Slopes> = terms.slopes.iter().map(|slopes| slopes.scaled(factor)).collect();
        Tensor::build::<F>(self.logits.shape(), |out| {
            cpu::backward(self.logits.data::<F>(), self.labels.data(), self.size, &slopes, out);
        })
    }
}

fn misfit(logits: &Tensor, labels: &Tensor, classes: usize, dtype: DType) -> Error {
    if logits.dtype() != dtype {
        let what = format!("logits of {dtype} and of {} together", logits.dtype());
        return Error::shape("dice_ce", what);
    }
    let what = format!(
        "logits {} are not [{}, rows, columns, {classes}]: labels are of {} and there are \
         {classes} class weights",
        logits.shape(),
        labels.dims()[0],
        labels.shape()
    );
    Error::shape("dice_ce", what)
}

/// Labels at another resolution by nearest-exact sampling: that of the source pixel in which the
/// centre of the target pixel is.
fn shrunk(labels: &Tensor, [batch, rows, columns]: [usize; 3], [h, w]: [usize; 2]) -> Tensor {
    if [rows, columns] == [h, w] {
        return labels.clone();
    }
    let source = |target: usize, from: usize, to: usize| (2 * target + 1) * from / (2 * to);
    let from_columns: Vec<usize> = (0..w).map(|x| source(x, columns, w)).collect();
    let labels = labels.data::<u8>();
    Tensor::build::<u8>([batch, h, w], |out| {
        for (line, out) in out.chunks_exact_mut(w).enumerate() {
            let start = (line / h * rows + source(line % h, rows, h)) * columns;
            let row = &labels[start..start + columns];
            out.iter_mut().zip(&from_columns).for_each(|(out, &x)| *out = row[x]);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_shrink_to_the_pixel_under_the_centre() {
        let labels: Vec<u8> = (0..35).collect();
        let labels = Tensor::from_slice(&labels, [1, 5, 7]).unwrap();
        // torch.nn.functional.interpolate(labels, size=(2, 3), mode="nearest-exact")
        let small = shrunk(&labels, [1, 5, 7], [2, 3]);
        assert_eq!(small.data::<u8>(), [8, 10, 12, 22, 24, 26]);
    }
}
