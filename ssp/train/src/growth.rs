//! The norm of pretrained weights, which determines how fast fine-tuning can change them.
//!
//! Batch norm makes the norm of the weights before it irrelevant: only their direction matters. With
//! `g` times the norm, the same step changes the direction `g²` times less (van Laarhoven, *L2
//! regularization versus batch and weight normalization*, 2017).

use nn::Module;
use tensor::Device;

use crate::Result;

/// The growth of pretrained weights from which on it is reported.
const NOTABLE: f64 = 1.5;

/// The L2 norm of the weights of each convolution.
///
/// # Errors
/// When a device fails.
pub fn norms(module: &dyn Module) -> Result<Vec<f64>> {
    let tensors = module.parameters().into_iter().map(|parameter| parameter.tensor());
    let norms = tensors.filter(|tensor| tensor.shape().axes() == 4).map(|tensor| {
        let squares = tensor.to_device(&Device::Cpu)?.to_f64().into_iter().map(|w| w * w);
        Ok(squares.sum::<f64>().sqrt())
    });
    norms.collect()
}

/// The factor by which norms grew: their geometric mean; 1 where there are none.
pub fn growth(before: &[f64], after: &[f64]) -> f64 {
    let logarithms = before.iter().zip(after).map(|(before, after)| (after / before).ln());
    let sum: f64 = logarithms.filter(|l| l.is_finite()).sum();
    (sum / before.len().max(1) as f64).exp()
}

/// What to tell the user about such growth, if anything.
pub fn remark(growth: f64) -> Option<String> {
    (growth >= NOTABLE).then(|| {
        format!(
            "pretraining made the norm of weights {growth:.1} times as large; with batch norm, a step \
             of fine-tuning then changes their direction {:.0} times less than that of new weights. If \
             fine-tuning is slow, lower pretrain.optimisation.learning_rate or raise \
             finetune.pretrained_learning_rate",
            growth * growth
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_the_mean_factor_of_norms() {
        assert_eq!(growth(&[], &[]), 1.0);
        assert!(
            (growth(&[1.0, 2.0, 0.5], &[2.0, 16.0, 0.5]) - 16f64.powf(1.0 / 3.0)).abs() < 1e-12
        );
        assert_eq!(growth(&[0.0], &[0.0]), 1.0, "a weight of zeros has not grown");
    }

    #[test]
    fn growth_is_reported_where_it_matters() {
        assert_eq!(remark(1.2), None);
        let remark = remark(3.0).unwrap();
        assert!(remark.contains("3.0 times") && remark.contains("9 times"), "{remark}");
    }
}
