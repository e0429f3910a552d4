//! Settings of pretraining: what all pretext tasks share, and what is of one task alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Centre, Optimisation};
use sampling::augment::{Augmentation, Chance};

/// Pretraining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pretraining {
    /// The optimiser.
    pub optimisation: Optimisation,
    /// Views of images.
    pub augmentation: Augmentation,
    /// The centre of a view before random shifts: labels (as published), motion (where the heart
    /// moves; needs no labels), slice.
    pub centre: Centre,
    /// Epochs between validations; 0: never. DINO has none.
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
    /// Temperature: similarities are divided by it.
    pub temperature: f64,
    /// PCL: slices whose relative positions differ by less than this are positives.
    pub threshold: f64,
    /// PCL: relative positions wrap around, as phases do.
    pub cyclic: bool,
    /// Widths of the linear layers of the projection head.
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

/// Changes to [`Pretraining::augmentation`] for some of DINO's views; `None` changes nothing.
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
    /// The augmentation with these changes.
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
    /// Local views per slice, in addition to the two global ones.
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
    /// Width of the L2-normalised bottleneck.
    pub bottleneck: usize,
    /// Width of the head's output: the number of prototypes.
    pub outputs: usize,
    /// Batch norm in the head.
    pub batch_norm: bool,
    /// The magnitude of the last layer is fixed at 1.
    pub fixed_magnitude: bool,
    /// Temperature of the student: its outputs are divided by it.
    pub student_temperature: f64,
    /// Temperature of the teacher after its warm-up: its centred outputs are divided by it.
    pub teacher_temperature: f64,
    /// Temperature of the teacher at the start.
    pub first_teacher_temperature: f64,
    /// Epochs over which the teacher's temperature rises linearly.
    pub teacher_temperature_epochs: usize,
    /// Momentum of the centre: the share that each step keeps.
    pub centre_momentum: f64,
    /// Momentum of the teacher at the start: the share of its weights that each step keeps. Rises to
    /// 1 by half a cosine.
    pub teacher_momentum: f64,
    /// Where the teacher starts: own (random weights of its own, as published) or student (the
    /// student's weights, as DINO's authors have it).
    pub teacher_start: TeacherStart,
    /// Epochs at the start during which the last layer is frozen.
    pub frozen_last_layer_epochs: usize,
    /// Epochs between checkpoints that are kept; 0: none.
    pub checkpoint_every: usize,
}

/// The content of masked patches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Masking {
    /// A constant, in units of the standardised intensity.
    Constant(f64),
    /// Drawn at random.
    Drawn(Fill),
}

/// Random content of masked patches.
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
    /// The same patch of another image of the batch.
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
    /// Share of the patches that are masked.
    pub ratio: f64,
    /// Mask each patch with this probability, instead of exactly this share of each image.
    pub by_probability: bool,
    /// The content of masked patches: a number, gaussian_noise, shuffle_pixels_patch,
    /// shuffle_pixels_image, shuffle_pixels_batch, shuffle_patches_image, shuffle_patches_batch or
    /// replace_patches.
    pub masking: Masking,
}
