//! Whether a training had levelled off when it ended.

use crate::Look;

/// What a training gained at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Highest Dice, or lowest loss where there is no Dice, of the third quarter of the steps.
    pub before: f64,
    /// The same of the last quarter.
    pub last: f64,
}

/// Gains of Dice below this count as none: validation subjects are few, and looks scatter by about as
/// much.
pub const LEVEL: f64 = 0.01;

/// Losses that fall by less than this share of themselves count as level.
pub const LOSS_LEVEL: f64 = 0.02;

impl Level {
    /// By the Dice of validation subjects; none if there were too few looks.
    pub fn of_dice(looks: &[Look]) -> Option<Self> {
        Self::of(looks, |look| look.dice, f64::max)
    }

    /// By the validation loss.
    pub fn of_loss(looks: &[Look]) -> Option<Self> {
        Self::of(looks, |look| Some(look.loss), f64::min)
    }

    fn of(
        looks: &[Look],
        value: impl Fn(&Look) -> Option<f64>,
        better: fn(f64, f64) -> f64,
    ) -> Option<Self> {
        let steps = looks.last()?.step;
        let best = |from: u64, to: u64| {
            let within = looks
                .iter()
                .filter(|look| (4 * look.step > from * steps) && (4 * look.step <= to * steps));
            within.filter_map(&value).filter(|value| value.is_finite()).reduce(better)
        };
        Some(Level { before: best(2, 3)?, last: best(3, 4)? })
    }

    /// What the last quarter added.
    pub fn gain(&self) -> f64 {
        self.last - self.before
    }

    /// The same as a share of what there was.
    pub fn share(&self) -> f64 {
        let size = self.before.abs();
        if size > 0.0 { self.gain() / size } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(dice: [f64; 8]) -> Vec<Look> {
        let look = |(n, dice): (usize, f64)| Look {
            step: 100 * (n as u64 + 1),
            loss: 1.0 - dice,
            dice: Some(dice),
        };
        dice.into_iter().enumerate().map(look).collect()
    }

    /// Quarters are of the steps: looks 5 and 6 against 7 and 8.
    #[test]
    fn the_best_of_two_quarters_are_compared() {
        let looks = looks([0.9, 0.1, 0.2, 0.3, 0.5, 0.4, 0.52, 0.51]);
        let dice = Level::of_dice(&looks).unwrap();
        assert_eq!((dice.before, dice.last), (0.5, 0.52));
        assert!((dice.gain() - 0.02).abs() < 1e-12);
        let loss = Level::of_loss(&looks).unwrap();
        assert!((loss.share() + 0.04).abs() < 1e-12);
    }

    #[test]
    fn too_few_looks_say_nothing() {
        assert_eq!(Level::of_dice(&[]), None);
        assert_eq!(Level::of_dice(&looks([0.5; 8])[..1]), None);
        let mut without = looks([0.5; 8]);
        without.iter_mut().for_each(|look| look.dice = None);
        assert_eq!(Level::of_dice(&without), None);
        without.iter_mut().for_each(|look| look.loss = f64::NAN);
        assert_eq!(Level::of_loss(&without), None);
    }
}
