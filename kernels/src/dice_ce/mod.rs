//! Cross entropy and soft Dice of a segmentation, over several scales: the study's loss.
//!
//! Dice: Milletari, Navab, Ahmadi, *V-Net* (3DV 2016), here with plain sums in the denominator and
//! per image, as MONAI's `DiceLoss(batch=False)`. Their sum, at every scale of a U-Net: Isensee et
//! al., *nnU-Net* (Nature Methods 2021).

pub mod check;
mod cpu;
pub(crate) mod cuda;
mod scale;

use tensor::{Error, Feature, Result, Tensor, same_device, with_features};

use scale::{Scale, Terms};

/// Settings of the loss.
#[derive(Clone, Debug, PartialEq)]
pub struct DiceCe {
    /// Weight of each class in the Dice part; normalised to sum 1.
    pub class_weights: Vec<f64>,
    /// Added to numerator and denominator of Dice.
    pub smooth: f64,
    /// Weight of the cross entropy.
    pub cross_entropy_weight: f64,
    /// Weight of the Dice part.
    pub dice_weight: f64,
}

impl Default for DiceCe {
    /// The study's: background and three structures, background left out of Dice.
    fn default() -> Self {
        DiceCe {
            class_weights: vec![0.0, 1.0, 1.0, 1.0],
            smooth: 1e-5,
            cross_entropy_weight: 0.5,
            dice_weight: 0.5,
        }
    }
}

/// A loss and its parts, each averaged over scales.
#[derive(Debug)]
pub struct SegmentationLoss {
    /// The weighted sum of both parts, on the tape.
    pub total: Tensor,
    /// Cross entropy and one minus Dice, unweighted, in float64: `[2]`, off the tape.
    pub parts: Tensor,
}

/// The loss of logits at one or more scales against one label map.
///
/// With probabilities `p = softmax(logits)` and one-hot labels `y`, both `[batch, pixels, classes]`,
/// a scale has
///
/// ```text
/// cross entropy = - mean over batch and pixels of ln p[label]
/// dice          = mean over batch of Σ over classes of w (1 - (2 Σ p y + s) / (Σ p + Σ y + s))
/// ```
///
/// the inner sums running over the pixels of an image. Scale `k` of `logits` counts `2^-k`, and
/// the weights of all scales sum to 1. Labels are shrunk to a scale by nearest-exact sampling.
///
/// | tensor | shape |
/// |---|---|
/// | `logits[k]` | `[batch, rows_k, columns_k, classes]`, finest first |
/// | `labels` | `[batch, rows, columns]`, `u8`, below the number of classes |
///
/// # Errors
/// When shapes or dtypes do not fit, a label is no class, or the settings are not for this number
/// of classes. On a GPU labels are not checked, to avoid a synchronisation: a label out of range
/// makes the loss infinite.
pub fn dice_ce(logits: &[&Tensor], labels: &Tensor, settings: &DiceCe) -> Result<SegmentationLoss> {
    let class_weights = settings.normalised_weights()?;
    scale::extents(logits, labels, class_weights.len())?;
    same_device("dice_ce", logits.iter().copied().chain([labels]))?;
    with_features!("dice_ce", logits[0],
        gpu => cuda::dice_ce(gpu, logits, labels, &class_weights, settings),
        T => {
            let scales = Scale::all(logits, labels, class_weights.len())?;
            let terms: Vec<Terms> =
                scales.iter().map(|scale| scale.terms::<T>(&class_weights, settings)).collect();
            let over_scales = |term: fn(&Terms) -> f64| {
                let terms = scales.iter().zip(&terms);
                terms.map(|(scale, terms)| scale.weight * term(terms)).sum::<f64>()
            };
            let entropy = over_scales(|terms| terms.cross_entropy);
            let dice = over_scales(|terms| terms.dice);
            let total = settings.cross_entropy_weight * entropy + settings.dice_weight * dice;
            let total = Tensor::scalar(<T as Feature>::Acc::from_f64(total));
            let total = total.recorded("dice_ce", logits, move |gradient, wanted| {
                let gradient = gradient.item()?;
                let parts = scales.iter().zip(&terms).zip(wanted).map(|((scale, terms), wanted)| {
                    wanted.then(|| scale.gradient::<T>(terms, gradient))
                });
                Ok(parts.collect())
            });
            Ok(SegmentationLoss { total, parts: Tensor::from_slice(&[entropy, dice], [2])? })
        }
    )
}

impl DiceCe {
    fn normalised_weights(&self) -> Result<Vec<f64>> {
        let (total, classes) = (self.class_weights.iter().sum::<f64>(), self.class_weights.len());
        if classes > usize::from(u8::MAX) {
            return Err(Error::value("dice_ce", format!("{classes} classes are more than 255")));
        }
        let usable = self.class_weights.iter().all(|w| w.is_finite() && *w >= 0.0);
        if !usable || total <= 0.0 {
            let what = format!(
                "class weights {:?}: none may be negative and one must be positive",
                self.class_weights
            );
            return Err(Error::value("dice_ce", what));
        }
        Ok(self.class_weights.iter().map(|w| w / total).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused() {
        let logits = Tensor::zeros::<f32>([2, 4, 4, 4]);
        let labels = Tensor::zeros::<u8>([2, 4, 4]);
        let study = DiceCe::default();
        let refusal = |logits: &[&Tensor], labels: &Tensor, settings: &DiceCe| {
            dice_ce(logits, labels, settings).unwrap_err().to_string()
        };
        assert_eq!(refusal(&[], &labels, &study), "dice_ce: no logits");
        let two = DiceCe { class_weights: vec![1.0, 1.0], ..study.clone() };
        assert_eq!(
            refusal(&[&logits], &labels, &two),
            "dice_ce: logits [2, 4, 4, 4] are not [2, rows, columns, 2]: labels are of [2, 4, 4] \
             and there are 2 class weights"
        );
        let high = Tensor::from_slice(&[7u8; 32], [2, 4, 4]).unwrap();
        assert_eq!(refusal(&[&logits], &high, &study), "dice_ce: label 7 is none of 4 classes");
        assert!(refusal(&[&logits], &logits, &study).contains("takes u8, not f32"));
        let none = DiceCe { class_weights: vec![0.0; 4], ..study };
        assert!(refusal(&[&logits], &labels, &none).contains("one must be positive"));
    }

    #[test]
    fn logits_that_are_not_numbers_are_not_hidden() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut values = vec![0.0f32; 4 * 4 * 4];
            values[21] = bad;
            let logits = Tensor::from_slice(&values, [1, 4, 4, 4]).unwrap();
            let labels = Tensor::zeros::<u8>([1, 4, 4]);
            let loss = dice_ce(&[&logits], &labels, &DiceCe::default()).unwrap();
            assert!(!loss.total.item().unwrap().is_finite());
        }
    }

    #[test]
    fn the_bits_do_not_depend_on_the_number_of_threads() {
        let size = [3, 70, 70, 4];
        let logits = Tensor::build::<f32>(size, |out| {
            out.iter_mut().enumerate().for_each(|(i, x)| *x = (i * 37 % 101) as f32 / 25.0);
        });
        let labels: Vec<u8> = (0..3 * 70 * 70).map(|i| (i / 11 % 4) as u8).collect();
        let labels = Tensor::from_slice(&labels, [3, 70, 70]).unwrap();
        let on_threads = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let logits = Tensor::from_slice(logits.data::<f32>(), size).unwrap().parameter();
                let loss = dice_ce(&[&logits], &labels, &DiceCe::default()).unwrap();
                let total = loss.total.item().unwrap();
                (total, loss.total.backward().unwrap().get(&logits).unwrap().to_f64())
            })
        };
        assert_eq!(on_threads(1), on_threads(3));
    }
}
