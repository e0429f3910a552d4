//! How long pretraining left the weights, which decides how far fine-tuning can move them.
//!
//! Batch norm takes the length of the weights before it out again, so that only their direction
//! counts; and the same step turns weights of `g` times the length by `g²` times less (van Laarhoven,
//! *L2 regularization versus batch and weight normalization*, 2017).

use nn::{Module, Slot};
use tensor::Device;

use crate::Result;

/// How much longer pretrained weights are than fresh ones when that is worth a line.
const NOTABLE: f64 = 1.5;

/// The lengths of the weights of convolutions, wherever they lie.
///
/// # Errors
/// When a device fails.
pub fn lengths(module: &mut dyn Module) -> Result<Vec<f64>> {
    let mut lengths = Vec::new();
    module.visit("", &mut |_, slot| {
        if let Slot::Parameter(parameter) = slot
            && parameter.tensor().shape().axes() == 4
        {
            lengths.push(parameter.tensor().on(&Device::Cpu).map(|weights| {
                let squares = weights.to_f64().into_iter().map(|w| w * w);
                squares.sum::<f64>().sqrt()
            }));
        }
    });
    lengths.into_iter().map(|length| Ok(length?)).collect()
}

/// By how much lengths grew, in the geometric mean; 1 where there are none.
pub fn growth(before: &[f64], after: &[f64]) -> f64 {
    let logarithms = before.iter().zip(after).map(|(before, after)| (after / before).ln());
    let sum: f64 = logarithms.filter(|l| l.is_finite()).sum();
    (sum / before.len().max(1) as f64).exp()
}

/// What to say of such growth.
pub fn remark(growth: f64) -> Option<String> {
    (growth >= NOTABLE).then(|| {
        format!(
            "pretraining made weights {growth:.1} times as long; as batch norm takes their length out \
             again, a step of fine-tuning turns them {:.0} times less than fresh ones. If fine-tuning \
             is slow: pretrain.optimisation.learning_rate lower, or \
             finetune.pretrained_learning_rate higher",
            growth * growth
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_the_mean_factor_of_lengths() {
        assert_eq!(growth(&[], &[]), 1.0);
        assert!(
            (growth(&[1.0, 2.0, 0.5], &[2.0, 16.0, 0.5]) - 16f64.powf(1.0 / 3.0)).abs() < 1e-12
        );
        assert_eq!(growth(&[0.0], &[0.0]), 1.0, "a weight of zeros has not grown");
    }

    #[test]
    fn growth_is_told_where_it_matters() {
        assert_eq!(remark(1.2), None);
        assert!(
            remark(3.0).unwrap().contains("3.0 times as long; ")
                && remark(3.0).unwrap().contains("9 times less")
        );
    }
}
