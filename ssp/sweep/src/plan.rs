//! What a sweep is to do: every setting of every arm, counts, seeds, tables.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tensor::Device;

use super::cell::Cell;
use super::protocol::Pretraining;
use crate::{Error, Result};
use settings::{Method, Settings};
use train::study::{Job, Parts, scale};

/// What is swept; `sweep.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Methods.
    pub arms: Vec<Arm>,
    /// Labelled subjects; none for all.
    pub counts: Vec<Option<usize>>,
    /// Seeds of fine-tuning and of who has labels.
    pub seeds: Vec<u64>,
    /// What the sweep began with, where more was added later; none for all that there is.
    #[serde(default)]
    pub begun: Option<Begun>,
    /// What the tables beside that of counts change.
    pub variants: Vec<Variant>,
    /// Where the labelled subjects of a count and seed come from.
    pub subsets: Subsets,
    /// Folders of subjects; none for the built-in cohort.
    pub data: Vec<PathBuf>,
    /// Folders of test subjects; none to hold some out.
    pub test: Vec<PathBuf>,
}

/// A method, and the settings among which validation subjects choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// How weights are pretrained.
    pub method: Method,
    /// One at least. Of several, the one with the highest Dice on validation subjects is taken.
    pub candidates: Vec<Candidate>,
}

/// Settings that an arm may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// What sets it apart: `pretrain.learning_rate=0.02 finetune.steps=800`; empty for the only one.
    pub changes: String,
    /// All settings; `labelled` and `seed` are the cells'.
    #[serde(deserialize_with = "settings")]
    pub settings: Settings,
}

/// What a sweep began with. Settings are tried with the smallest count and the first seed of it, also those
/// of methods that join later, as cells rest on what was chosen; and who adds to a sweep has seen results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Methods.
    pub methods: Vec<Method>,
    /// Labelled subjects; none for all.
    pub counts: Vec<Option<usize>>,
    /// Seeds.
    pub seeds: Vec<u64>,
}

/// Settings of an older version lack what it did not know.
fn settings<'a, D: Deserializer<'a>>(from: D) -> std::result::Result<Settings, D::Error> {
    Settings::from_value(&Value::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// The tables of the study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// Methods by numbers of labelled subjects.
    Subjects,
    /// Labels of one cardiac phase only.
    Phases,
    /// Labels of some vendors only.
    Vendors,
    /// Labelled slices as they are.
    Augmentation,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 4] =
        [Table::Subjects, Table::Phases, Table::Vendors, Table::Augmentation];

    /// Its name, as the command line and folders have it.
    pub fn name(self) -> &'static str {
        match self {
            Table::Subjects => "subjects",
            Table::Phases => "phases",
            Table::Vendors => "vendors",
            Table::Augmentation => "augmentation",
        }
    }
}

/// A change to how all arms are fine-tuned. What it is compared with are the cells of
/// [`Table::Subjects`] of the same counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// The table that it belongs to.
    pub table: Table,
    /// Its name there: `ED`, `A+B`, `none`.
    pub name: String,
    /// Settings that it changes, `KEY=VALUE`.
    pub changes: Vec<String>,
    /// Labelled subjects; none for all.
    pub counts: Vec<Option<usize>>,
}

/// Where the labelled subjects of a count and seed come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subsets {
    /// Drawn: those of a seed at one count are among those at the next.
    #[default]
    Drawn,
    /// Files beside that of the split, as the study has them: `<split>-nr10-seed0.yaml`, and
    /// `<split>-Vendor-A_B.yaml` for vendors.
    Published,
}

impl Plan {
    /// Settles what all arms must share: the same split and network, whatever the seed of a cell.
    ///
    /// # Errors
    /// When there is nothing to do, a method stands twice, or candidates differ in what they must
    /// share.
    pub fn settled(mut self) -> Result<Self> {
        self.check()?;
        self.check_choices()?;
        let refuse = |what: String| Err(Error::Setting(what));
        let first = self.arms[0].candidates[0].settings.clone();
        let split_seed = Some(first.subjects.split_seed.unwrap_or(first.seed));
        for arm in &mut self.arms {
            for Candidate { settings, .. } in &mut arm.candidates {
                if (&settings.subjects, &settings.network) != (&first.subjects, &first.network) {
                    return refuse(format!(
                        "method {}: subjects and network must be those of the other methods, or \
                         nothing is compared",
                        arm.method.name()
                    ));
                }
                settings.subjects.split_seed = split_seed;
                settings.check()?;
            }
        }
        self.counts.sort_by_key(|count| count.unwrap_or(usize::MAX));
        self.counts.dedup();
        self.seeds.sort_unstable();
        self.seeds.dedup();
        self.check_published(&first)?;
        Ok(self)
    }

    /// What it began with.
    pub fn begun(&self) -> Begun {
        self.begun.clone().unwrap_or_else(|| Begun {
            methods: self.methods(),
            counts: self.counts.clone(),
            seeds: self.seeds.clone(),
        })
    }

    /// Its methods.
    pub fn methods(&self) -> Vec<Method> {
        self.arms.iter().map(|arm| arm.method).collect()
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Setting(what));
        let none = |begun: &Begun| begun.counts.is_empty() || begun.seeds.is_empty();
        if self.arms.is_empty() || none(&self.begun()) {
            return refuse("a sweep takes a method, a count and a seed at least".into());
        }
        let of_tables = self.variants.iter().flat_map(|variant| &variant.counts);
        if self.counts.iter().chain(of_tables).any(|&count| count == Some(0)) {
            return refuse("no labelled subjects are none to fine-tune on; count from 1".into());
        }
        for (index, Arm { method, candidates }) in self.arms.iter().enumerate() {
            if self.arms[..index].iter().any(|other| other.method == *method) {
                return refuse(format!("method {} stands twice among --methods", method.name()));
            }
            if candidates.is_empty() {
                return refuse(format!("method {} has no settings", method.name()));
            }
        }
        Ok(())
    }

    /// Refuses to choose by validation subjects whom nobody looks at.
    fn check_choices(&self) -> Result<()> {
        let blind = |candidate: &Candidate| {
            let finetune = &candidate.settings.finetune;
            (finetune.validate_every, finetune.validate_steps) == (0, 0)
        };
        let blind = |arm: &&Arm| arm.candidates.len() > 1 && arm.candidates.iter().any(blind);
        match self.arms.iter().find(blind) {
            None => Ok(()),
            Some(arm) => Err(Error::Setting(format!(
                "method {}: settings are chosen by validation subjects, and \
                 finetune.validate_every=0 never looks at them; raise it, or choose among nothing \
                 (--as-given)",
                arm.method.name()
            ))),
        }
    }

    fn check_published(&self, settings: &Settings) -> Result<()> {
        match (self.subsets, &settings.subjects.split) {
            (Subsets::Published, None) => Err(Error::Setting(
                "--subsets published: name the study's split with --split; the files of subsets \
                 lie beside it"
                    .into(),
            )),
            (Subsets::Published, Some(_)) if settings.subjects.labelled_split.is_some() => {
                Err(Error::Setting(
                    "--subsets published says which subjects have labels, and so does \
                     subjects.labelled_split; leave one out"
                        .into(),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Every cell: the table of counts first, small ones first, so that a sweep that is cut off has
    /// whole columns.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        let mut add = |table, variant: &str, labelled| {
            for &seed in &self.seeds {
                let of = |arm: &Arm| Cell {
                    table,
                    variant: variant.to_owned(),
                    method: arm.method,
                    labelled,
                    seed,
                };
                cells.extend(self.arms.iter().map(of));
            }
        };
        self.counts.iter().for_each(|&count| add(Table::Subjects, "", count));
        for variant in &self.variants {
            variant.counts.iter().for_each(|&count| add(variant.table, &variant.name, count));
        }
        cells
    }

    /// How much there is to do: `5 methods, 4 counts of labelled subjects, 3 seeds: 60 cells, after 8
    /// pretrainings and 20 trials of settings`.
    pub fn in_short(&self) -> String {
        let number = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        };
        let of_arms = |of: &dyn Fn(&Arm) -> usize| self.arms.iter().map(of).sum::<usize>();
        let pretrainings = of_arms(&|arm| Pretraining::all(arm).len());
        let trials = of_arms(&|arm| arm.candidates.len() * usize::from(arm.candidates.len() > 1));
        let before: Vec<String> = [(pretrainings, "pretraining"), (trials, "trial")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| number(count, what))
            .collect();
        let before = match before.is_empty() {
            true => String::new(),
            false => format!(", after {}", before.join(" and ")),
        };
        format!(
            "{}, {}, {}: {}{before}; {}",
            number(self.arms.len(), "method"),
            number(self.counts.len(), "number") + " of labelled subjects",
            number(self.seeds.len(), "seed"),
            number(self.cells().len(), "cell"),
            scale(self.shared())
        )
    }

    /// The settings that all arms share, among others.
    pub(super) fn shared(&self) -> &Settings {
        &self.arms[0].candidates[0].settings
    }

    /// A run of this sweep, on the CPU and without weights.
    pub(super) fn job(&self, settings: &Settings, parts: Parts) -> Job {
        Job {
            settings: settings.clone(),
            data: self.data.clone(),
            test: self.test.clone(),
            parts,
            weights: None,
            out: None,
            device: Device::Cpu,
        }
    }

    /// The arm of a method; none if it is not swept.
    pub fn arm(&self, method: Method) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.method == method)
    }

    /// The settings of a cell's run, of those that its arm has chosen.
    ///
    /// # Errors
    /// When a variant's change does not fit them.
    pub fn settings_of(&self, cell: &Cell, chosen: &Settings) -> Result<Settings> {
        let mut settings = chosen.clone();
        settings.seed = cell.seed;
        settings.labelled = cell.labelled.unwrap_or(0);
        let of_cell = |v: &&Variant| (v.table, v.name.as_str()) == (cell.table, &cell.variant);
        if let Some(variant) = self.variants.iter().find(of_cell) {
            settings.apply(&variant.changes)?;
        }
        if self.subsets == Subsets::Published {
            settings.labelled = 0;
            settings.subjects.labelled_split = published(cell, &settings)?;
            settings.subjects.vendors.clear();
        }
        Ok(settings)
    }
}

/// The study's file of a cell's labelled subjects; none for all.
fn published(cell: &Cell, settings: &Settings) -> Result<Option<String>> {
    let vendors = settings.subjects.vendors.join("_");
    let which = match (cell.labelled, vendors.is_empty()) {
        (None, true) => return Ok(None),
        (None, false) => format!("Vendor-{vendors}"),
        (Some(count), true) => format!("nr{count}-seed{}", cell.seed),
        (Some(count), false) => {
            return Err(Error::Setting(format!(
                "--subsets published has no file of {count} subjects of vendors {vendors}; give \
                 vendors --table-counts all"
            )));
        }
    };
    let split = settings.subjects.split.as_deref().map(Path::new).unwrap_or(Path::new(""));
    let stem = split.file_stem().unwrap_or_default().to_string_lossy();
    let path = split.with_file_name(format!("{stem}-{which}.yaml"));
    if !path.is_file() {
        return Err(Error::file(path, "is not there; --subsets published needs it"));
    }
    Ok(Some(path.display().to_string()))
}
