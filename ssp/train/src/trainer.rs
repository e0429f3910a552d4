//! The trainer: runs any task for its epochs, records metrics, and resumes interrupted trainings.
//!
//! A stage is resumed from `progress.safetensors`: network, momentum and the state of the training,
//! replaced at once. The file before it is kept until the stage ends, and is used where the newer one is
//! damaged. Batches are determined by epoch and index, so an interrupted and resumed stage ends with the
//! same bits as an uninterrupted one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use common::Watcher;
use common::device::arithmetic;
use common::files::create_dir_all;
use nn::checkpoint::{self, Metadata};
use nn::schedule::{cosine, polynomial, warmup_cosine};
use nn::{Rates, Sgd, SgdSettings};
use serde::{Deserialize, Serialize};
use tensor::Device;

use crate::growth::norms;
use crate::progress::{EpochSoFar, Progress, RowSoFar};
use crate::run::folder::{PREVIOUS, PROGRESS, remove_if_exists};
use crate::run::metrics::{Metrics, Record};
use crate::step::Stepper;
use crate::task::{ErasedTask, Step, Validation, freeze};
use crate::{Error, Result};
use sampling::sampler::{Batch, Sampler};
use settings::{Decay, Optimisation};

/// A stage of a run: what to train, and how.
pub struct Stage<'a> {
    /// Its name in `metrics.csv`: `pretrain` or `finetune`.
    pub name: &'a str,
    /// The folder of its weights.
    pub folder: PathBuf,
    /// Stored beside the weights: describes the network that they are for.
    pub metadata: Metadata,
    /// Epochs, steps and rates.
    pub optimisation: &'a Optimisation,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// The setting that it comes from.
    pub learning_rate_key: &'a str,
    /// Epochs between validations; 0: none.
    pub validate_every: usize,
    /// Epochs without a lower validation loss after which to stop; 0: never.
    pub patience: usize,
    /// How far above the lowest a validation loss may be without counting against the patience.
    pub min_delta: f64,
    /// Epochs between additional weights files; 0: none.
    pub keep_every: usize,
    /// Seconds between files to resume from.
    pub save_every: f64,
    /// The device to compute on.
    pub device: Device,
}

/// The progress and results of a stage so far.
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
    /// Mean Dice of the same validation.
    pub best_dice: Option<f64>,
    /// Epoch of the same validation.
    pub best_epoch: Option<usize>,
    /// Epochs since then whose validation counts against the patience.
    #[serde(default)]
    pub idle: usize,
    /// Time spent, over all sessions.
    pub seconds: f64,
    /// What it was computed in, of each session that differs from the one before: features and device.
    #[serde(default)]
    pub arithmetic: Vec<String>,
}

/// The approximate number of rows in `metrics.csv` for a stage.
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

    fn rates(&self, step: Step) -> Rates {
        Rates::new(self.learning_rate(step), self.weight_decay(step))
    }

    fn learning_rate(&self, step: Step) -> f64 {
        let Optimisation { decay, epochs, warmup_epochs, final_learning_rate, power, .. } =
            *self.optimisation;
        let base = self.learning_rate;
        match decay {
            Decay::Constant => base,
            Decay::Cosine => cosine(base, final_learning_rate, step.epoch, epochs),
            Decay::Polynomial => polynomial(base, power, step.epoch, epochs),
            Decay::WarmupCosine => {
                let (number, total) = (step.number as usize, step.total as usize);
                let warmup = total / epochs * warmup_epochs;
                warmup_cosine(base, final_learning_rate, warmup, number, total)
            }
        }
    }

    fn weight_decay(&self, step: Step) -> f64 {
        let Optimisation { weight_decay, final_weight_decay, .. } = *self.optimisation;
        let (number, total) = (step.number as usize, step.total as usize);
        match final_weight_decay {
            Some(last) => cosine(weight_decay, last, number, total),
            None => weight_decay,
        }
    }

    /// Trains `task` on the batches of `samplers`, which are views of the same slices. Resumes an
    /// interrupted training. Writes [`last`](Self::last) and, where there is validation,
    /// [`best`](Self::best).
    ///
    /// # Errors
    /// When a file cannot be written or read, or the loss is no longer finite; what was saved
    /// until then stays.
    pub fn run(
        &self,
        task: &mut dyn ErasedTask,
        samplers: &[Sampler],
        metrics: &Path,
        watcher: &dyn Watcher,
    ) -> Result<State> {
        create_dir_all(&self.folder)?;
        let mut optimiser = Sgd::new(SgdSettings {
            momentum: self.optimisation.momentum,
            nesterov: self.optimisation.nesterov,
            decay_matrices_only: self.optimisation.decay_matrices_only,
        });
        let batches = samplers.iter().map(Sampler::batches).min().unwrap_or(0);
        let progress = Progress::resume(self, metrics, task, &mut optimiser, watcher)?;
        task.move_to(&self.device)?;
        if self.is_over(&progress.state) {
            // A process that was cut off at its end may have left out either.
            match checkpoint::metadata(&self.last()) {
                Err(_) => self.finish(task)?,
                Ok(_) => remove_if_exists(&self.folder.join(PREVIOUS))?,
            }
            watcher.note(&format!("{}: already finished", self.name));
            return Ok(progress.state);
        }
        self.note_resumption(&progress, batches, watcher);
        self.note_views_made_on_host(samplers, watcher)?;
        let Progress { mut state, epoch, row, metrics: content } = progress;
        self.note_arithmetic(&mut state, watcher);
        let metrics = Metrics::resume(metrics, self.name, state.steps, content.as_ref())?;
        let mut session = Session {
            stage: self,
            samplers,
            batches,
            stepper: Stepper::new(&self.device, optimiser)?,
            metrics,
            earlier_seconds: state.seconds,
            started: Instant::now(),
            saved: Instant::now(),
            row,
            row_from: Instant::now(),
            epoch,
            state,
            watcher,
        };
        let total = (self.optimisation.epochs * batches) as u64;
        watcher.begin(self.name, total);
        watcher.can_save(true);
        let outcome = session.epochs(task).and_then(|()| self.finish(task));
        watcher.can_save(false);
        watcher.end();
        outcome?;
        if watcher.is_interrupted() {
            return Err(Error::Interrupted(format!("{} is finished and saved", self.name)));
        }
        // The next stage has other shapes and cannot reuse the memory of this one.
        tensor::release_idle_memory();
        Ok(session.state)
    }

    fn note_views_made_on_host(&self, samplers: &[Sampler], watcher: &dyn Watcher) -> Result<()> {
        let Some(sampler) = samplers.first() else { return Ok(()) };
        if !sampler.renders_on(&self.device)? {
            let (name, device) = (self.name, &self.device);
            watcher.note(&format!(
                "{name}: {device} has too little memory for all slices: views are made on the host"
            ));
        }
        Ok(())
    }

    /// Says what is computed in, and keeps it.
    fn note_arithmetic(&self, state: &mut State, watcher: &dyn Watcher) {
        let arithmetic = arithmetic(&self.device, self.optimisation.mixed_precision);
        match state.arithmetic.last() {
            Some(before) if *before == arithmetic => return,
            None if state.steps == 0 => watcher.note(&format!("{}: {arithmetic}", self.name)),
            before => watcher.note(&format!(
                "{}: goes on in {arithmetic}, after {}: rounding differs",
                self.name,
                before.map_or("an earlier version", String::as_str)
            )),
        }
        state.arithmetic.push(arithmetic);
    }

    /// Whether all epochs are done, or the patience is exhausted.
    fn is_over(&self, state: &State) -> bool {
        let exhausted = self.patience > 0 && state.idle >= self.patience;
        state.epochs >= self.optimisation.epochs || exhausted
    }

    /// Writes the weights after the last epoch.
    fn finish(&self, task: &mut dyn ErasedTask) -> Result<()> {
        checkpoint::save(&self.last(), task.network(), self.metadata.clone())?;
        // No training goes on from it any more, and with a large network it is large.
        remove_if_exists(&self.folder.join(PREVIOUS))
    }

    fn note_resumption(&self, progress: &Progress, batches: usize, watcher: &dyn Watcher) {
        let (name, State { epochs, steps, .. }) = (self.name, &progress.state);
        match progress.epoch.batches {
            _ if *steps == 0 => {}
            0 => watcher.note(&format!("{name}: resuming after epoch {epochs}")),
            done => watcher.note(&format!(
                "{name}: resuming in epoch {}, after {done} of {batches} steps",
                epochs + 1
            )),
        }
    }
}

/// One session of a stage: from its start or resumption to its end or interruption.
struct Session<'a> {
    stage: &'a Stage<'a>,
    samplers: &'a [Sampler],
    batches: usize,
    stepper: Stepper,
    metrics: Metrics,
    state: State,
    /// Duration of earlier sessions.
    earlier_seconds: f64,
    started: Instant,
    saved: Instant,
    /// Since the last row of `metrics.csv`.
    row: RowSoFar,
    /// When this session began to add to `row`.
    row_from: Instant,
    /// The part of the epoch in progress that is done.
    epoch: EpochSoFar,
    watcher: &'a dyn Watcher,
}

impl Session<'_> {
    fn epochs(&mut self, task: &mut dyn ErasedTask) -> Result<()> {
        let epochs = self.stage.optimisation.epochs;
        while !self.stage.is_over(&self.state) {
            let epoch = self.state.epochs;
            freeze(task, epoch)?;
            self.epoch(task, epoch)?;
            self.state.epochs += 1;
            let done = self.state.epochs;
            let last = done == epochs;
            let due = |every: usize| every > 0 && done.is_multiple_of(every);
            if due(self.stage.validate_every) || (last && self.stage.validate_every > 0) {
                self.validate(task)?;
            }
            if due(self.stage.keep_every) && !last {
                let path = self.stage.folder.join(format!("epoch-{done}.safetensors"));
                checkpoint::save(&path, task.network(), self.stage.metadata.clone())?;
            }
            if self.watcher.is_interrupted() {
                self.save(task)?;
                if !self.stage.is_over(&self.state) {
                    let name = self.stage.name;
                    let saved = format!("{name} is saved after epoch {done} of {epochs}");
                    return Err(Error::Interrupted(saved));
                }
            } else if !last && self.saved.elapsed().as_secs_f64() >= self.stage.save_every {
                self.save(task)?;
            }
        }
        self.save(task)
    }

    fn epoch(&mut self, task: &mut dyn ErasedTask, epoch: usize) -> Result<()> {
        let batches = self.batches;
        let every = ((self.stage.optimisation.epochs * batches) as u64 / ROWS).max(1);
        for index in self.epoch.batches..batches {
            let step = self.step(epoch);
            let rates = self.stage.rates(step);
            let learning_rate = rates.learning_rate.value();
            let batch = self.batch(epoch, index)?;
            self.stepper.step(task, &batch, step, rates)?;
            self.state.steps += 1;
            self.row.steps += 1;
            self.row.images += batch.iter().map(|part| part.images.dims()[0]).sum::<usize>();
            let due = self.state.steps.is_multiple_of(every);
            // Reading the losses waits for the GPU.
            let reads = due || index + 1 == batches || self.stage.device == Device::Cpu;
            if reads {
                let losses = self.losses(epoch, learning_rate)?;
                self.epoch.losses += losses;
                self.epoch.batches = index + 1;
                self.row.losses += losses;
            }
            if due {
                self.write_row(epoch, learning_rate)?;
            }
            self.tell(epoch);
            // Where losses are read anyway: read elsewhere, their sum could have other last bits.
            if reads && self.watcher.is_interrupted() {
                self.save(task)?;
                return Err(Error::Interrupted(format!(
                    "{} is saved in epoch {}, after {} of {batches} steps",
                    self.stage.name,
                    epoch + 1,
                    index + 1
                )));
            }
        }
        let done = std::mem::take(&mut self.epoch);
        self.state.loss = Some(done.losses / batches as f64);
        Ok(())
    }

    /// Reports the step.
    fn tell(&self, epoch: usize) {
        let loss = match self.epoch.batches {
            0 => String::new(),
            seen => format!("  loss {:.4}", self.epoch.losses / seen as f64),
        };
        let dice = self.state.best_dice.map_or(String::new(), |d| format!("  valid Dice {d:.3}"));
        let (epoch, epochs) = (epoch + 1, self.stage.optimisation.epochs);
        self.watcher.advance(self.state.steps, &format!("epoch {epoch}/{epochs}{loss}{dice}"));
    }

    /// The sum of the losses since this was last called.
    fn losses(&mut self, epoch: usize, learning_rate: f64) -> Result<f64> {
        let losses = self.stepper.losses()?;
        if losses.is_finite() {
            return Ok(losses);
        }
        Err(self.diverged(&format!(
            "the loss became {losses} in epoch {} at a learning rate of {learning_rate:.2e}",
            epoch + 1,
        )))
    }

    /// The error that ends a diverged training, with the file that can still be used.
    fn diverged(&self, found: &str) -> Error {
        let kept = [self.stage.folder.join(PROGRESS), self.stage.best()];
        Error::Diverged {
            what: format!(
                "{}: {found}; start again with a lower {}",
                self.stage.name, self.stage.learning_rate_key
            ),
            checkpoint: kept.into_iter().find(|file| file.exists()),
        }
    }

    fn write_row(&mut self, epoch: usize, learning_rate: f64) -> Result<()> {
        let seconds = self.row_seconds();
        let RowSoFar { losses, steps, images, .. } = std::mem::take(&mut self.row);
        self.row_from = Instant::now();
        self.metrics.append(&Record {
            stage: self.stage.name.to_owned(),
            epoch: epoch + 1,
            step: self.state.steps,
            loss: Some(losses / f64::from(steps)),
            learning_rate: Some(learning_rate),
            images_per_second: Some(images as f64 / seconds),
            seconds: self.seconds(),
            ..Record::default()
        })
    }

    fn step(&self, epoch: usize) -> Step {
        let total = (self.stage.optimisation.epochs * self.batches) as u64;
        Step { epoch, number: self.state.steps, total }
    }

    fn batch(&self, epoch: usize, index: usize) -> Result<Vec<Batch>> {
        let device = &self.stage.device;
        self.samplers.iter().map(|s| s.batch_on(device, epoch as u32, index)).collect()
    }

    fn validate(&mut self, task: &mut dyn ErasedTask) -> Result<()> {
        let Some(Validation { loss, dice }) = task.validate()? else { return Ok(()) };
        self.metrics.append(&Record {
            stage: self.stage.name.to_owned(),
            epoch: self.state.epochs,
            step: self.state.steps,
            validation_loss: Some(loss),
            validation_dice: dice,
            seconds: self.seconds(),
            ..Record::default()
        })?;
        let above = |by: f64| self.state.best_loss.is_some_and(|best| loss > best + by);
        if above(self.stage.min_delta) {
            self.state.idle += self.stage.validate_every;
        }
        if loss.is_finite() && self.state.best_loss.is_none_or(|best| loss < best) {
            self.state.idle = 0;
            self.state.best_loss = Some(loss);
            self.state.best_dice = dice;
            self.state.best_epoch = Some(self.state.epochs);
            checkpoint::save(&self.stage.best(), task.network(), self.stage.metadata.clone())?;
        }
        let (epochs, of) = (self.state.epochs, self.stage.optimisation.epochs);
        let dice = dice.map_or(String::new(), |dice| format!(", Dice {dice:.3}"));
        let text = format!("epoch {epochs}/{of}  valid loss {loss:.4}{dice}");
        self.watcher.advance(self.state.steps, &text);
        Ok(())
    }

    fn seconds(&self) -> f64 {
        self.earlier_seconds + self.started.elapsed().as_secs_f64()
    }

    /// Time spent on the steps since the last row.
    fn row_seconds(&self) -> f64 {
        self.row.seconds + self.row_from.elapsed().as_secs_f64()
    }

    /// Writes the file to resume from, after the rows of metrics before it.
    fn save(&mut self, task: &mut dyn ErasedTask) -> Result<()> {
        // The loss of a step is computed before its update, so the last update is not checked yet.
        if !norms(task)?.iter().all(|norm| norm.is_finite()) {
            let epoch = self.state.epochs;
            return Err(self.diverged(&format!("weights are no longer finite after epoch {epoch}")));
        }
        self.state.seconds = self.seconds();
        let row = RowSoFar { seconds: self.row_seconds(), ..self.row.clone() };
        let content = Some(self.metrics.sync()?);
        let (state, epoch) = (self.state.clone(), self.epoch.clone());
        let progress = Progress { state, epoch, row, metrics: content };
        progress.save(self.stage, task, self.stepper.optimiser())?;
        self.saved = Instant::now();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::{Method, Preset, Settings};

    /// The rates of the first and the last step of each epoch, 10 steps each.
    fn rates(optimisation: &Optimisation) -> Vec<[f64; 2]> {
        let stage = Stage {
            name: "pretrain",
            folder: PathBuf::new(),
            metadata: Metadata::new(),
            optimisation,
            learning_rate: optimisation.base_rate(),
            learning_rate_key: "",
            validate_every: 0,
            patience: 0,
            min_delta: 0.0,
            keep_every: 0,
            save_every: 0.0,
            device: Device::Cpu,
        };
        let total = 10 * optimisation.epochs as u64;
        let rate = |epoch: usize, number: u64| stage.learning_rate(Step { epoch, number, total });
        (0..optimisation.epochs)
            .map(|epoch| [0, 9].map(|step| rate(epoch, 10 * epoch as u64 + step)))
            .collect()
    }

    #[test]
    fn rates_are_those_of_the_study() {
        let of = |method| Settings::preset(Preset::Paper, method).pretrain.optimisation;
        let dino = rates(&of(Method::Dino));
        let highest = 0.03 * 64.0 / 256.0;
        assert_eq!(dino[0][0], 0.0);
        assert!((dino[9][1] - highest).abs() < 1e-15, "the last step of the warm-up");
        assert_eq!(dino[10][0], highest);
        assert!(dino[99][1] < 2e-6 && dino[99][1] > 1e-6);

        let simclr = rates(&of(Method::SimClr));
        assert_eq!(simclr[0], [0.1, 0.1]);
        assert!((simclr[50][0] - 0.05).abs() < 1e-15 && simclr[50][0] == simclr[50][1]);
        let scratch =
            rates(&Settings::preset(Preset::Paper, Method::Scratch).finetune.optimisation);
        assert!((scratch[500][0] - 0.01 * 0.5f64.powf(0.9)).abs() < 1e-15);
    }
}
