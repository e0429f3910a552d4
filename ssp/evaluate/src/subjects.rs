//! Evaluation of a network on labelled subjects.

use super::{Dice, FrameMeasurements, FrameRow, SliceRow, dice, dice_by_slice};
use crate::Predictor;
use crate::Result;
use sampling::cache::Cache;

/// The results of a set of subjects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// One row for each labelled frame.
    pub frames: Vec<FrameRow>,
    /// One row for each labelled slice of these frames.
    pub slices: Vec<SliceRow>,
}

impl Results {
    /// Mean Dice of each structure over all frames; NaN without frames.
    pub fn dice(&self) -> Dice {
        let mut sums = [0.0; 3];
        for row in &self.frames {
            sums.iter_mut().zip(row.dice.values()).for_each(|(sum, value)| *sum += value);
        }
        Dice::from_values(sums.map(|sum| sum / self.frames.len() as f64))
    }

    /// Mean Dice over structures and frames.
    pub fn mean(&self) -> f64 {
        self.dice().mean()
    }
}

/// A predicted frame, passed to the callback of [`evaluate`].
pub struct PredictedFrame<'a> {
    /// Index of the subject in the cache.
    pub subject: usize,
    /// The frame's result.
    pub row: &'a FrameRow,
    /// Predicted labels on the source grid, `slices * rows * columns`.
    pub labels: &'a [u8],
}

/// Predicts every labelled frame of `subjects` (indices into `cache`) and compares it with its labels, in 3D on
/// the source grid. `show` is called after each frame.
///
/// # Errors
/// When the shapes of network and data do not match, or labels are invalid.
pub fn evaluate(
    predictor: &mut Predictor<'_>,
    cache: &Cache,
    subjects: &[usize],
    mut show: impl FnMut(&PredictedFrame<'_>),
) -> Result<Results> {
    let mut results = Results::default();
    for &index in subjects {
        let subject = cache.subject(index);
        let [rows, columns] = subject.grid().size;
        let [down, along, between] = subject.spacing().map(f64::from);
        let (size, spacing) = ([subject.slices(), rows, columns], [between, down, along]);
        for (phase, moment) in subject.study_frames() {
            let Some(ground_truth) = subject.labels(phase) else { continue };
            let labels = predictor.phase(&subject, phase)?;
            let id = subject.id().to_owned();
            let row = FrameRow {
                subject: id.clone(),
                moment,
                phase,
                dice: dice(&labels, ground_truth)?,
                measurements: Some(FrameMeasurements::of(&labels, ground_truth, size, spacing)),
                vendor: subject.vendor().map(str::to_owned),
                pathology: subject.pathology().map(str::to_owned),
            };
            show(&PredictedFrame { subject: index, row: &row, labels: &labels });
            results.frames.push(row);
            for slice in dice_by_slice(&labels, ground_truth, rows * columns)? {
                results.slices.push(SliceRow { subject: id.clone(), moment, phase, slice });
            }
        }
    }
    Ok(results)
}
