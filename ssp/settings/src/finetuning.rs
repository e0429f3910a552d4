//! Settings of supervised training, from scratch or fine-tuning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Centre, Optimisation, Phases};
use sampling::augment::Augmentation;

/// Supervised training, from scratch or fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finetuning {
    /// Steps and rates; `learning_rate` is that from scratch.
    pub optimisation: Optimisation,
    /// Highest learning rate where weights were pretrained.
    pub pretrained_learning_rate: f64,
    /// Views of images.
    pub augmentation: Augmentation,
    /// What lies in the middle of a view before random shifts: labels (as published), motion,
    /// slice.
    pub centre: Centre,
    /// Labelled phases that are trained on, and that the validation loss is of: all, ed, es.
    pub phases: Phases,
    /// The loss.
    pub loss: Loss,
    /// Epochs at the start during which a pretrained encoder stays as it is.
    pub frozen_epochs: usize,
    /// Optimiser steps, in whole epochs, however many subjects have labels; 0: epochs say.
    pub steps: usize,
    /// Epochs between looks at the validation subjects.
    pub validate_every: usize,
    /// The same in steps, in whole epochs; 0: validate_every says.
    pub validate_steps: usize,
    /// Stop after this many epochs without a lower validation loss; 0: never.
    pub patience: usize,
    /// A validation loss above the lowest by no more than this does not count against patience.
    pub min_delta: f64,
}

impl Finetuning {
    /// Epochs, of so many steps each.
    pub fn epochs(&self, steps_each: usize) -> usize {
        match self.steps {
            0 => self.optimisation.epochs,
            steps => steps.div_ceil(steps_each.max(1)),
        }
    }

    /// Epochs between looks at the validation subjects, of so many steps each.
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
