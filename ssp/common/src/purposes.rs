//! What the study draws random numbers for.
//!
//! The numbers name random streams: changing one changes every result that depends on it.

use tensor::random::Purpose;

/// The order in which samples are visited.
pub const ORDER: Purpose = Purpose::new(1);
/// Geometry and intensity of augmented views.
pub const AUGMENTATION: Purpose = Purpose::new(2);
/// Assignment of subjects to training, validation and test sets, and of labels to subjects.
pub const SPLIT: Purpose = Purpose::new(5);
/// Subjects of the built-in phantom.
pub const PHANTOM: Purpose = Purpose::new(6);
/// Bootstrap resamples of results.
pub const BOOTSTRAP: Purpose = Purpose::new(8);

#[cfg(test)]
mod tests {
    use super::*;

    /// In the order of their numbers, together with the purposes of the library.
    #[test]
    fn numbers_are_distinct_and_never_change() {
        let purposes = [
            Purpose::WEIGHTS,
            ORDER,
            AUGMENTATION,
            Purpose::NOISE,
            Purpose::MASK,
            SPLIT,
            PHANTOM,
            Purpose::CHECK,
            BOOTSTRAP,
        ];
        assert_eq!(purposes.map(Purpose::number), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
