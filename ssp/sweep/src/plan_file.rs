//! `sweep.json`, the file of the plan. It is written when the sweep starts. Counts, seeds, methods and tables
//! can be added later. Nothing else can change, or the cells could not be compared.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::arm::Arm;
use super::claim::wait_for;
use super::plan::{Plan, Variant};
use crate::{Error, Result};
use common::files::{create_dir_all, write_atomically};
use train::run::folder::read_json;

impl Plan {
    /// Reads the plan of a folder.
    ///
    /// # Errors
    /// When there is no valid plan.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = path(folder);
        if !path.exists() {
            return Err(Error::file(folder, "holds no sweep: there is no sweep.json"));
        }
        let plan: Plan = read_json(&path)?;
        plan.check().map_err(|error| Error::file(&path, error.to_string()))?;
        Ok(plan)
    }

    /// Whether a folder has a plan.
    pub fn exists_in(folder: &Path) -> bool {
        path(folder).exists()
    }

    /// This plan together with the plan of a folder, if it has one.
    ///
    /// # Errors
    /// When they differ in more than counts, seeds, methods and tables.
    pub fn merged_with(&self, folder: &Path) -> Result<Self> {
        if !Plan::exists_in(folder) {
            return Ok(self.clone());
        }
        let existing = Plan::read(folder)?;
        let common = self.restricted_to(&existing);
        if common != existing {
            let tree = |plan| serde_json::to_value(plan).map_err(|e| Error::Data(e.to_string()));
            let differs = difference("", &tree(&existing)?, &tree(&common)?).unwrap_or_default();
            let what = format!(
                "holds a sweep with another plan ({differs}); give only --out to resume it, or choose another \
                 folder with --out"
            );
            return Err(Error::file(folder, what));
        }
        existing.with_additions(self)
    }

    /// Writes the plan to a folder, merged with the plan existing. Returns the merged plan, which can contain
    /// additions of other processes.
    ///
    /// # Errors
    /// When the plans contradict each other, or the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Plan> {
        create_dir_all(folder)?;
        // Several processes may start at once.
        let _lock = wait_for(folder, "plan")?;
        let plan = self.merged_with(folder)?;
        if !Plan::exists_in(folder) || Plan::read(folder)? != plan {
            let text = serde_json::to_string_pretty(&plan);
            let text = text.map_err(|e| Error::Data(e.to_string()))?;
            write_atomically(path(folder), (text + "\n").as_bytes())?;
        }
        Ok(plan)
    }

    /// This plan with exactly the counts, seeds, methods and variants of `existing`, to compare the two.
    fn restricted_to(&self, existing: &Plan) -> Plan {
        let arm = |arm: &Arm| self.arm(arm.method).unwrap_or(arm).clone();
        let variant = |variant: &Variant| {
            let changes = self.variant(variant).map(|own| own.changes.clone());
            Variant { changes: changes.unwrap_or(variant.changes.clone()), ..variant.clone() }
        };
        Plan {
            arms: existing.arms.iter().map(arm).collect(),
            counts: existing.counts.clone(),
            seeds: existing.seeds.clone(),
            initial: existing.initial.clone(),
            variants: existing.variants.iter().map(variant).collect(),
            ..self.clone()
        }
    }

    /// This plan with the counts, seeds, methods and variants that `other` adds. They must agree in what
    /// both have.
    fn with_additions(&self, other: &Plan) -> Result<Plan> {
        let mut both = self.clone();
        let new = other.arms.iter().filter(|arm| self.arm(arm.method).is_none());
        both.arms.extend(new.cloned());
        both.counts.extend(&other.counts);
        both.seeds.extend(&other.seeds);
        for added in &other.variants {
            let same = |v: &&mut Variant| (v.table, &v.name) == (added.table, &added.name);
            match both.variants.iter_mut().find(same) {
                None => both.variants.push(added.clone()),
                Some(variant) => {
                    let new = added.counts.iter().filter(|count| !variant.counts.contains(count));
                    let new: Vec<_> = new.copied().collect();
                    variant.counts.extend(new);
                }
            }
        }
        let mut both = both.normalised()?;
        if both.cells().len() > self.cells().len() {
            both.initial = Some(self.initial());
        }
        Ok(both)
    }

    fn variant(&self, like: &Variant) -> Option<&Variant> {
        self.variants.iter().find(|v| (v.table, &v.name) == (like.table, &like.name))
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("sweep.json")
}

/// The first path at which two plans differ, with both values.
fn difference(path: &str, existing: &Value, now: &Value) -> Option<String> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (existing, now) {
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(key, value)| {
            difference(&below(key), value, b.get(key).unwrap_or(&Value::Null))
        }),
        (Value::Array(a), Value::Array(b)) if a.iter().any(Value::is_object) => {
            let [ours, theirs] = [a.len(), b.len()];
            let pairs = a.iter().zip(b).enumerate();
            let mut found =
                pairs.filter_map(|(n, (a, b))| difference(&below(&format!("{}", n + 1)), a, b));
            found.next().or_else(|| {
                (ours != theirs).then(|| format!("{ours} {path} in the folder, {theirs} now"))
            })
        }
        (Value::Array(a), Value::Array(b)) if b.iter().any(Value::is_object) => {
            Some(format!("{} {path} in the folder, {} now", a.len(), b.len()))
        }
        _ => (existing != now).then(|| format!("{path} is {existing} in the folder, {now} now")),
    }
}
