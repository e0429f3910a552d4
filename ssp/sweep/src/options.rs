//! The options of a sweep, and the plan that follows from them.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::arm::{Arm, Candidate};
use super::plan::{Plan, Subsets};
use super::study_table::StudyTable;
use crate::{Error, Result};
use common::Watcher;
use settings::published::Configs;
use settings::{Method, Preset, Settings, Subjects};

/// The options of a sweep. What is not given has a default, or the value of the existing sweep.
#[derive(Clone, Debug, Default)]
pub struct SweepOptions {
    /// Methods; all by default.
    pub methods: Vec<Method>,
    /// Numbers of labelled subjects, none for all; 5, 10, 25 and all by default.
    pub counts: Vec<Option<usize>>,
    /// Seeds of fine-tuning and of the choice of labelled subjects; 0, 1 and 2 by default.
    pub seeds: Vec<u64>,
    /// Data folders; by default those of the configurations, or else the built-in cohort.
    pub data: Vec<PathBuf>,
    /// Folders of test subjects; by default some subjects of the data are held out.
    pub test: Vec<PathBuf>,
    /// A file with the split, in the format of the study.
    pub split: Option<PathBuf>,
    /// How labelled subjects are selected; at random by default.
    pub subsets: Option<Subsets>,
    /// Configuration files, each for its method.
    pub configs: Configs,
    /// The preset that settings start from.
    pub preset: Option<Preset>,
    /// Changes of settings, `KEY=VALUE`, for one method or all (none).
    pub changes: Vec<(Option<Method>, String)>,
    /// Values of settings to choose from.
    pub grids: Vec<SettingGrid>,
    /// Use the settings as given, without the default grids.
    pub as_given: bool,
    /// Further tables.
    pub tables: Vec<StudyTable>,
    /// Numbers of labelled subjects of further tables; the largest of `counts` by default.
    pub table_counts: Vec<Option<usize>>,
    /// Vendors whose labels the table of vendors uses; the first half of them by default.
    pub vendors: Vec<String>,
}

/// Values of a setting, from which the best one is chosen on validation subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingGrid {
    /// The method; none for all.
    pub method: Option<Method>,
    /// Key of the setting.
    pub key: String,
    /// Its values.
    pub values: Vec<String>,
}

impl SweepOptions {
    /// The plan. With an `existing` one, its counts and seeds stay, and if no option of methods, data and
    /// settings is given, so do all of these. Notes about the settings go to `watcher`.
    ///
    /// # Errors
    /// When settings are invalid, or files, subjects or vendors that they name do not exist.
    pub fn plan(&self, existing: Option<&Plan>, watcher: &dyn Watcher) -> Result<Plan> {
        let mut plan = match existing {
            Some(existing) if self.changes_only_size() => existing.clone(),
            _ => self.plan_of_methods(existing, watcher)?,
        };
        plan.initial = None;
        plan.variants.clear();
        if existing.is_some() || !self.counts.is_empty() {
            plan.counts = self.counts.clone();
        }
        if existing.is_some() || !self.seeds.is_empty() {
            plan.seeds = self.seeds.clone();
        }
        if let Some(existing) = existing {
            plan.counts.extend(&existing.counts);
            plan.seeds.extend(&existing.seeds);
        }
        let mut plan = plan.normalised()?;
        plan.variants = self.variants(&plan, existing, watcher)?;
        Ok(plan)
    }

    /// Whether no option of methods, data and settings is given.
    fn changes_only_size(&self) -> bool {
        (self.methods.is_empty() && self.configs.is_empty() && self.preset.is_none())
            && (self.changes.is_empty() && self.grids.is_empty() && !self.as_given)
            && (self.data.is_empty() && self.test.is_empty())
            && (self.split.is_none() && self.subsets.is_none())
    }

    /// A plan of the methods and their settings, with default counts and seeds.
    fn plan_of_methods(&self, existing: Option<&Plan>, watcher: &dyn Watcher) -> Result<Plan> {
        let preset = self.configs.preset(self.preset)?.unwrap_or(Preset::Demo);
        let methods = match (self.methods.is_empty(), existing) {
            (false, _) => self.methods.clone(),
            (true, Some(existing)) => existing.methods(),
            (true, None) => Method::ALL.to_vec(),
        };
        let mut data = self.data.clone();
        let mut arms = Vec::new();
        let mut noted = Vec::new();
        for method in methods {
            let configured = self.configs.of_method(method)?.settings(
                Some(method),
                Some(preset),
                preset,
                &self.changes_for(method, preset),
            )?;
            if data.is_empty() {
                data.extend(configured.data()?);
            }
            let mut notes = configured.notes;
            if configured.weights.is_some() {
                notes.push(
                    "the configuration's weights are ignored: a sweep does its own pretraining"
                        .into(),
                );
            }
            for text in notes {
                if !noted.contains(&text) {
                    watcher.note(&text);
                    noted.push(text);
                }
            }
            let mut settings = configured.settings;
            // A process that resumes the sweep may run in another directory.
            let Subjects { split, labelled_split, .. } = &mut settings.subjects;
            for file in [split, labelled_split].into_iter().flatten() {
                *file = absolute(Path::new(file))?.display().to_string();
            }
            arms.push(Arm { method, candidates: self.candidates(&settings)? });
        }
        self.note_unused(&arms, watcher);
        let absolute = |path: &PathBuf| absolute(path);
        let data = data.iter().map(absolute).collect::<Result<Vec<_>>>()?;
        let test = self.test.iter().map(absolute).collect::<Result<Vec<_>>>()?;
        Ok(Plan {
            arms,
            counts: vec![Some(5), Some(10), Some(25), None],
            seeds: vec![0, 1, 2],
            initial: None,
            variants: vec![],
            subsets: self.subsets.unwrap_or_default(),
            data,
            test,
        })
    }

    /// Notes options for methods that are not part of the sweep.
    fn note_unused(&self, arms: &[Arm], watcher: &dyn Watcher) {
        let changes = self.changes.iter().map(|(method, change)| ("--set-for", method, change));
        let grids = self.grids.iter().map(|grid| ("--try", &grid.method, &grid.key));
        for (option, method, text) in changes.chain(grids) {
            let is_used = |method: &Method| arms.iter().any(|arm| arm.method == *method);
            if let Some(method) = method.filter(|method| !is_used(method)) {
                let name = method.name();
                watcher.note(&format!("{option} {name}:{text}: {name} is not one of --methods"));
            }
        }
    }

    /// The changes of settings for a method, in the order of the command line.
    fn changes_for(&self, method: Method, preset: Preset) -> Vec<String> {
        let of_method = |(of, _): &&(Option<Method>, String)| of.is_none_or(|of| of == method);
        let mut changes = Vec::new();
        if preset == Preset::Demo && self.data.is_empty() && self.configs.is_empty() {
            changes.extend(BUILT_IN.map(str::to_owned));
        }
        if let Some(split) = &self.split {
            // Quoted, so that special characters in the name have no effect.
            changes.push(format!("subjects.split={}", json!(split.display().to_string())));
        }
        changes.extend(self.changes.iter().filter(of_method).map(|(_, change)| change.clone()));
        changes
    }

    /// The candidates of an arm: every combination of the values of its grids.
    fn candidates(&self, base: &Settings) -> Result<Vec<Candidate>> {
        let mut grids: Vec<SettingGrid> = self.grids.clone();
        grids.retain(|grid| grid.method.is_none_or(|method| method == base.method));
        if grids.is_empty() && !self.as_given {
            grids = default_grids(base);
        }
        let mut candidates = vec![Candidate { changes: String::new(), settings: base.clone() }];
        for SettingGrid { key, values, .. } in &grids {
            let mut more: Vec<Candidate> = Vec::new();
            for Candidate { changes, settings } in &candidates {
                for value in values {
                    let change = format!("{key}={value}");
                    let mut settings = settings.clone();
                    settings.apply(std::slice::from_ref(&change))?;
                    // Settings that the method does not use make no new candidate.
                    if more
                        .iter()
                        .any(|other| used_settings(&other.settings) == used_settings(&settings))
                    {
                        continue;
                    }
                    let changes = format!("{changes} {change}").trim().to_owned();
                    more.push(Candidate { changes, settings });
                }
            }
            candidates = more;
        }
        if let [only] = candidates.as_mut_slice() {
            only.changes.clear();
        }
        Ok(candidates)
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| Error::io(path, e))
}

/// Changes of the demo preset, which is meant for one short training, for a sweep of the built-in cohort: enough
/// subjects for 25 labelled ones and held-out ones; pixels coarse enough for about a hundred trainings within
/// hours on two cores; enough steps for the methods to level off, which a faster decay of the learning rate
/// brings forward.
const BUILT_IN: [&str; 10] = [
    "subjects.phantom=60",
    "network.size=64",
    "network.spacing=3.75",
    "pretrain.optimisation.epochs=8",
    "pretrain.mim.patch=8,8",
    "pretrain.dino.local_size=32",
    "finetune.optimisation.batch=4",
    "finetune.optimisation.power=1.5",
    "finetune.steps=3000",
    "finetune.validate_steps=250",
];

/// The grids of a method for which none are given. The learning rates of the paper suit its number of steps,
/// and the paper preset uses them as published. With fewer steps they leave weights of large norm, which
/// fine-tuning hardly changes. Every arm has the same number of candidates, because more candidates find a
/// better one.
fn default_grids(base: &Settings) -> Vec<SettingGrid> {
    let grid = |key: &str, rate: f64, factors: &[f64]| {
        // Rounded, to write 0.02 and not 0.020000000000000004.
        let value = |factor: &f64| format!("{}", (rate * factor * 1e9).round() / 1e9);
        let values = factors.iter().map(value).collect();
        SettingGrid { method: Some(base.method), key: key.to_owned(), values }
    };
    let Settings { pretrain, finetune, .. } = base;
    let before = pretrain.optimisation.learning_rate;
    let (alone, after) = (finetune.optimisation.learning_rate, finetune.pretrained_learning_rate);
    let pretraining = |factors: [f64; 2]| {
        vec![
            grid("pretrain.optimisation.learning_rate", before, &factors),
            grid("finetune.pretrained_learning_rate", after, &[1.0, 4.0]),
        ]
    };
    match base.method {
        _ if base.preset == Preset::Paper => vec![],
        Method::Scratch => {
            vec![grid("finetune.optimisation.learning_rate", alone, &[0.5, 1.0, 2.0, 4.0])]
        }
        Method::SimClr | Method::Pcl => pretraining([0.2, 1.0]),
        // With few steps at the rate of the paper, DINO hardly learns.
        Method::Dino => pretraining([1.0, 10.0]),
        Method::Mim => pretraining([0.1, 1.0]),
    }
}

/// The settings with those that the method does not use set to fixed values.
fn used_settings(settings: &Settings) -> Settings {
    let mut used = settings.clone();
    let fresh = Settings::preset(settings.preset, settings.method).pretrain;
    if !matches!(settings.method, Method::SimClr | Method::Pcl) {
        used.pretrain.contrastive = fresh.contrastive.clone();
    }
    if settings.method != Method::Dino {
        used.pretrain.dino = fresh.dino.clone();
    }
    if settings.method != Method::Mim {
        used.pretrain.mim = fresh.mim.clone();
    }
    if settings.method == Method::Scratch {
        used.pretrain = fresh;
        used.finetune.pretrained_learning_rate = 0.0;
    } else {
        used.finetune.optimisation.learning_rate = 0.0;
    }
    used
}
