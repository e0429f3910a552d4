//! A network on labelled subjects.

use super::{Dice, FrameRow, Measured, SliceRow, dice, dice_by_slice};
use crate::Predictor;
use crate::Result;
use sampling::cache::Cache;

/// Results of a set of subjects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// One for each labelled frame.
    pub frames: Vec<FrameRow>,
    /// One for each labelled slice of each of them.
    pub slices: Vec<SliceRow>,
}

impl Results {
    /// Mean of each structure over all frames.
    pub fn dice(&self) -> Dice {
        let mut sums = [0.0; 3];
        for row in &self.frames {
            sums.iter_mut().zip(row.dice.values()).for_each(|(sum, value)| *sum += value);
        }
        Dice::from_values(sums.map(|sum| sum / self.frames.len() as f64))
    }

    /// Mean over structures and frames.
    pub fn mean(&self) -> f64 {
        self.dice().mean()
    }
}

/// A predicted frame, as [`evaluate`] shows it.
pub struct Predicted<'a> {
    /// The subject's place in the cache.
    pub subject: usize,
    /// The frame's result.
    pub row: &'a FrameRow,
    /// `slices * rows * columns` labels on the source grid.
    pub labels: &'a [u8],
}

/// Predicts every labelled frame of `subjects` of `cache` and compares with the labels, in 3D on
/// the source grid. `show` is called after each frame.
///
/// # Errors
/// When the network does not fit.
pub fn evaluate(
    predictor: &mut Predictor<'_>,
    cache: &Cache,
    subjects: &[usize],
    mut show: impl FnMut(&Predicted<'_>),
) -> Result<Results> {
    let mut results = Results::default();
    for &index in subjects {
        let subject = cache.subject(index);
        let [rows, columns] = subject.grid().size;
        let [down, along, between] = subject.spacing().map(f64::from);
        let (size, spacing) = ([subject.slices(), rows, columns], [between, down, along]);
        for (phase, moment) in subject.study_frames() {
            let Some(truth) = subject.labels(phase) else { continue };
            let labels = predictor.phase(&subject, phase)?;
            let id = subject.id().to_owned();
            let row = FrameRow {
                subject: id.clone(),
                moment,
                phase,
                dice: dice(&labels, truth)?,
                measured: Some(Measured::of(&labels, truth, size, spacing)),
                vendor: subject.vendor().map(str::to_owned),
                pathology: subject.pathology().map(str::to_owned),
            };
            show(&Predicted { subject: index, row: &row, labels: &labels });
            results.frames.push(row);
            for slice in dice_by_slice(&labels, truth, rows * columns)? {
                results.slices.push(SliceRow { subject: id.clone(), moment, phase, slice });
            }
        }
    }
    Ok(results)
}
