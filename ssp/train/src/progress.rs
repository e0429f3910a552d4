//! What a training is resumed from: two files, of which one is whole whatever happens to the machine.

use std::path::Path;

use common::Watcher;
use nn::Sgd;
use nn::checkpoint::{self, Metadata};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::run::folder::{PREVIOUS, PROGRESS};
use crate::run::metrics::Content;
use crate::task::ErasedTask;
use crate::trainer::{Stage, State};
use crate::{Error, Result};

/// Where a training is, beside the network and the momentum.
#[derive(Default)]
pub struct Progress {
    pub state: State,
    pub epoch: EpochSoFar,
    pub row: RowSoFar,
    /// What `metrics.csv` had in it. Files of earlier versions do not say.
    pub metrics: Option<Content>,
}

/// The part of an epoch that is done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EpochSoFar {
    /// Batches whose losses are in `losses`; all that are done, where progress is saved.
    pub batches: usize,
    pub losses: f64,
}

/// Steps since the last row of `metrics.csv`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RowSoFar {
    pub losses: f64,
    pub steps: u32,
    pub images: usize,
    /// Time spent on them in earlier sessions.
    pub seconds: f64,
}

/// Entries of a progress file's metadata.
const STATE: &str = "state";
const EPOCH: &str = "epoch";
const ROW: &str = "row";
const METRICS: &str = "metrics";

impl Progress {
    /// Writes the newer of the two files; what it was becomes the older.
    pub fn save(&self, stage: &Stage<'_>, task: &dyn ErasedTask, optimiser: &Sgd) -> Result<()> {
        let mut metadata = stage.metadata.clone();
        let mut add = |key: &str, text: serde_json::Result<String>| -> Result<()> {
            metadata.insert(key.into(), text.map_err(|e| Error::Data(e.to_string()))?);
            Ok(())
        };
        add(STATE, serde_json::to_string(&self.state))?;
        add(EPOCH, serde_json::to_string(&self.epoch))?;
        add(ROW, serde_json::to_string(&self.row))?;
        add(METRICS, serde_json::to_string(&self.metrics))?;
        let [newer, older] = [PROGRESS, PREVIOUS].map(|name| stage.folder.join(name));
        Ok(checkpoint::save_progress(&newer, &older, task, optimiser, metadata)?)
    }

    /// Reads the newer file, or the older where the newer is damaged, into `task` and `optimiser`; nothing
    /// where there is neither.
    pub fn resume(
        stage: &Stage<'_>,
        metrics: &Path,
        task: &mut dyn ErasedTask,
        optimiser: &mut Sgd,
        watcher: &dyn Watcher,
    ) -> Result<Self> {
        let files = [PROGRESS, PREVIOUS].map(|name| stage.folder.join(name));
        let mut found = files.iter().filter(|path| path.exists());
        let Some(newest) = found.next() else { return Ok(Progress::default()) };
        let mut read = |path: &Path| Self::read(path, metrics, task, optimiser);
        let damage = match read(newest) {
            Err(Error::File { path, what }) if path == *newest => what,
            Err(Error::Io { path, source }) if path == *newest => source.to_string(),
            outcome => return outcome,
        };
        let Some(older) = found.next() else { return Err(lost(stage, newest, &damage)) };
        let progress = read(older).map_err(|error| match error {
            Error::File { path, what } if path == *older => {
                lost(stage, newest, &format!("{damage}; and {PREVIOUS}: {what}"))
            }
            error => error,
        })?;
        let found = damage.split(';').next().unwrap_or_default();
        // It would take the place of the older file at the next save.
        std::fs::remove_file(newest).map_err(|error| Error::io(newest, error))?;
        watcher.note(&format!(
            "{}: {found}; it is removed, and {PREVIOUS}, the save before it, is used",
            newest.display()
        ));
        Ok(progress)
    }

    fn read(
        path: &Path,
        metrics: &Path,
        task: &mut dyn ErasedTask,
        optimiser: &mut Sgd,
    ) -> Result<Self> {
        let metadata = checkpoint::load_progress(path, task, optimiser)?;
        let state = entry(&metadata, STATE)
            .ok_or_else(|| Error::file(path, "does not contain the state of the training"))?;
        // Files of earlier versions have the state alone, and were written between epochs.
        let progress = Progress {
            state,
            epoch: entry(&metadata, EPOCH).unwrap_or_default(),
            row: entry(&metadata, ROW).unwrap_or_default(),
            metrics: entry(&metadata, METRICS).flatten(),
        };
        progress.metrics.as_ref().map_or(Ok(None), |content| content.read(metrics))?;
        Ok(progress)
    }
}

fn entry<T: DeserializeOwned>(metadata: &Metadata, key: &str) -> Option<T> {
    serde_json::from_str(metadata.get(key)?).ok()
}

/// The error of a training that no file is left of. Where pretraining is lost, so is the fine-tuning that
/// came from it.
fn lost(stage: &Stage<'_>, file: &Path, damage: &str) -> Error {
    let folder = match (stage.name, stage.folder.parent()) {
        ("pretrain", Some(run)) => run,
        _ => &stage.folder,
    };
    let what = format!("{damage}; remove the folder {} to train again", folder.display());
    Error::file(file, what)
}
