//! One run of the study: pretraining, fine-tuning and testing, recorded in a run folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use nn::{NameFilter, checkpoint};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tensor::Device;

use crate::data_record::DataRecord;
use crate::growth::{growth, norms, remark};
use crate::model::{Model, metadata, pretrained_weights_of};
use crate::roles::Roles;
use crate::run::folder::{RunFolder, write_json};
use crate::task::{PretextData, PretextSetup, Segmentation, Task, unet};
use crate::trainer::{Stage, State};
use crate::{Error, Result, run};
use common::Watcher;
use common::files::remove_abandoned_below;
use evaluate::Predictor;
use evaluate::{
    Remarks, Results, cardiac_functions, doubts, evaluate, write_frames, write_slices,
    write_subjects,
};
use sampling::Cohort;
use sampling::augment::Grid;
use sampling::cache::Cache;
use sampling::copies::Shared;
use sampling::sampler::{Crops, Order, Sampler, Selection};
use settings::{Method, Optimisation, Preset, Settings};

mod cohorts;
mod job_record;
mod summary;

pub use cohorts::cohorts;
pub use cohorts::{mnms_behind, open_cohort};
pub use summary::{scale, summary};

/// Which parts of a run are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parts {
    /// Pretraining, fine-tuning and testing.
    All,
    /// Pretraining alone.
    Pretrain,
    /// Fine-tuning and testing, from existing weights.
    Finetune,
    /// Fine-tuning alone: of the subjects held out, only the validation subjects are used.
    Validate,
}

/// A run as the user specified it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Every setting.
    pub settings: Settings,
    /// Folders of subjects; none for the built-in cohort.
    pub data: Vec<PathBuf>,
    /// Folders of test subjects; none to hold some out.
    pub test: Vec<PathBuf>,
    /// The parts to run.
    pub parts: Parts,
    /// Weights to start from: a run folder or a file.
    pub weights: Option<PathBuf>,
    /// The run folder; none for the next free folder under `runs`.
    pub out: Option<PathBuf>,
    /// The device to compute on.
    pub device: Device,
}

/// The results of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The run folder.
    pub folder: RunFolder,
    /// The state of pretraining at its end; none if there was no pretraining.
    pub pretraining: Option<State>,
    /// The state of fine-tuning at its end; none if there was no fine-tuning.
    pub finetuning: Option<State>,
    /// Results on the test subjects; none if there was no testing.
    pub results: Option<Results>,
    /// What may make the results wrong, one line each; `warnings` of `result.json`.
    pub warnings: Vec<String>,
}

/// Runs a job.
///
/// An interrupted run resumes when the same job is run in the same folder.
///
/// # Errors
/// When data, settings or weights cannot be used, or files cannot be written.
pub fn run(job: &Job, watcher: &dyn Watcher) -> Result<Outcome> {
    let settings = &job.settings;
    settings.check()?;
    refuse_contradictions(job)?;
    let weights = job.weights.as_deref().map(pretrained_weights_of).transpose()?;
    let name = format!("{}-{}", settings.method.name(), settings.preset.name());
    // Before the data are read, which may take a long time.
    if let Some(out) = &job.out {
        RunFolder::new(out).check(settings)?;
    }
    if let Some(weights) = &weights {
        let mut network = unet(&settings.network, settings.seed)?;
        let which = |name: &str| settings.method.hands_over(name);
        checkpoint::check(weights, &NameFilter { module: &mut network, keep: &which })?;
    }
    let (cohort, test) = cohorts(job, watcher)?;
    let pretrain_only = job.parts == Parts::Pretrain;
    let note = |text: &str| watcher.note(text);
    let roles = Roles::draw(settings, &cohort, test.as_ref(), pretrain_only, &note)?;
    let shared_images = roles.shared_images(&cohort, test.as_ref());
    shared_images.iter().for_each(|line| watcher.note(&format!("warning: {line}")));
    if let Some(weights) = &weights {
        roles.refuse_leak(weights, &cohort, test.as_ref())?;
    }
    // Not earlier, so that a run that is refused leaves no folder.
    let (folder, _held) = match &job.out {
        Some(out) => {
            let folder = RunFolder::new(out);
            let held = folder.prepare(settings)?;
            (folder, held)
        }
        None => RunFolder::take(Path::new("runs"), &name, settings)?,
    };
    remove_abandoned_below(folder.path());
    roles.keep(&folder)?;
    DataRecord::of(&roles, &cohort, test.as_ref()).keep(&folder)?;
    job_record::record_job(job, weights.as_deref(), &folder)?;
    watcher.folder(folder.path());
    watcher.note(&format!(
        "{}: {} train ({} with labels), {} validate, {} test",
        cohort.source,
        roles.train.len(),
        roles.labelled.len(),
        roles.valid.len(),
        roles.test.len()
    ));
    // No hint for users who have set a network or grid of their own.
    let as_preset = Settings::preset(Preset::Demo, settings.method).network == settings.network;
    let hint = match as_preset && !job.data.is_empty() {
        true => " (a quick demonstration; --preset small is for experiments)",
        false => "",
    };
    watcher.note(&format!("{}{hint}", summary(settings, job.parts)));
    let device = job.device.clone();
    let mut warnings = cohort.warning_lines();
    warnings.extend(test.iter().flat_map(Cohort::warning_lines));
    warnings.extend(shared_images);
    let data_warnings = &warnings;
    let cohort = &cohort;
    let subject_warnings = &test.as_ref().unwrap_or(cohort).warnings;
    let run = Run {
        settings,
        cohort,
        roles: &roles,
        folder: &folder,
        device,
        data_warnings,
        subject_warnings,
        watcher,
    };
    let pretrained = match weights {
        Some(weights) => Some(Pretrained { weights, state: None }),
        None if settings.method == Method::Scratch => None,
        None => Some(run.pretrained()?),
    };
    let (mut finetuning, mut results) = (None, None);
    if job.parts != Parts::Pretrain {
        let mut finetuned = run.finetuned(pretrained.as_ref())?;
        if job.parts != Parts::Validate {
            let test = test.as_ref().unwrap_or(cohort);
            results = Some(run.tested(&mut finetuned, test, pretrained.as_ref())?);
        }
        finetuning = Some(finetuned.state);
    }
    run::pictures::draw_curves(&folder)?;
    let pretraining = pretrained.and_then(|pretrained| pretrained.state);
    warnings.extend(results.iter().flat_map(doubts));
    Ok(Outcome { folder, pretraining, finetuning, results, warnings })
}

fn refuse_contradictions(job: &Job) -> Result<()> {
    let refuse = |what: &str| Err(Error::Setting(what.to_owned()));
    match (job.parts, job.settings.method, &job.weights) {
        (Parts::Pretrain, Method::Scratch, _) => {
            refuse("--stage pretrain with --method scratch: there is nothing to pretrain")
        }
        (_, Method::Scratch, Some(_)) => refuse(
            "--method scratch starts from random weights; name the method that made --weights",
        ),
        (Parts::Pretrain, _, Some(_)) => {
            refuse("--stage pretrain starts from random weights; leave --weights out")
        }
        (Parts::Finetune | Parts::Validate, method, None) if method != Method::Scratch => {
            refuse("--stage finetune needs pretrained weights: name a run or a file with --weights")
        }
        _ => Ok(()),
    }
}

struct Run<'a> {
    settings: &'a Settings,
    cohort: &'a Cohort,
    roles: &'a Roles,
    folder: &'a RunFolder,
    device: Device,
    data_warnings: &'a [String],
    /// Warnings about the test subjects: the subject, and a line.
    subject_warnings: &'a [(String, String)],
    watcher: &'a dyn Watcher,
}

/// Weights to fine-tune from, and the state of their training if this run made them.
struct Pretrained {
    weights: PathBuf,
    state: Option<State>,
}

/// A network after supervised training.
struct Finetuned {
    task: Segmentation,
    state: State,
    /// Number of labelled slices that it was trained on.
    slices: usize,
}

impl Run<'_> {
    fn grid(&self) -> Grid {
        Grid::square(self.settings.network.size, self.settings.network.spacing)
    }

    /// Pretrains.
    fn pretrained(&self) -> Result<Pretrained> {
        let Run { settings, cohort, roles, .. } = *self;
        let (train, valid) = (cohort.places(&roles.train)?, cohort.places(&roles.valid)?);
        let data = PretextData { settings, cache: &cohort.cache, train: &train, valid: &valid };
        let PretextSetup { samplers, mut task } = data.pretext()?;
        run::pictures::draw_views(self.folder, &data, &samplers)?;
        let pretrain = &settings.pretrain;
        let stage = Stage {
            name: "pretrain",
            folder: self.folder.stage("pretrain"),
            metadata: metadata(settings)?,
            optimisation: &pretrain.optimisation,
            learning_rate: pretrain.optimisation.base_rate(),
            learning_rate_key: "pretrain.optimisation.learning_rate",
            validate_every: pretrain.validate_every,
            patience: 0,
            min_delta: 0.0,
            keep_every: match settings.method {
                Method::Dino => pretrain.dino.checkpoint_every,
                _ => 0,
            },
            save_every: settings.save_every,
            device: self.device.clone(),
        };
        let metrics = self.folder.metrics();
        let state = stage.run(task.as_mut(), &samplers, &metrics, self.watcher)?;
        run::pictures::draw_reconstructions(self.folder, &data, task.as_mut())?;
        run::pictures::draw_neighbours(self.folder, &data, task.as_mut())?;
        tensor::release_idle_memory();
        Ok(Pretrained { weights: stage.last(), state: Some(state) })
    }

    /// Trains with labels.
    fn finetuned(&self, pretrained: Option<&Pretrained>) -> Result<Finetuned> {
        let valid = self.cohort.places(&self.roles.valid)?;
        let mut task = Segmentation::new(self.settings, &self.cohort.cache, &valid)?;
        let finetune = &self.settings.finetune;
        let (learning_rate, learning_rate_key) = match pretrained {
            None => (finetune.optimisation.base_rate(), "finetune.optimisation.learning_rate"),
            Some(Pretrained { weights, .. }) => {
                self.hand_over(weights, &mut task)?;
                (finetune.pretrained_learning_rate, "finetune.pretrained_learning_rate")
            }
        };
        let sampler = Sampler::new(
            self.cohort.cache.clone(),
            &self.cohort.places(&self.roles.labelled)?,
            Selection::Labelled(finetune.phases),
            Order::Shuffled,
            Crops::augmented(self.grid(), finetune.augmentation, 1, finetune.centre),
            finetune.optimisation.batch,
            self.settings.seed,
        )?;
        let slices = sampler.slices();
        let optimisation = Optimisation {
            epochs: finetune.epochs(sampler.batches()),
            ..finetune.optimisation.clone()
        };
        let stage = Stage {
            name: "finetune",
            folder: self.folder.stage("finetune"),
            metadata: metadata(self.settings)?,
            optimisation: &optimisation,
            learning_rate,
            learning_rate_key,
            validate_every: finetune.epochs_between_looks(sampler.batches()),
            patience: finetune.patience,
            min_delta: finetune.min_delta,
            keep_every: 0,
            save_every: self.settings.save_every,
            device: self.device.clone(),
        };
        let metrics = self.folder.metrics();
        let state = stage.run(&mut task, &[sampler], &metrics, self.watcher)?;
        if state.best_epoch.is_some() {
            checkpoint::load(&stage.best(), task.network_mut())?;
        }
        Ok(Finetuned { task, state, slices })
    }

    /// Tests a network, and writes the results.
    fn tested(
        &self,
        finetuned: &mut Finetuned,
        test: &Cohort,
        pretrained: Option<&Pretrained>,
    ) -> Result<Results> {
        let subjects = test.places(&self.roles.test)?;
        let started = Instant::now();
        let results = self.test(&mut finetuned.task, &test.cache, &subjects)?;
        let seconds = started.elapsed().as_secs_f64();
        let Finetuned { state, slices, .. } = finetuned;
        self.write_result(&results, pretrained, state, seconds, *slices)?;
        Ok(results)
    }

    /// Loads those pretrained weights that the method transfers to fine-tuning.
    fn hand_over(&self, weights: &Path, task: &mut Segmentation) -> Result<()> {
        let method = self.settings.method;
        let which = |name: &str| method.hands_over(name);
        let mut part = NameFilter { module: task.network_mut(), keep: &which };
        let fresh = norms(&part)?;
        let report = checkpoint::load(weights, &mut part)?;
        let growth = growth(&fresh, &norms(&part)?);
        let part = if method == Method::Mim { "encoder and decoder" } else { "encoder" };
        self.watcher.note(&format!("{part} from {}: {report}", weights.display()));
        remark(growth).iter().for_each(|remark| self.watcher.note(remark));
        Ok(())
    }

    fn test(
        &self,
        task: &mut Segmentation,
        cache: &Arc<Cache>,
        subjects: &[usize],
    ) -> Result<Results> {
        let frames: usize = subjects.iter().map(|&s| cache.subject(s).study_frames().len()).sum();
        self.watcher.begin("test", frames as u64);
        let mut done = 0;
        let mut predictor = Predictor::new(task.unet(), self.grid());
        let results = evaluate(&mut predictor, cache, subjects, |_| {
            done += 1;
            self.watcher.advance(done, "frames");
        });
        self.watcher.end();
        let results = results?;
        write_frames(self.folder.frames(), &results.frames)?;
        write_slices(self.folder.slices(), &results.slices)?;
        let subjects = cardiac_functions(&results.frames);
        let remarks = Remarks::of(&results, self.subject_warnings);
        write_subjects(self.folder.subjects(), &subjects, &remarks)?;
        run::pictures::draw_overlays(self.folder, &mut predictor, cache, &results)?;
        Ok(results)
    }

    fn write_result(
        &self,
        results: &Results,
        pretrained: Option<&Pretrained>,
        state: &State,
        test_seconds: f64,
        slices: usize,
    ) -> Result<()> {
        let pretrain = pretrained.and_then(|p| p.state.as_ref());
        let what = json!({
            "method": self.settings.method.name(),
            "preset": self.settings.preset.name(),
            "seed": self.settings.seed,
            "data": self.cohort.source,
            "weights": pretrained.map(|p| p.weights.display().to_string()),
        });
        let how = json!({
            "subjects": {
                "train": self.roles.train.len(),
                "labelled": self.roles.labelled.len(),
                "valid": self.roles.valid.len(),
                "test": self.roles.test.len(),
            },
            "labelled_slices": slices,
            "pretrain": pretrain,
            "finetune": state,
            "seconds": {
                "pretrain": pretrain.map_or(0.0, |p| p.seconds),
                "finetune": state.seconds,
                "test": test_seconds,
            },
        });
        let warnings = [self.data_warnings, &doubts(results)].concat();
        let parts = [what, results.to_json(), how, json!({ "warnings": warnings })];
        let entries = parts.iter().filter_map(Value::as_object).flatten();
        let result: Map<String, Value> = entries.map(|(k, v)| (k.clone(), v.clone())).collect();
        write_json(&self.folder.result(), &result)
    }
}

/// Predicts and evaluates with existing weights, on the labelled subjects of `cohort`.
///
/// # Errors
/// When no subject has labels, or the network does not fit.
pub fn test_model(model: &mut Model, cohort: &Cohort, watcher: &dyn Watcher) -> Result<Results> {
    let subjects = cohort.places(&cohort.labelled_ids())?;
    if subjects.is_empty() {
        return Err(Error::Data(format!("no subject of {} has labels", cohort.source)));
    }
    let frames: usize =
        subjects.iter().map(|&s| cohort.cache.subject(s).study_frames().len()).sum();
    watcher.begin("evaluate", frames as u64);
    let mut done = 0;
    let results = evaluate(&mut model.predictor(), &cohort.cache, &subjects, |_| {
        done += 1;
        watcher.advance(done, "frames");
    });
    watcher.end();
    results
}

/// Warnings about subjects that a network was trained or validated on: their Dice does not generalise to
/// new subjects, and must not be reported by mistake.
///
/// # Errors
/// When the files of the run that made the weights cannot be read.
pub fn known_subjects(model: &Model, cohort: &Cohort) -> Result<Vec<String>> {
    let Some(roles) = Roles::of_weights(&model.path)? else { return Ok(vec![]) };
    let mut warnings = Vec::new();
    let ids = cohort.labelled_ids();
    let made_weights = |id: &&String| roles.train.contains(id) || roles.valid.contains(id);
    let known: Vec<&String> = ids.iter().filter(made_weights).collect();
    if let Some(first) = known.first() {
        warnings.push(format!(
            "{} of {} subjects have names that this run was trained or validated on ({first}, ...); their \
             Dice says nothing about new subjects",
            known.len(),
            ids.len()
        ));
    }
    let Some(record) = DataRecord::of_weights(&model.path)? else { return Ok(warnings) };
    let others: Vec<String> = ids.iter().filter(|id| !known.contains(id)).cloned().collect();
    let shared = record.shared(&|_| true, cohort, &others);
    let mut sharing: Vec<&String> = shared.iter().map(|shared| &shared.ids[1]).collect();
    sharing.dedup();
    if let Some(Shared { ids: [original, copy], equal, of }) = shared.first() {
        warnings.push(format!(
            "{} of {} subjects have images that this run was trained or validated on under other names \
             ({copy} has {equal} of {of} slices of {original}, ...); their Dice says nothing about new \
             subjects",
            sharing.len(),
            ids.len()
        ));
    }
    Ok(warnings)
}
