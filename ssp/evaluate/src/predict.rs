//! Prediction: from the slices of a cardiac phase to labels on their own grid.

use std::path::{Path, PathBuf};

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
    /// The file that the weights came from.
    weights: Option<PathBuf>,
}

/// Batch size: large enough for speed, small enough for memory.
const SLICES: usize = 16;

impl<'a> Predictor<'a> {
    /// Predicts with `network`, whose input has `grid`, in the precision of its parameters.
    pub fn new(network: &'a mut UNet, grid: Grid) -> Self {
        Predictor { network, grid, precision: Precision::default(), weights: None }
    }

    /// The same in another precision.
    pub fn computing_in(self, precision: Precision) -> Self {
        Predictor { precision, ..self }
    }

    /// The same, which refuses outputs that are not finite: finite weights of the file `path` that are far
    /// too large cause them, and the highest of such outputs means nothing.
    pub fn from_file(self, path: &Path) -> Self {
        Predictor { weights: Some(path.into()), ..self }
    }

    /// Labels of every slice of a phase, `[slices, rows, columns]` of the source grid: the class of the
    /// highest logit, after logits were resampled to that grid.
    ///
    /// # Errors
    /// When the network and its grid do not fit each other, or weights of a file give outputs that are not
    /// finite.
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
                self.refuse_infinite(logits.data::<f32>())?;
                labels.extend(logits.data::<f32>().chunks_exact(CLASSES).map(highest));
            }
        }
        Ok(labels)
    }

    fn refuse_infinite(&self, logits: &[f32]) -> Result<()> {
        match &self.weights {
            Some(path) if !logits.iter().all(|logit| logit.is_finite()) => {
                let what = "the network's outputs with these weights are not finite; the file is damaged, or \
                            its training diverged: use other weights";
                Err(Error::file(path, what))
            }
            _ => Ok(()),
        }
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
