//! The variants of fine-tuning for the tables of unseen phases, unseen vendors and augmentation.

use std::collections::BTreeSet;

use serde_json::json;

use super::options::SweepOptions;
use super::plan::{Plan, Variant};
use super::study_table::StudyTable;
use crate::{Error, Result};
use common::Watcher;
use data::vendor::vendor_letter;
use sampling::Cohort;
use train::study::{self, Parts};

impl SweepOptions {
    /// The variants of further tables. Tables of an existing plan keep what the options do not change.
    pub(super) fn variants(
        &self,
        plan: &Plan,
        existing: Option<&Plan>,
        watcher: &dyn Watcher,
    ) -> Result<Vec<Variant>> {
        if !self.vendors.is_empty() && !self.tables.contains(&StudyTable::Vendors) {
            return Err(Error::Setting(
                "--vendors selects the labels of the table of vendors; add --tables vendors".into(),
            ));
        }
        let largest = plan.counts.last().copied().unwrap_or(None);
        let mut counts = unique(&self.table_counts);
        if counts.is_empty() {
            counts.push(largest);
        }
        if let Some(count) = counts.iter().find(|count| !plan.counts.contains(count)) {
            let count = count.map_or("all".to_owned(), |count| count.to_string());
            return Err(Error::Setting(format!(
                "--table-counts {count}: not one of --counts, with whose cells the tables are compared"
            )));
        }
        let before = |table| existing?.variants.iter().find(|variant| variant.table == table);
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
        for table in unique(&self.tables) {
            match table {
                StudyTable::Subjects => {}
                StudyTable::Phases => variants.extend([
                    variant(StudyTable::Phases, "ED", &["finetune.phases=ed"]),
                    variant(StudyTable::Phases, "ES", &["finetune.phases=es"]),
                ]),
                StudyTable::Vendors => {
                    let named = before(StudyTable::Vendors).filter(|_| self.vendors.is_empty());
                    let names = match named {
                        Some(before) => before.name.split('+').map(str::to_owned).collect(),
                        None => self.vendor_names(plan, watcher)?,
                    };
                    let change = format!("subjects.vendors={}", json!(names));
                    variants.push(variant(StudyTable::Vendors, &names.join("+"), &[&change]));
                }
                StudyTable::Augmentation => {
                    variants.push(variant(StudyTable::Augmentation, "none", &NO_AUGMENTATION));
                }
            }
        }
        Ok(variants)
    }

    /// The vendors whose labels the table of vendors uses.
    fn vendor_names(&self, plan: &Plan, watcher: &dyn Watcher) -> Result<Vec<String>> {
        let wanted: Vec<String> =
            self.vendors.iter().map(|name| vendor_letter(name).to_owned()).collect();
        let mut wanted = unique(&wanted);
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
                "table vendors: {} names {} vendors, but the table needs at least two; leave it out",
                cohort.source,
                all.len()
            )));
        }
        if wanted.is_empty() {
            // All of them if test subjects have other vendors.
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
            return refuse(format!("--vendors {name}: no subject has this vendor"));
        }
        if tested.iter().all(|name| wanted.contains(name)) {
            let all = wanted.join(",");
            return refuse(format!(
                "--vendors {all}: all vendors of the test subjects, so that none is unseen"
            ));
        }
        Ok(wanted)
    }
}

/// The items without repetitions, in their order.
fn unique<T: Clone + PartialEq>(given: &[T]) -> Vec<T> {
    let first = |index: usize| !given[..index].contains(&given[index]);
    (0..given.len()).filter(|&index| first(index)).map(|index| given[index].clone()).collect()
}

/// No augmentation: slices are only standardised and resampled to the network's grid.
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
