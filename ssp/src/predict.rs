//! Prediction: from the slices of a phase to labels on their own grid.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nn::{Mode, UNet};
use tensor::without_tape;

use crate::augment::{Grid, Slice, onto_source, plain_views};
use crate::data::cache::{Cache, CachedSubject, Key};
use crate::data::{CLASSES, folder, nifti};
use crate::model::Model;
use crate::train::Watcher;
use crate::{Error, Result};

/// A network and the grid that it works on.
pub struct Predictor<'a> {
    network: &'a mut UNet,
    grid: Grid,
}

/// Slices that go through the network at once: enough to keep it busy, few enough for memory.
const SLICES: usize = 16;

impl<'a> Predictor<'a> {
    /// Predicts with `network`, whose input is of `grid`.
    pub fn new(network: &'a mut UNet, grid: Grid) -> Self {
        Predictor { network, grid }
    }

    /// Labels of every slice of a phase, `slices * rows * columns` of the source grid: the class of
    /// the highest logit, after logits went back onto that grid.
    ///
    /// # Errors
    /// When the network and its grid do not fit each other.
    pub fn phase(&mut self, subject: &CachedSubject<'_>, phase: usize) -> Result<Vec<u8>> {
        let slices: Vec<Slice<'_>> =
            (0..subject.slices()).map(|slice| subject.slice(phase, slice)).collect();
        let mut labels = Vec::new();
        for slices in slices.chunks(SLICES) {
            let views = plain_views(slices, &self.grid);
            let outputs = without_tape(|| self.network.forward(&views, Mode::Evaluate))?;
            if let Some(finest) = outputs.first() {
                let logits = onto_source(finest, &subject.grid(), &self.grid)?;
                labels.extend(logits.data::<f32>().chunks_exact(CLASSES).map(highest));
            }
        }
        Ok(labels)
    }
}

/// The class of the highest logit; of equals the first, as PyTorch's `argmax`.
fn highest(logits: &[f32]) -> u8 {
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    best as u8
}

/// Predicts every phase of NIfTI files, or of those straight in folders, and writes label maps of
/// the same names into `out`. A file that cannot be used is noted and left out; returns how many
/// were.
///
/// # Errors
/// When there is no file, two would have the same name, or `out` cannot be written.
pub fn predict_files(
    model: &mut Model,
    inputs: &[PathBuf],
    out: &Path,
    watcher: &dyn Watcher,
) -> Result<usize> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let found = folder::volumes_in(input)?;
            if found.is_empty() {
                let what = "holds no NIfTI file (.nii, .nii.gz); name files or their folder";
                return Err(Error::file(input, what));
            }
            files.extend(found);
        } else {
            files.push(input.clone());
        }
    }
    let target = |file: &Path| out.join(format!("{}.nii.gz", nifti::stem(file)));
    let mut targets = BTreeMap::new();
    for file in &files {
        if let Some(other) = targets.insert(target(file), file) {
            let what = format!("has the same name as {}; predict them apart", other.display());
            return Err(Error::file(file, what));
        }
        if std::path::absolute(file).ok() == std::path::absolute(target(file)).ok() {
            return Err(Error::file(file, "would be overwritten; name another folder with --out"));
        }
    }
    std::fs::create_dir_all(out).map_err(|error| Error::io(out, error))?;
    watcher.begin("predict", files.len() as u64);
    let mut failed = 0;
    for (done, file) in files.iter().enumerate() {
        match predict_file(model, file, &target(file)) {
            Ok(()) => watcher.advance(done as u64 + 1, &target(file).display().to_string()),
            Err(error) => {
                failed += 1;
                watcher.note(&format!("error: {error}"));
            }
        }
    }
    watcher.end();
    Ok(failed)
}

fn predict_file(model: &mut Model, file: &Path, target: &Path) -> Result<()> {
    let loaded = folder::load_file(file)?;
    // A cache of one subject makes of it what training made of its own.
    let place = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), error))?;
    let key = Key::of_settings("predict", 1, "");
    let read = |_| Ok(loaded.subject.clone());
    let ids = [loaded.subject.id.clone()];
    let (cache, failures) = Cache::open_or_build(place.path(), &key, &ids, read, |_, _| {})?;
    if let Some(failure) = failures.first() {
        return Err(Error::file(file, failure.reason.clone()));
    }
    let subject = cache.subject(0);
    let mut predictor = model.predictor();
    let mut labels = Vec::new();
    for phase in 0..subject.phases() {
        labels.extend(predictor.phase(&subject, phase)?);
    }
    loaded.write_labels(target, &labels)
}
