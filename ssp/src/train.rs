//! The trainer: runs any task for its epochs, keeps the books, and goes on where it was cut off.
//!
//! A stage keeps one file to resume from, `progress.safetensors`: network, momentum and the state
//! of the books, replaced at once. Batches are named by epoch and index, so a stage that was cut
//! off and resumed ends with the same bits as one that was not.

use std::path::PathBuf;
use std::time::Instant;

use nn::checkpoint::{self, Metadata};
use nn::schedule::{cosine, polynomial};
use nn::{Sgd, SgdSettings};
use serde::{Deserialize, Serialize};

use crate::data::sampler::Sampler;
use crate::run::metrics::{Metrics, Record};
use crate::settings::{Decay, Optimisation};
use crate::task::{Task, Validation};
use crate::{Error, Result};

/// Someone who watches a training: a progress bar, a log.
pub trait Watcher: Sync {
    /// Something worth a line.
    fn note(&self, text: &str);

    /// A job of so many parts begins.
    fn begin(&self, name: &str, total: u64);

    /// So many parts of the job are done; `text` says how it goes.
    fn advance(&self, done: u64, text: &str);

    /// The job is over.
    fn end(&self);
}

/// What a stage is to do.
pub struct Stage<'a> {
    /// Its name in `metrics.csv`: `pretrain` or `finetune`.
    pub name: &'a str,
    /// Where its weights go.
    pub folder: PathBuf,
    /// Kept beside the weights, so that a file says what network it is for.
    pub metadata: Metadata,
    /// Epochs, steps and rates.
    pub optimisation: &'a Optimisation,
    /// Learning rate of the first epoch.
    pub learning_rate: f64,
    /// The setting that it comes from.
    pub learning_rate_key: &'a str,
    /// Epochs between validations.
    pub validate_every: usize,
    /// Epochs without a lower validation loss after which to stop; 0: never.
    pub patience: usize,
    /// Epochs at the start during which what `frozen` names does not change.
    pub frozen_epochs: usize,
    /// Names parameters to freeze.
    pub frozen: fn(&str) -> bool,
    /// Seconds between files to resume from.
    pub save_every: f64,
}

/// How a stage went, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Epochs that are complete.
    pub epochs: usize,
    /// Optimiser steps taken.
    pub steps: u64,
    /// Training loss of the last epoch.
    pub loss: Option<f64>,
    /// Lowest validation loss.
    pub best_loss: Option<f64>,
    /// Mean Dice of the validation that had it.
    pub best_dice: Option<f64>,
    /// Epoch after which that was.
    pub best_epoch: Option<usize>,
    /// Time spent, over all sittings.
    pub seconds: f64,
}

/// Rows of `metrics.csv` that a stage is to have, about.
const ROWS: u64 = 400;

impl Stage<'_> {
    /// Weights after the last epoch.
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// Weights of the lowest validation loss.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    fn progress(&self) -> PathBuf {
        self.folder.join("progress.safetensors")
    }

    fn rate(&self, epoch: usize) -> f64 {
        let (base, epochs) = (self.learning_rate, self.optimisation.epochs);
        match self.optimisation.decay {
            Decay::Constant => base,
            Decay::Cosine => cosine(base, 0.0, epoch, epochs),
            Decay::Polynomial => polynomial(base, 0.9, epoch, epochs),
        }
    }

    /// Trains `task` on what `sampler` yields, from where an earlier sitting left off if there was
    /// one, and leaves `last` and, where there is validation, `best`.
    ///
    /// # Errors
    /// When a file cannot be written or read, or the loss is no longer finite; what was saved
    /// until then stays.
    pub fn run(
        &self,
        task: &mut dyn Task,
        sampler: &Sampler,
        metrics: &std::path::Path,
        watcher: &dyn Watcher,
    ) -> Result<State> {
        std::fs::create_dir_all(&self.folder).map_err(|e| Error::io(&self.folder, e))?;
        let mut optimiser = Sgd::new(SgdSettings {
            momentum: self.optimisation.momentum,
            nesterov: self.optimisation.nesterov,
            weight_decay: self.optimisation.weight_decay,
            decay_matrices_only: false,
        });
        let state = self.resume(task, &mut optimiser, watcher)?;
        if self.is_over(&state) && self.last().exists() {
            watcher.note(&format!("{}: finished already", self.name));
            return Ok(state);
        }
        let metrics = Metrics::resume(metrics, self.name, state.steps)?;
        let mut sitting = Sitting {
            stage: self,
            sampler,
            optimiser,
            metrics,
            before: state.seconds,
            started: Instant::now(),
            saved: Instant::now(),
            since: Since::now(),
            state,
            watcher,
        };
        let total = (self.optimisation.epochs * sampler.batches()) as u64;
        watcher.begin(self.name, total);
        let outcome = sitting.epochs(task);
        watcher.end();
        outcome?;
        checkpoint::save(&self.last(), task.network(), self.metadata.clone())?;
        // The next stage has other shapes; what this one kept for reuse is of no use to it.
        tensor::release_idle_memory();
        Ok(sitting.state)
    }

    /// Whether all epochs are done, or no more are worth it.
    fn is_over(&self, state: &State) -> bool {
        let idle = state.best_epoch.map_or(0, |best| state.epochs - best);
        state.epochs >= self.optimisation.epochs || (self.patience > 0 && idle >= self.patience)
    }

    fn resume(
        &self,
        task: &mut dyn Task,
        optimiser: &mut Sgd,
        watcher: &dyn Watcher,
    ) -> Result<State> {
        let path = self.progress();
        if !path.exists() {
            return Ok(State::default());
        }
        let metadata = checkpoint::load_progress(&path, task.network(), optimiser)?;
        let state: State =
            metadata
                .get("state")
                .and_then(|text| serde_json::from_str(text).ok())
                .ok_or_else(|| Error::file(&path, "does not say how far it came; remove it"))?;
        if !self.is_over(&state) {
            let text = format!("{}: going on after epoch {}", self.name, state.epochs);
            watcher.note(&text);
        }
        Ok(state)
    }
}

/// One sitting of a stage: from its start or resumption on.
struct Sitting<'a> {
    stage: &'a Stage<'a>,
    sampler: &'a Sampler,
    optimiser: Sgd,
    metrics: Metrics,
    state: State,
    /// Seconds of earlier sittings.
    before: f64,
    started: Instant,
    saved: Instant,
    since: Since,
    watcher: &'a dyn Watcher,
}

/// What has come together since the last row of the books.
struct Since {
    losses: f64,
    steps: u32,
    images: usize,
    from: Instant,
}

impl Since {
    fn now() -> Self {
        Since { losses: 0.0, steps: 0, images: 0, from: Instant::now() }
    }
}

impl Sitting<'_> {
    fn epochs(&mut self, task: &mut dyn Task) -> Result<()> {
        let epochs = self.stage.optimisation.epochs;
        while !self.stage.is_over(&self.state) {
            let epoch = self.state.epochs;
            let frozen = epoch < self.stage.frozen_epochs;
            let which = self.stage.frozen;
            task.network().freeze(&|name| frozen && which(name));
            self.epoch(task, epoch)?;
            self.state.epochs += 1;
            let last = self.state.epochs == epochs;
            if last || self.state.epochs.is_multiple_of(self.stage.validate_every.max(1)) {
                self.validate(task)?;
            }
            if !last && self.saved.elapsed().as_secs_f64() >= self.stage.save_every {
                self.save(task)?;
            }
        }
        self.save(task)
    }

    fn epoch(&mut self, task: &mut dyn Task, epoch: usize) -> Result<()> {
        let batches = self.sampler.batches();
        let rate = self.stage.rate(epoch);
        let every = ((self.stage.optimisation.epochs * batches) as u64 / ROWS).max(1);
        let mut sum = 0.0;
        for index in 0..batches {
            let batch = self.sampler.batch(epoch as u32, index)?;
            let loss = task.loss(&batch)?;
            let value = loss.item()?;
            if !value.is_finite() {
                return Err(Error::Data(format!(
                    "{}: the loss became {value} in epoch {} at a learning rate of {rate:.2e}; \
                     start again with a lower {}",
                    self.stage.name,
                    epoch + 1,
                    self.stage.learning_rate_key
                )));
            }
            let gradients = loss.backward()?;
            self.optimiser.step(task.network(), gradients, rate)?;
            self.state.steps += 1;
            sum += value;
            self.since.losses += value;
            self.since.steps += 1;
            self.since.images += batch.images.dims()[0];
            if self.state.steps.is_multiple_of(every) {
                let Since { losses, steps, images, from } =
                    std::mem::replace(&mut self.since, Since::now());
                self.metrics.append(&Record {
                    stage: self.stage.name.to_owned(),
                    epoch: epoch + 1,
                    step: self.state.steps,
                    loss: Some(losses / f64::from(steps)),
                    learning_rate: Some(rate),
                    images_per_second: Some(images as f64 / from.elapsed().as_secs_f64()),
                    seconds: self.seconds(),
                    ..Record::default()
                })?;
            }
            let text = format!(
                "epoch {}/{}  loss {:.4}{}",
                epoch + 1,
                self.stage.optimisation.epochs,
                sum / (index + 1) as f64,
                self.state
                    .best_dice
                    .map_or(String::new(), |dice| format!("  valid Dice {dice:.3}"))
            );
            self.watcher.advance(self.state.steps, &text);
        }
        self.state.loss = Some(sum / batches as f64);
        Ok(())
    }

    fn validate(&mut self, task: &mut dyn Task) -> Result<()> {
        let Some(Validation { loss, dice }) = task.validate()? else { return Ok(()) };
        self.metrics.append(&Record {
            stage: self.stage.name.to_owned(),
            epoch: self.state.epochs,
            step: self.state.steps,
            validation_loss: Some(loss),
            validation_dice: Some(dice),
            seconds: self.seconds(),
            ..Record::default()
        })?;
        if loss.is_finite() && self.state.best_loss.is_none_or(|best| loss < best) {
            self.state.best_loss = Some(loss);
            self.state.best_dice = Some(dice);
            self.state.best_epoch = Some(self.state.epochs);
            checkpoint::save(&self.stage.best(), task.network(), self.stage.metadata.clone())?;
        }
        let (epochs, of) = (self.state.epochs, self.stage.optimisation.epochs);
        let text = format!("epoch {epochs}/{of}  valid loss {loss:.4}, Dice {dice:.3}");
        self.watcher.advance(self.state.steps, &text);
        Ok(())
    }

    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// Writes what it takes to resume, after the rows that lead up to it.
    fn save(&mut self, task: &mut dyn Task) -> Result<()> {
        self.state.seconds = self.seconds();
        self.metrics.sync()?;
        let mut metadata = self.stage.metadata.clone();
        let state = serde_json::to_string(&self.state);
        metadata.insert("state".into(), state.map_err(|e| Error::Data(e.to_string()))?);
        let path = self.stage.progress();
        checkpoint::save_progress(&path, task.network(), &self.optimiser, metadata)?;
        self.saved = Instant::now();
        Ok(())
    }
}
