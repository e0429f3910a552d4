//! The plan of a sweep: all settings of all arms, numbers of labelled subjects, seeds, tables.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tensor::Device;

use super::arm::{Arm, Candidate, Pretraining};
use super::cell::Cell;
use super::study_table::StudyTable;
use crate::{Error, Result};
use settings::{Method, Settings};
use train::study::{Job, Parts, scale};

/// The plan; `sweep.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Methods with their settings.
    pub arms: Vec<Arm>,
    /// Numbers of labelled subjects; none for all.
    pub counts: Vec<Option<usize>>,
    /// Seeds of fine-tuning and of the choice of labelled subjects.
    pub seeds: Vec<u64>,
    /// What the sweep started with, if more was added later.
    #[serde(default, rename = "begun")]
    pub initial: Option<InitialPlan>,
    /// Variants of fine-tuning, for the other tables.
    pub variants: Vec<Variant>,
    /// How labelled subjects are selected.
    pub subsets: Subsets,
    /// Data folders; empty for the built-in cohort.
    pub data: Vec<PathBuf>,
    /// Folders of test subjects; empty to hold some out of the data.
    pub test: Vec<PathBuf>,
}

/// What a sweep started with. All trials use its smallest count and first seed, even those of methods that
/// are added later, since finished cells depend on the choice. The report lists additions, because their
/// author may have seen results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitialPlan {
    /// Methods.
    pub methods: Vec<Method>,
    /// Numbers of labelled subjects; none for all.
    pub counts: Vec<Option<usize>>,
    /// Seeds.
    pub seeds: Vec<u64>,
}

/// A change of the fine-tuning of all arms, compared with the cells of [`StudyTable::Subjects`] with the same
/// counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Its table.
    pub table: StudyTable,
    /// Its name in the table: `ED`, `A+B`, `none`.
    pub name: String,
    /// The changed settings, `KEY=VALUE`.
    pub changes: Vec<String>,
    /// Numbers of labelled subjects; none for all.
    pub counts: Vec<Option<usize>>,
}

/// How the labelled subjects of a count and seed are selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subsets {
    /// At random. With the same seed, a smaller set is part of every larger one.
    #[default]
    Drawn,
    /// By files in the folder of the split, as published with the study: `<split>-nr10-seed0.yaml`, and
    /// `<split>-Vendor-A_B.yaml` for vendors.
    Published,
}

impl Plan {
    /// The plan with sorted counts and seeds and one split for all cells, whatever their seeds.
    ///
    /// # Errors
    /// When there is nothing to do, a method appears twice, or candidates differ in subjects or network.
    pub fn normalised(mut self) -> Result<Self> {
        self.check()?;
        self.check_validation()?;
        let refuse = |what: String| Err(Error::Setting(what));
        let first = self.arms[0].candidates[0].settings.clone();
        let split_seed = Some(first.subjects.split_seed.unwrap_or(first.seed));
        for arm in &mut self.arms {
            for Candidate { settings, .. } in &mut arm.candidates {
                if (&settings.subjects, &settings.network) != (&first.subjects, &first.network) {
                    return refuse(format!(
                        "method {}: subjects and network must be those of the other methods, or \
                         results could not be compared",
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

    /// What it started with.
    pub fn initial(&self) -> InitialPlan {
        self.initial.clone().unwrap_or_else(|| InitialPlan {
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
        let none = |initial: &InitialPlan| initial.counts.is_empty() || initial.seeds.is_empty();
        if self.arms.is_empty() || none(&self.initial()) {
            return refuse("a sweep needs at least a method, a count and a seed".into());
        }
        let of_tables = self.variants.iter().flat_map(|variant| &variant.counts);
        if self.counts.iter().chain(of_tables).any(|&count| count == Some(0)) {
            return refuse("fine-tuning needs at least 1 labelled subject".into());
        }
        for (index, Arm { method, candidates }) in self.arms.iter().enumerate() {
            if self.arms[..index].iter().any(|other| other.method == *method) {
                return refuse(format!("method {} appears twice in --methods", method.name()));
            }
            if candidates.is_empty() {
                return refuse(format!("method {} has no settings", method.name()));
            }
        }
        Ok(())
    }

    /// Refuses to choose settings on validation subjects without validation.
    fn check_validation(&self) -> Result<()> {
        let unvalidated = |candidate: &Candidate| {
            let finetune = &candidate.settings.finetune;
            (finetune.validate_every, finetune.validate_steps) == (0, 0)
        };
        let unvalidated =
            |arm: &&Arm| arm.candidates.len() > 1 && arm.candidates.iter().any(unvalidated);
        match self.arms.iter().find(unvalidated) {
            None => Ok(()),
            Some(arm) => Err(Error::Setting(format!(
                "method {}: settings are chosen on validation subjects, but with finetune.validate_every=0 \
                 there is no validation; raise it, or give one value of each setting (--as-given)",
                arm.method.name()
            ))),
        }
    }

    fn check_published(&self, settings: &Settings) -> Result<()> {
        match (self.subsets, &settings.subjects.split) {
            (Subsets::Published, None) => Err(Error::Setting(
                "--subsets published needs the split of the study (--split); the files of the subsets must be \
                 in the same folder"
                    .into(),
            )),
            (Subsets::Published, Some(_)) if settings.subjects.labelled_split.is_some() => {
                Err(Error::Setting(
                    "--subsets published and subjects.labelled_split both select the labelled subjects; leave \
                     one out"
                        .into(),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Every cell. The table by labelled subjects is first, beginning with the smallest count, so that an
    /// interrupted sweep has complete rows.
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
        self.counts.iter().for_each(|&count| add(StudyTable::Subjects, "", count));
        for variant in &self.variants {
            variant.counts.iter().for_each(|&count| add(variant.table, &variant.name, count));
        }
        cells
    }

    /// The amount of work: `5 methods, 4 numbers of labelled subjects, 3 seeds: 60 cells, after 8
    /// pretrainings and 20 trials; ...`.
    pub fn summary(&self) -> String {
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

    /// Settings whose subjects, network and preset all arms share.
    pub(super) fn shared(&self) -> &Settings {
        &self.arms[0].candidates[0].settings
    }

    /// A run of this sweep on the CPU, without initial weights.
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

    /// The arm of a method.
    pub fn arm(&self, method: Method) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.method == method)
    }

    /// The settings of a cell's run, from the chosen settings of its arm.
    ///
    /// # Errors
    /// When a variant does not fit them, or a published file of subjects does not exist.
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

/// The published file of a cell's labelled subjects; none for all.
fn published(cell: &Cell, settings: &Settings) -> Result<Option<String>> {
    let vendors = settings.subjects.vendors.join("_");
    let which = match (cell.labelled, vendors.is_empty()) {
        (None, true) => return Ok(None),
        (None, false) => format!("Vendor-{vendors}"),
        (Some(count), true) => format!("nr{count}-seed{}", cell.seed),
        (Some(count), false) => {
            return Err(Error::Setting(format!(
                "--subsets published has no file of {count} subjects of vendors {vendors}; use \
                 --table-counts all"
            )));
        }
    };
    let split = settings.subjects.split.as_deref().map(Path::new).unwrap_or(Path::new(""));
    let stem = split.file_stem().unwrap_or_default().to_string_lossy();
    let path = split.with_file_name(format!("{stem}-{which}.yaml"));
    if !path.is_file() {
        return Err(Error::file(path, "does not exist; --subsets published needs it"));
    }
    Ok(Some(path.display().to_string()))
}
