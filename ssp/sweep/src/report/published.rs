//! The study's own figures: de Mooij, Pluim and Scannell, *Self-supervised Pretraining for
//! Cardiovascular Magnetic Resonance Cine Segmentation* (arXiv 2409.18100).

use settings::Method;

/// A figure of the study.
pub struct Published {
    /// Labelled subjects; none for all, 296.
    pub labelled: Option<usize>,
    /// How weights were pretrained.
    pub method: Method,
    /// Mean 3D Dice on 140 test subjects of M&Ms and M&Ms-2.
    pub dice: f64,
}

/// What it says of methods and counts.
pub const PUBLISHED: [Published; 3] = [
    Published { labelled: Some(10), method: Method::Scratch, dice: 0.82 },
    Published { labelled: Some(10), method: Method::Mim, dice: 0.86 },
    Published { labelled: None, method: Method::Scratch, dice: 0.89 },
];

/// What goes with the figures, in words.
pub const COHORT: &str = "The study pretrained on 296 subjects of M&Ms and M&Ms-2 (90,618 slices) and \
                          tested on 140 others, with 256 x 256 pixels and 33 million parameters: \
                          another cohort and another budget, so that its figures stand beside these \
                          and not against them. With all labels it found no gain by pretraining.";
