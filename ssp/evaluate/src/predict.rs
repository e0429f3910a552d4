//! Prediction: from the slices of a cardiac phase to labels on their own grid.

use nn::{Mode, Module, Precision, UNet, widened};
use tensor::{Device, no_grad};

use crate::{Error, Result};
use data::CLASSES;
use sampling::augment::{Grid, Slice, onto_source, plain_views};
use sampling::cache::CachedSubject;

/// A network and the grid of its input.
pub struct Predictor<'a> {
    network: &'a mut UNet,
    grid: Grid,
    precision: Precision,
}

/// Batch size: large enough for speed, small enough for memory.
const SLICES: usize = 16;

impl<'a> Predictor<'a> {
    /// Predicts with `network`, whose input has `grid`, in the precision of its parameters.
    pub fn new(network: &'a mut UNet, grid: Grid) -> Self {
        Predictor { network, grid, precision: Precision::default() }
    }

    /// The same in another precision.
    pub fn computing_in(self, precision: Precision) -> Self {
        Predictor { precision, ..self }
    }

    /// Labels of every slice of a phase, `[slices, rows, columns]` of the source grid: the class of the
    /// highest logit, after logits were resampled to that grid.
    ///
    /// # Errors
    /// When the network and its grid do not fit each other, or its outputs are not finite.
    pub fn phase(&mut self, subject: &CachedSubject<'_>, phase: usize) -> Result<Vec<u8>> {
        let slices: Vec<Slice<'_>> =
            (0..subject.slices()).map(|slice| subject.slice(phase, slice)).collect();
        let mut labels = Vec::new();
        for slices in slices.chunks(SLICES) {
            let views = plain_views(slices, &self.grid).to_device(&self.network.device())?;
            let views = self.precision.images(&views)?;
            let outputs = no_grad(|| self.network.forward(&views, Mode::Evaluate))?;
            if let Some(finest) = outputs.first() {
                let logits = onto_source(&widened(finest)?, &subject.grid(), &self.grid)?;
                let logits = logits.to_device(&Device::Cpu)?;
                let logits = logits.data::<f32>();
                // No class is the highest of NaN: the background would be drawn without a word.
                if let Some(logit) = logits.iter().find(|logit| !logit.is_finite()) {
                    return Err(Error::Data(format!(
                        "the network's outputs are not finite ({logit}): its weights are too large for this \
                         image, or damaged; use other weights"
                    )));
                }
                labels.extend(logits.chunks_exact(CLASSES).map(highest));
            }
        }
        Ok(labels)
    }
}

/// The class of the highest logit; the first of equal ones, as in PyTorch's `argmax`.
fn highest(logits: &[f32]) -> u8 {
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    best as u8
}
