//! Settings of supervised training, from scratch or fine-tuning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Centre, Optimisation};
use crate::augment::Augmentation;

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
    /// Epochs between looks at the validation subjects.
    pub validate_every: usize,
    /// Stop after this many epochs without a lower validation loss; 0: never.
    pub patience: usize,
    /// A validation loss above the lowest by no more than this does not count against patience.
    pub min_delta: f64,
}

/// Which labelled phases are trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phases {
    /// End-diastole and end-systole.
    All,
    /// End-diastole.
    Ed,
    /// End-systole.
    Es,
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
