//! Validation passes of a run.

use train::run::folder::RunFolder;
use train::run::metrics;

use crate::{Error, Result};

/// A validation pass during a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validation {
    /// Number of optimiser steps before it.
    pub step: u64,
    /// Validation loss.
    pub loss: f64,
    /// Mean Dice of the validation subjects, if it was computed.
    pub dice: Option<f64>,
}

/// The validation passes of a stage of a run, from its metrics log.
pub(super) fn validations(run: &RunFolder, stage: &str) -> Result<Vec<Validation>> {
    if !run.metrics().exists() {
        return Ok(vec![]);
    }
    let rows = metrics::read(run.metrics())?.into_iter().filter(|row| row.stage == stage);
    let pass = |row: metrics::Record| {
        Some(Validation { step: row.step, loss: row.validation_loss?, dice: row.validation_dice })
    };
    let passes: Vec<Validation> = rows.filter_map(pass).collect();
    let dice = passes.iter().filter_map(|pass| pass.dice);
    match dice.into_iter().find(|dice| !(0.0..=1.0).contains(dice)) {
        Some(wrong) => Err(Error::file(
            run.metrics(),
            format!(
                "holds a Dice of {wrong}, which is from 0 to 1; remove the folder of this cell"
            ),
        )),
        None => Ok(passes),
    }
}
