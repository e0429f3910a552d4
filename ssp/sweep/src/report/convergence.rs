//! Whether a training had levelled off when it ended.

use crate::Validation;

/// The best validation value in each of the last two quarters of a training's optimiser steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastQuarters {
    /// Highest Dice, or lowest loss, in the third quarter.
    pub third: f64,
    /// The same in the fourth quarter.
    pub fourth: f64,
}

/// Gains in Dice below this count as none: with few validation subjects, Dice varies by about as much from
/// one validation pass to the next.
pub const DICE_MARGIN: f64 = 0.01;

/// Losses that fall by less than this share of their value count as level.
pub const LOSS_MARGIN: f64 = 0.02;

impl LastQuarters {
    /// Of the Dice of validation subjects; none if a quarter has no value.
    pub fn of_dice(passes: &[Validation]) -> Option<Self> {
        Self::of(passes, |pass| pass.dice, f64::max)
    }

    /// Of the validation loss.
    pub fn of_loss(passes: &[Validation]) -> Option<Self> {
        Self::of(passes, |pass| Some(pass.loss), f64::min)
    }

    fn of(
        passes: &[Validation],
        value: impl Fn(&Validation) -> Option<f64>,
        better: fn(f64, f64) -> f64,
    ) -> Option<Self> {
        let steps = passes.last()?.step;
        let best = |from: u64, to: u64| {
            let within = passes
                .iter()
                .filter(|pass| (4 * pass.step > from * steps) && (4 * pass.step <= to * steps));
            within.filter_map(&value).filter(|value| value.is_finite()).reduce(better)
        };
        Some(LastQuarters { third: best(2, 3)?, fourth: best(3, 4)? })
    }

    /// Change from the third quarter to the fourth.
    pub fn change(&self) -> f64 {
        self.fourth - self.third
    }

    /// The same relative to the third quarter.
    pub fn relative_change(&self) -> f64 {
        let size = self.third.abs();
        if size > 0.0 { self.change() / size } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(dice: [f64; 8]) -> Vec<Validation> {
        let pass = |(n, dice): (usize, f64)| Validation {
            step: 100 * (n as u64 + 1),
            loss: 1.0 - dice,
            dice: Some(dice),
        };
        dice.into_iter().enumerate().map(pass).collect()
    }

    /// Quarters are of the steps: passes 5 and 6 against 7 and 8.
    #[test]
    fn the_best_of_two_quarters_are_compared() {
        let passes = passes([0.9, 0.1, 0.2, 0.3, 0.5, 0.4, 0.52, 0.51]);
        let dice = LastQuarters::of_dice(&passes).unwrap();
        assert_eq!((dice.third, dice.fourth), (0.5, 0.52));
        assert!((dice.change() - 0.02).abs() < 1e-12);
        let loss = LastQuarters::of_loss(&passes).unwrap();
        assert!((loss.relative_change() + 0.04).abs() < 1e-12);
    }

    #[test]
    fn too_few_validation_passes_give_nothing() {
        assert_eq!(LastQuarters::of_dice(&[]), None);
        assert_eq!(LastQuarters::of_dice(&passes([0.5; 8])[..1]), None);
        let mut without = passes([0.5; 8]);
        without.iter_mut().for_each(|pass| pass.dice = None);
        assert_eq!(LastQuarters::of_dice(&without), None);
        without.iter_mut().for_each(|pass| pass.loss = f64::NAN);
        assert_eq!(LastQuarters::of_loss(&without), None);
    }
}
