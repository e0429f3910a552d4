//! One run of the study: pretraining, fine-tuning, testing, and the folder that tells of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use nn::{Part, checkpoint};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::augment::Grid;
use crate::data::cache::Cache;
use crate::data::sampler::{Crops, Order, Sampler, Selection};
use crate::data::split::{Split, Test};
use crate::data::{Cohort, Moment, cache_folder};
use crate::evaluate::{Results, evaluate, write_frames, write_slices};
use crate::model::{Model, metadata, pretrained_weights_of};
use crate::predict::Predictor;
use crate::run::folder::{RunFolder, read_json, write_json};
use crate::settings::{Method, Settings};
use crate::task::{Contrastive, Segmentation, Task};
use crate::train::{Stage, State, Watcher};
use crate::{Error, Result, run};

/// Which parts of a run are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Pretraining, fine-tuning and testing.
    All,
    /// Pretraining alone.
    Pretrain,
    /// Fine-tuning and testing, from weights that there are.
    Finetune,
}

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// Every setting.
    pub settings: Settings,
    /// Folders of subjects; none for the built-in cohort.
    pub data: Vec<PathBuf>,
    /// Folders of test subjects; none to hold some out.
    pub test: Vec<PathBuf>,
    /// What to do.
    pub parts: Parts,
    /// Weights to start from: a run folder or a file.
    pub weights: Option<PathBuf>,
    /// Where the run goes; none for the next free folder under `runs`.
    pub out: Option<PathBuf>,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Where it lies.
    pub folder: RunFolder,
    /// Results on the test subjects; none if there was no fine-tuning.
    pub results: Option<Results>,
}

/// Who does what in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Roles {
    /// Trained on; those among `labelled` with their labels.
    train: Vec<String>,
    valid: Vec<String>,
    test: Vec<String>,
    labelled: Vec<String>,
}

/// Does what a job asks for.
///
/// A run that was cut off goes on when the same job is given the same folder.
///
/// # Errors
/// When data, settings or weights cannot be used, or files cannot be written.
pub fn run(job: &Job, watcher: &dyn Watcher) -> Result<Outcome> {
    let settings = &job.settings;
    settings.check()?;
    refuse_contradictions(job)?;
    let (cohort, test) = cohorts(job, watcher)?;
    let roles = roles(job, &cohort, test.as_ref())?;
    let name = format!("{}-{}", settings.method.name(), settings.preset.name());
    let folder = job.out.as_ref().map_or_else(|| RunFolder::next(&name), RunFolder::new);
    folder.prepare(settings)?;
    keep_roles(&folder, &roles)?;
    watcher.note(&format!(
        "{}: {} train ({} with labels), {} validate, {} test",
        cohort.source,
        roles.train.len(),
        roles.labelled.len(),
        roles.valid.len(),
        roles.test.len()
    ));
    let run = Run { job, settings, cohort: &cohort, roles: &roles, folder: &folder, watcher };
    let pretrained = run.pretrained()?;
    let results = match job.parts {
        Parts::Pretrain => None,
        _ => Some(run.finetuned(pretrained.as_ref(), test.as_ref().unwrap_or(&cohort))?),
    };
    run::pictures::draw_curves(&folder)?;
    Ok(Outcome { folder, results })
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
        (Parts::Finetune, Method::Pcl | Method::SimClr, None) => {
            refuse("--stage finetune needs pretrained weights: name a run or a file with --weights")
        }
        _ => Ok(()),
    }
}

/// The subjects to train on, and those to test on where they are given apart.
fn cohorts(job: &Job, watcher: &dyn Watcher) -> Result<(Cohort, Option<Cohort>)> {
    let cache = cache_folder();
    let open = |folders: &[PathBuf], name: &str| -> Result<Cohort> {
        let begun = std::sync::Once::new();
        let progress = |done: usize, total: usize| {
            begun.call_once(|| watcher.begin(name, total as u64));
            watcher.advance(done as u64, "subjects read");
        };
        let subjects = &job.settings.subjects;
        let cohort = if folders.is_empty() {
            Cohort::phantom(subjects.phantom, subjects.phantom_seed, &cache, progress)
        } else {
            Cohort::open(folders, &cache, progress)
        };
        if begun.is_completed() {
            watcher.end();
        }
        let cohort = cohort?;
        for failure in &cohort.failures {
            watcher.note(&format!("left out {}: {}", failure.id, failure.reason));
        }
        Ok(cohort)
    };
    let cohort = open(&job.data, "reading")?;
    let test = match job.test.as_slice() {
        [] => None,
        folders => Some(open(folders, "reading test subjects")?),
    };
    Ok((cohort, test))
}

fn roles(job: &Job, cohort: &Cohort, test: Option<&Cohort>) -> Result<Roles> {
    let settings = &job.settings;
    let with_labels = cohort.labelled_ids();
    if with_labels.is_empty() && job.parts == Parts::Pretrain {
        let none = Vec::new;
        return Ok(Roles { train: cohort.ids(), valid: none(), test: none(), labelled: none() });
    }
    if with_labels.is_empty() {
        let what = format!("no subject of {} has labels to train on", cohort.source);
        return Err(Error::Data(what));
    }
    let test_set = match test {
        Some(test) => Test::Given(test.labelled_ids()),
        None => Test::Share(settings.subjects.test_share),
    };
    let split = Split::draw(&with_labels, test_set, settings.subjects.valid_share, settings.seed)?;
    if split.test.is_empty() {
        return Err(Error::Data(format!(
            "no labelled subject to test on; give some with --test, or set \
             subjects.test_share above {}",
            settings.subjects.test_share
        )));
    }
    let labelled = match settings.labelled {
        0 => split.train.clone(),
        count => split.labelled(count, settings.seed)?,
    };
    let mut train = split.train;
    train.extend(cohort.ids().into_iter().filter(|id| !with_labels.contains(id)));
    train.sort();
    let roles = Roles { train, valid: split.valid, test: split.test, labelled };
    refuse_leaks(job, &roles)?;
    Ok(roles)
}

/// Refuses subjects that test or validate and were trained on, here or by the weights that are
/// started from.
fn refuse_leaks(job: &Job, roles: &Roles) -> Result<()> {
    let held_out = || roles.test.iter().chain(&roles.valid);
    if let Some(id) = held_out().find(|id| roles.train.contains(id)) {
        let what =
            format!("subject {id} would be trained on and tested; is it in --data and --test?");
        return Err(Error::Data(what));
    }
    let Some(weights) = &job.weights else { return Ok(()) };
    let split = RunFolder::new(weights).split();
    if !split.exists() {
        return Ok(());
    }
    let trained = read_json::<Roles>(&split)?.train;
    match held_out().find(|id| trained.contains(id)) {
        None => Ok(()),
        Some(id) => Err(Error::Data(format!(
            "subject {id} is held out here, and {} was trained on it; give the same --data, \
             --test and --seed as that run had",
            weights.display()
        ))),
    }
}

/// A run that goes on must have the subjects that it started with.
fn keep_roles(folder: &RunFolder, roles: &Roles) -> Result<()> {
    let path = folder.split();
    if path.exists() && read_json::<Roles>(&path)? != *roles {
        return Err(Error::file(
            path,
            "names other subjects than there are now; name another folder with --out",
        ));
    }
    write_json(&path, roles)
}

struct Run<'a> {
    job: &'a Job,
    settings: &'a Settings,
    cohort: &'a Cohort,
    roles: &'a Roles,
    folder: &'a RunFolder,
    watcher: &'a dyn Watcher,
}

/// Weights to fine-tune from, and how long they took if they were made here.
struct Pretrained {
    weights: PathBuf,
    state: Option<State>,
}

impl Run<'_> {
    fn grid(&self) -> Grid {
        Grid::square(self.settings.network.size, self.settings.network.spacing)
    }

    fn sampler(&self, ids: &[String], selection: Selection, views: usize) -> Result<Sampler> {
        let settings = self.settings;
        let optimisation = match selection {
            Selection::Everything => &settings.pretrain.optimisation,
            Selection::Labelled => &settings.finetune.optimisation,
        };
        Sampler::new(
            self.cohort.cache.clone(),
            &self.cohort.places(ids)?,
            selection,
            Order::Shuffled,
            Crops::augmented(self.grid(), settings.augmentation, views),
            optimisation.batch,
            settings.seed,
        )
    }

    /// Pretrains, or takes the weights given; none from scratch.
    fn pretrained(&self) -> Result<Option<Pretrained>> {
        if let Some(weights) = &self.job.weights {
            let weights = pretrained_weights_of(weights)?;
            return Ok(Some(Pretrained { weights, state: None }));
        }
        if self.settings.method == Method::Scratch {
            return Ok(None);
        }
        let mut task = Contrastive::new(self.settings)?;
        let sampler = self.sampler(&self.roles.train, Selection::Everything, Contrastive::VIEWS)?;
        let optimisation = &self.settings.pretrain.optimisation;
        let stage = Stage {
            name: "pretrain",
            folder: self.folder.stage("pretrain"),
            metadata: metadata(self.settings)?,
            optimisation,
            learning_rate: optimisation.learning_rate,
            validate_every: usize::MAX,
            patience: 0,
            frozen_epochs: 0,
            frozen: |_| false,
            save_every: self.settings.save_every,
        };
        let metrics = self.folder.metrics();
        let state = stage.run(&mut task, &sampler, &metrics, self.watcher)?;
        Ok(Some(Pretrained { weights: stage.last(), state: Some(state) }))
    }

    /// Trains with labels, tests, and writes what came out.
    fn finetuned(&self, pretrained: Option<&Pretrained>, test: &Cohort) -> Result<Results> {
        let valid = self.cohort.places(&self.roles.valid)?;
        let mut task = Segmentation::new(self.settings, &self.cohort.cache, &valid)?;
        let finetune = &self.settings.finetune;
        let mut learning_rate = finetune.optimisation.learning_rate;
        if let Some(Pretrained { weights, .. }) = pretrained {
            let which = Contrastive::hands_over;
            let mut encoder = Part { module: task.network(), which };
            let report = checkpoint::load(weights, &mut encoder)?;
            self.watcher.note(&format!(
                "encoder from {}: {} tensors; the decoder starts afresh",
                weights.display(),
                report.matched
            ));
            if let Some(name) = report.missing.first() {
                let what =
                    format!("lacks {} of the encoder's tensors ({name})", report.missing.len());
                return Err(Error::file(weights, what));
            }
            learning_rate = finetune.pretrained_learning_rate;
        }
        let sampler = self.sampler(&self.roles.labelled, Selection::Labelled, 1)?;
        let stage = Stage {
            name: "finetune",
            folder: self.folder.stage("finetune"),
            metadata: metadata(self.settings)?,
            optimisation: &finetune.optimisation,
            learning_rate,
            validate_every: finetune.validate_every,
            patience: finetune.patience,
            frozen_epochs: if pretrained.is_some() { finetune.frozen_epochs } else { 0 },
            frozen: Contrastive::hands_over,
            save_every: self.settings.save_every,
        };
        let metrics = self.folder.metrics();
        let state = stage.run(&mut task, &sampler, &metrics, self.watcher)?;
        if state.best_epoch.is_some() {
            checkpoint::load(&stage.best(), task.network())?;
        }
        let subjects = test.places(&self.roles.test)?;
        let started = Instant::now();
        let results = self.test(&mut task, &test.cache, &subjects)?;
        let seconds = started.elapsed().as_secs_f64();
        self.write_result(&results, pretrained, &state, seconds, sampler.slices())?;
        Ok(results)
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
        let of = |moment: Option<Moment>| {
            let mut part = results.clone();
            part.frames.retain(|row| moment.is_none_or(|moment| row.moment == moment));
            let [lv, myo, rv] = part.dice().values();
            json!({ "LV": lv, "MYO": myo, "RV": rv, "mean": part.mean(), "frames": part.frames.len() })
        };
        let pretrain = pretrained.and_then(|p| p.state.as_ref());
        let result = json!({
            "method": self.settings.method.name(),
            "preset": self.settings.preset.name(),
            "seed": self.settings.seed,
            "data": self.cohort.source,
            "dice": of(None),
            "dice_by_moment": {
                "ED": of(Some(Moment::EndDiastole)),
                "ES": of(Some(Moment::EndSystole)),
            },
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
        write_json(&self.folder.result(), &result)
    }
}

/// Predicts and evaluates with weights that there are, on the labelled subjects of `cohort`.
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
