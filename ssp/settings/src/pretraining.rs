//! Settings of pretraining: what all pretext tasks share, and what is of one task alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Centre, Optimisation};
use sampling::augment::{Augmentation, Chance};

/// Pretraining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pretraining {
    /// Steps and rates.
    pub optimisation: Optimisation,
    /// Views of images.
    pub augmentation: Augmentation,
    /// What lies in the middle of a view before random shifts: labels (as published), motion (from
    /// where the heart moves, without labels), slice.
    pub centre: Centre,
    /// Epochs between looks at the validation subjects; 0: never. DINO never does.
    pub validate_every: usize,
    /// SimCLR and PCL.
    pub contrastive: Contrastive,
    /// DINO.
    pub dino: Dino,
    /// Masked image modelling.
    pub mim: Mim,
}

/// Settings of SimCLR and PCL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contrastive {
    /// What similarities are divided by.
    pub temperature: f64,
    /// PCL: slices whose relative positions differ by less than this are positives.
    pub threshold: f64,
    /// PCL: relative positions wrap around, as phases do.
    pub cyclic: bool,
    /// Widths of the projection's linear layers.
    pub mlp: Vec<usize>,
}

/// Where DINO's teacher starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TeacherStart {
    /// From random weights of its own, as published.
    Own,
    /// From the student's weights, as DINO's authors have it.
    Student,
}

/// Changes to [`Pretraining::augmentation`] for some of DINO's views; none keeps what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AugmentationChange {
    /// Shift per axis, in pixels of a target of 256; it scales with the target's size.
    pub translation: Option<Chance>,
    /// Rotation in degrees.
    pub rotation: Option<Chance>,
    /// Scale of both axes; above 1 shows more of the slice.
    pub scale: Option<Chance>,
    /// Probability of mirroring rows and columns.
    pub flip: Option<[f64; 2]>,
    /// Deviation of Gaussian noise.
    pub noise: Option<Chance>,
    /// Gaussian blur: sigma in pixels.
    pub blur: Option<Chance>,
    /// Scaling of intensities.
    pub intensity_scale: Option<Chance>,
    /// Value added to intensities.
    pub intensity_shift: Option<Chance>,
    /// Exponent of contrast.
    pub contrast: Option<Chance>,
    /// Probability of solarisation.
    pub solarise: Option<f64>,
}

impl AugmentationChange {
    /// The augmentation with the changes made.
    pub fn applied(&self, base: &Augmentation) -> Augmentation {
        Augmentation {
            translation: self.translation.unwrap_or(base.translation),
            rotation: self.rotation.unwrap_or(base.rotation),
            scale: self.scale.unwrap_or(base.scale),
            flip: self.flip.unwrap_or(base.flip),
            noise: self.noise.unwrap_or(base.noise),
            blur: self.blur.unwrap_or(base.blur),
            intensity_scale: self.intensity_scale.unwrap_or(base.intensity_scale),
            intensity_scale_means: base.intensity_scale_means,
            intensity_shift: self.intensity_shift.unwrap_or(base.intensity_shift),
            contrast: self.contrast.unwrap_or(base.contrast),
            solarise: self.solarise.unwrap_or(base.solarise),
            solarise_above: base.solarise_above,
        }
    }
}

/// Settings of DINO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dino {
    /// Local views per slice, beside the two global ones.
    pub local_views: usize,
    /// Rows and columns of a local view, in pixels.
    pub local_size: usize,
    /// Changes to the augmentation for the first global view.
    pub first: AugmentationChange,
    /// Changes to the augmentation for the second global view.
    pub second: AugmentationChange,
    /// Changes to the augmentation for local views.
    pub local: AugmentationChange,
    /// Width of the head's hidden layers.
    pub hidden: usize,
    /// Width of the features that are normalised to length 1.
    pub bottleneck: usize,
    /// Width of the head's output: the number of prototypes.
    pub outputs: usize,
    /// Batch norm in the head.
    pub batch_norm: bool,
    /// The magnitude of the last layer is fixed at 1.
    pub fixed_magnitude: bool,
    /// What the student's outputs are divided by.
    pub student_temperature: f64,
    /// What the teacher's centred outputs are divided by, after its warm-up.
    pub teacher_temperature: f64,
    /// The same at the start.
    pub first_teacher_temperature: f64,
    /// Epochs over which the teacher's temperature changes, linearly.
    pub teacher_temperature_epochs: usize,
    /// Share of the centre that each step keeps.
    pub centre_momentum: f64,
    /// Share of the teacher's weights that each step keeps, at the start; by half a cosine to 1.
    pub teacher_momentum: f64,
    /// Where the teacher starts: own (random weights of its own, as published) or student (the
    /// student's weights, as DINO's authors have it).
    pub teacher_start: TeacherStart,
    /// Epochs at the start during which the last layer does not change.
    pub frozen_last_layer_epochs: usize,
    /// Epochs between checkpoints that are kept; 0: none.
    pub checkpoint_every: usize,
}

/// What replaces hidden patches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Masking {
    /// This value, of standardised intensities.
    Constant(f64),
    /// Something drawn.
    Drawn(Fill),
}

/// What is drawn in place of hidden patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// Standard normal noise.
    GaussianNoise,
    /// Their pixels, shuffled within each patch.
    ShufflePixelsPatch,
    /// Their pixels, shuffled within each image.
    ShufflePixelsImage,
    /// Their pixels, shuffled within the batch.
    ShufflePixelsBatch,
    /// The patches, shuffled within each image.
    ShufflePatchesImage,
    /// The patches, shuffled within the batch.
    ShufflePatchesBatch,
    /// The same place of another image of the batch.
    ReplacePatches,
}

impl Fill {
    /// Every name, as settings have it.
    pub const NAMES: [&'static str; 7] = [
        "gaussian_noise",
        "shuffle_pixels_patch",
        "shuffle_pixels_image",
        "shuffle_pixels_batch",
        "shuffle_patches_image",
        "shuffle_patches_batch",
        "replace_patches",
    ];
}

/// Settings of masked image modelling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mim {
    /// Rows and columns of a patch, in pixels.
    pub patch: [usize; 2],
    /// Share of the patches that is hidden.
    pub ratio: f64,
    /// Each patch is hidden with that probability, instead of exactly that share of each image.
    pub by_probability: bool,
    /// What replaces hidden patches: a number, gaussian_noise, shuffle_pixels_patch,
    /// shuffle_pixels_image, shuffle_pixels_batch, shuffle_patches_image, shuffle_patches_batch or
    /// replace_patches.
    pub masking: Masking,
}
