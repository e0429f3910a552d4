//! Whether a training had levelled off when it ended.

use crate::sweep::Look;

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
}
