//! Settings of supervised training, from scratch or fine-tuning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Centre, Optimisation, Phases};
use sampling::augment::Augmentation;

/// Supervised training, from scratch or fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finetuning {
    /// The optimiser; `learning_rate` is the rate from scratch.
    pub optimisation: Optimisation,
    /// Highest learning rate after pretraining.
    pub pretrained_learning_rate: f64,
    /// Views of images.
    pub augmentation: Augmentation,
    /// The centre of a view before random shifts: labels (as published), motion, slice.
    pub centre: Centre,
    /// Labelled phases used for training and for the validation loss: all, ed, es.
    pub phases: Phases,
    /// The loss.
    pub loss: Loss,
    /// Epochs at the start during which a pretrained encoder is frozen.
    pub frozen_epochs: usize,
    /// Optimiser steps, rounded up to whole epochs, whatever the number of labelled subjects; 0 to
    /// use epochs.
    pub steps: usize,
    /// Epochs between validations.
    pub validate_every: usize,
    /// Steps between validations, rounded up to whole epochs; 0 to use validate_every.
    pub validate_steps: usize,
    /// Stop after this many epochs without a lower validation loss; 0: never.
    pub patience: usize,
    /// A validation loss within this margin of the lowest does not count against the patience.
    pub min_delta: f64,
}

impl Finetuning {
    /// The number of epochs, given the steps of one.
    pub fn epochs(&self, steps_each: usize) -> usize {
        match self.steps {
            0 => self.optimisation.epochs,
            steps => steps.div_ceil(steps_each.max(1)),
        }
    }

    /// Epochs between validations, given the steps of one epoch.
    pub fn epochs_between_looks(&self, steps_each: usize) -> usize {
        match self.validate_steps {
            0 => self.validate_every,
            // The nearest number of epochs.
            steps => ((steps + steps_each / 2) / steps_each.max(1)).max(1),
        }
    }
}

/// The segmentation loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Weight of the cross entropy.
    pub cross_entropy: f64,
    /// Weight of the soft Dice loss.
    pub dice: f64,
    /// Weights of background, LV, myocardium and RV within the Dice loss.
    pub class_weights: [f64; 4],
}

#[cfg(test)]
mod tests {
    use crate::{Method, Preset, Settings};

    #[test]
    fn steps_are_the_same_however_long_an_epoch_is() {
        let mut finetune = Settings::preset(Preset::Small, Method::Scratch).finetune;
        assert_eq!((finetune.epochs(12), finetune.epochs_between_looks(12)), (80, 5));
        (finetune.steps, finetune.validate_steps) = (600, 50);
        assert_eq!((finetune.epochs(12), finetune.epochs_between_looks(12)), (50, 4));
        assert_eq!((finetune.epochs(90), finetune.epochs_between_looks(90)), (7, 1));
        assert_eq!((finetune.epochs(1000), finetune.epochs_between_looks(1000)), (1, 1));
    }
}
