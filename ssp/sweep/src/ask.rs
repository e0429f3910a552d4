//! What is asked of a sweep, and the plan that it comes to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::plan::{Arm, Candidate, Plan, Subsets, Table, Variant};
use crate::{Error, Result};
use common::Watcher;
use data::vendor::vendor_letter;
use sampling::Cohort;
use settings::published::Configs;
use settings::{Method, Preset, Settings, Subjects};
use train::study::{self, Parts};

/// What is asked of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Methods; empty for all.
    pub methods: Vec<Method>,
    /// Labelled subjects, none for all; empty for 5, 10, 25 and all.
    pub counts: Vec<Option<usize>>,
    /// Seeds of fine-tuning and of who has labels; empty for 0, 1 and 2.
    pub seeds: Vec<u64>,
    /// Folders of subjects; none for those that configurations name, or else the built-in cohort.
    pub data: Vec<PathBuf>,
    /// Folders of test subjects; none to hold some out.
    pub test: Vec<PathBuf>,
    /// The study's split, or one of its form.
    pub split: Option<PathBuf>,
    /// Where the labelled subjects of a count and seed come from; drawn if it is not said.
    pub subsets: Option<Subsets>,
    /// Configurations; of several methods each takes its own.
    pub configs: Configs,
    /// What settings start from.
    pub preset: Option<Preset>,
    /// Changes of settings, `KEY=VALUE`, for all methods or one.
    pub changes: Vec<(Option<Method>, String)>,
    /// Settings to choose among, for all methods or one.
    pub tries: Vec<Try>,
    /// Choose among nothing where no tries are given.
    pub as_given: bool,
    /// Tables beside that of counts.
    pub tables: Vec<Table>,
    /// Labelled subjects of those tables; none for the largest count.
    pub table_counts: Vec<Option<usize>>,
    /// Vendors whose labels are used in the table of vendors; none for the first half of them.
    pub vendors: Vec<String>,
}

/// Values of a setting to choose among.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// The method; none for all.
    pub method: Option<Method>,
    /// The setting.
    pub key: String,
    /// Its values.
    pub values: Vec<String>,
}

impl Ask {
    /// The plan. What is not said is as in the sweep that is `there`, if one is: its counts and seeds, and,
    /// where nothing is said of methods, data and settings, all of these. `watcher` is told what a user
    /// should know of the settings.
    ///
    /// # Errors
    /// When settings make no sense, or what is asked for is not there.
    pub fn plan(&self, there: Option<&Plan>, watcher: &dyn Watcher) -> Result<Plan> {
        let mut plan = match there {
            Some(there) if self.leaves_settings() => there.clone(),
            _ => self.settings(there, watcher)?,
        };
        plan.begun = None;
        plan.variants.clear();
        if there.is_some() || !self.counts.is_empty() {
            plan.counts = self.counts.clone();
        }
        if there.is_some() || !self.seeds.is_empty() {
            plan.seeds = self.seeds.clone();
        }
        if let Some(there) = there {
            plan.counts.extend(&there.counts);
            plan.seeds.extend(&there.seeds);
        }
        let mut plan = plan.settled()?;
        plan.variants = self.variants(&plan, there, watcher)?;
        Ok(plan)
    }

    /// Whether nothing is said of methods, data and settings.
    fn leaves_settings(&self) -> bool {
        let Ask { methods, data, test, split, subsets, configs, preset, changes, tries, .. } = self;
        (data.is_empty() && test.is_empty() && split.is_none() && subsets.is_none())
            && (configs.is_empty() && preset.is_none() && changes.is_empty() && tries.is_empty())
            && (methods.is_empty() && !self.as_given)
    }

    /// A plan of the methods and their settings, with the usual counts and seeds.
    fn settings(&self, there: Option<&Plan>, watcher: &dyn Watcher) -> Result<Plan> {
        let preset = self.configs.preset(self.preset)?.unwrap_or(Preset::Demo);
        let methods = match (self.methods.is_empty(), there) {
            (false, _) => self.methods.clone(),
            (true, Some(there)) => there.methods(),
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
                    "a sweep pretrains by itself: the configuration's weights have no effect"
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
            // Any process may go on, whatever folder it is started in.
            let Subjects { split, labelled_split, .. } = &mut settings.subjects;
            for file in [split, labelled_split].into_iter().flatten() {
                *file = absolute(Path::new(file))?.display().to_string();
            }
            arms.push(Arm { method, candidates: self.candidates(&settings)? });
        }
        self.note_idle(&arms, watcher);
        let absolute = |path: &PathBuf| absolute(path);
        let data = data.iter().map(absolute).collect::<Result<Vec<_>>>()?;
        let test = self.test.iter().map(absolute).collect::<Result<Vec<_>>>()?;
        Ok(Plan {
            arms,
            counts: vec![Some(5), Some(10), Some(25), None],
            seeds: vec![0, 1, 2],
            begun: None,
            variants: vec![],
            subsets: self.subsets.unwrap_or_default(),
            data,
            test,
        })
    }

    /// Says what is for methods that are not swept.
    fn note_idle(&self, arms: &[Arm], watcher: &dyn Watcher) {
        let changes = self.changes.iter().map(|(method, change)| ("--set-for", method, change));
        let tries = self.tries.iter().map(|t| ("--try", &t.method, &t.key));
        for (option, method, text) in changes.chain(tries) {
            let swept = |method: &Method| arms.iter().any(|arm| arm.method == *method);
            if let Some(method) = method.filter(|method| !swept(method)) {
                let name = method.name();
                watcher.note(&format!("{option} {name}:{text}: {name} is not among --methods"));
            }
        }
    }

    /// What changes for a method, in the order of the command line.
    fn changes_for(&self, method: Method, preset: Preset) -> Vec<String> {
        let of_method = |(of, _): &&(Option<Method>, String)| of.is_none_or(|of| of == method);
        let mut changes = Vec::new();
        if preset == Preset::Demo && self.data.is_empty() && self.configs.is_empty() {
            changes.extend(BUILT_IN.map(str::to_owned));
        }
        if let Some(split) = &self.split {
            // Quoted, so that a name is taken as it is.
            changes.push(format!("subjects.split={}", json!(split.display().to_string())));
        }
        changes.extend(self.changes.iter().filter(of_method).map(|(_, change)| change.clone()));
        changes
    }

    /// The settings among which an arm chooses: every combination of what is tried.
    fn candidates(&self, base: &Settings) -> Result<Vec<Candidate>> {
        let mut tries: Vec<Try> = self.tries.clone();
        tries.retain(|t| t.method.is_none_or(|method| method == base.method));
        if tries.is_empty() && !self.as_given {
            tries = usual(base);
        }
        let mut candidates = vec![Candidate { changes: String::new(), settings: base.clone() }];
        for Try { key, values, .. } in &tries {
            let mut more: Vec<Candidate> = Vec::new();
            for Candidate { changes, settings } in &candidates {
                for value in values {
                    let change = format!("{key}={value}");
                    let mut settings = settings.clone();
                    settings.apply(std::slice::from_ref(&change))?;
                    // What a method has no use for is not tried twice.
                    if more.iter().any(|other| used(&other.settings) == used(&settings)) {
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

    /// Rows of other tables. Of a table that is there already, what is not said is as there.
    fn variants(
        &self,
        plan: &Plan,
        there: Option<&Plan>,
        watcher: &dyn Watcher,
    ) -> Result<Vec<Variant>> {
        if !self.vendors.is_empty() && !self.tables.contains(&Table::Vendors) {
            return Err(Error::Setting(
                "--vendors names whose labels the table of vendors uses; ask for it with --tables vendors"
                    .into(),
            ));
        }
        let largest = plan.counts.last().copied().unwrap_or(None);
        let mut counts = once(&self.table_counts);
        if counts.is_empty() {
            counts.push(largest);
        }
        if let Some(count) = counts.iter().find(|count| !plan.counts.contains(count)) {
            let count = count.map_or("all".to_owned(), |count| count.to_string());
            return Err(Error::Setting(format!(
                "--table-counts {count}: not among --counts, beside whose cells the tables stand"
            )));
        }
        let before =
            |table| there.and_then(|there| there.variants.iter().find(|v| v.table == table));
        let variant = |table, name: &str, changes: &[&str]| Variant {
            table,
            name: name.to_owned(),
            changes: changes.iter().map(|&change| change.to_owned()).collect(),
            counts: match before(table).filter(|_| self.table_counts.is_empty()) {
                Some(before) => before.counts.clone(),
                None => counts.clone(),
            },
        };
        let mut variants = Vec::new();
        for table in once(&self.tables) {
            match table {
                Table::Subjects => {}
                Table::Phases => variants.extend([
                    variant(Table::Phases, "ED", &["finetune.phases=ed"]),
                    variant(Table::Phases, "ES", &["finetune.phases=es"]),
                ]),
                Table::Vendors => {
                    let named = before(Table::Vendors).filter(|_| self.vendors.is_empty());
                    let names = match named {
                        Some(before) => before.name.split('+').map(str::to_owned).collect(),
                        None => self.vendor_names(plan, watcher)?,
                    };
                    let change = format!("subjects.vendors={}", json!(names));
                    variants.push(variant(Table::Vendors, &names.join("+"), &[&change]));
                }
                Table::Augmentation => {
                    variants.push(variant(Table::Augmentation, "none", &NO_AUGMENTATION));
                }
            }
        }
        Ok(variants)
    }

    /// The vendors whose labels are used.
    fn vendor_names(&self, plan: &Plan, watcher: &dyn Watcher) -> Result<Vec<String>> {
        let wanted: Vec<String> =
            self.vendors.iter().map(|name| vendor_letter(name).to_owned()).collect();
        let mut wanted = once(&wanted);
        wanted.sort_unstable();
        let (cohort, test) = study::cohorts(&plan.job(plan.shared(), Parts::Finetune), watcher)?;
        let vendors = |cohort: &Cohort| -> BTreeSet<String> {
            cohort
                .cache
                .subjects()
                .filter_map(|s| Some(vendor_letter(s.vendor()?).to_owned()))
                .collect()
        };
        let mut names: Vec<String> = vendors(&cohort).into_iter().collect();
        let tested = vendors(test.as_ref().unwrap_or(&cohort));
        let all: BTreeSet<&String> = names.iter().chain(&tested).collect();
        if all.len() < 2 || names.is_empty() {
            return Err(Error::Data(format!(
                "table vendors: {} tells of {} vendors, and it takes two at least; leave the table \
                 out",
                cohort.source,
                all.len()
            )));
        }
        if wanted.is_empty() {
            // All of them where others test.
            if tested.iter().all(|name| names.contains(name)) {
                names.truncate(names.len().div_ceil(2));
            }
            return Ok(names);
        }
        let refuse = |what: String| {
            Err(Error::Setting(format!(
                "{what}; vendors of {}: {}",
                cohort.source,
                names.join(", ")
            )))
        };
        if let Some(name) = wanted.iter().find(|name| !names.contains(name)) {
            return refuse(format!("--vendors {name}: nobody is of it"));
        }
        if tested.iter().all(|name| wanted.contains(name)) {
            let all = wanted.join(",");
            return refuse(format!(
                "--vendors {all}: are all that test, and leave none to be tested on unseen"
            ));
        }
        Ok(wanted)
    }
}

/// Each once, in the order in which they are given.
fn once<T: Clone + PartialEq>(given: &[T]) -> Vec<T> {
    let first = |index: usize| !given[..index].contains(&given[index]);
    (0..given.len()).filter(|&index| first(index)).map(|index| given[index].clone()).collect()
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| Error::io(path, e))
}

/// Labelled slices as they are: no change but standardisation and the way to the network's grid.
const NO_AUGMENTATION: [&str; 9] = [
    "finetune.augmentation.translation.probability=0",
    "finetune.augmentation.rotation.probability=0",
    "finetune.augmentation.scale.probability=0",
    "finetune.augmentation.flip=0,0",
    "finetune.augmentation.noise.probability=0",
    "finetune.augmentation.blur.probability=0",
    "finetune.augmentation.intensity_scale.probability=0",
    "finetune.augmentation.intensity_shift.probability=0",
    "finetune.augmentation.contrast.probability=0",
];

/// What changes for the built-in cohort at the demo's settings, which are for a look at one training:
/// enough subjects for 25 with labels beside those held out; pixels so coarse that some hundred trainings
/// are done within hours on two cores; and steps until arms have levelled off, which they do sooner where
/// rates fall sooner than the study's.
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

/// What is tried where nothing is asked for. The paper's rates are for its budget, and are taken as
/// published; below it they leave weights long, which fine-tuning then hardly moves. Every arm has as many
/// candidates as the others: who tries more finds more.
fn usual(base: &Settings) -> Vec<Try> {
    let tried = |key: &str, rate: f64, factors: &[f64]| {
        // Without the noise of binary fractions: 0.02, not 0.020000000000000004.
        let value = |factor: &f64| format!("{}", (rate * factor * 1e9).round() / 1e9);
        let values = factors.iter().map(value).collect();
        Try { method: Some(base.method), key: key.to_owned(), values }
    };
    let Settings { pretrain, finetune, .. } = base;
    let before = pretrain.optimisation.learning_rate;
    let (alone, after) = (finetune.optimisation.learning_rate, finetune.pretrained_learning_rate);
    let pretraining = |factors: [f64; 2]| {
        vec![
            tried("pretrain.optimisation.learning_rate", before, &factors),
            tried("finetune.pretrained_learning_rate", after, &[1.0, 4.0]),
        ]
    };
    match base.method {
        _ if base.preset == Preset::Paper => vec![],
        Method::Scratch => {
            vec![tried("finetune.optimisation.learning_rate", alone, &[0.5, 1.0, 2.0, 4.0])]
        }
        Method::SimClr | Method::Pcl => pretraining([0.2, 1.0]),
        // Few steps at the paper's rate leave DINO where it began.
        Method::Dino => pretraining([1.0, 10.0]),
        Method::Mim => pretraining([0.1, 1.0]),
    }
}

/// The settings without those that the method has no use for.
fn used(settings: &Settings) -> Settings {
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
