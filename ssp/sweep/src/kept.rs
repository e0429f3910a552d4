//! The plan that a sweep's folder holds. It is written when the sweep begins, and may be added to: counts,
//! seeds, methods, tables. All else stays as it is, or cells would stand beside each other that cannot be
//! compared.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::claim::wait_for;
use super::plan::{Arm, Plan, Variant};
use crate::{Error, Result};
use common::files::write_atomically;
use train::run::folder::read_json;

impl Plan {
    /// The plan that a folder holds.
    ///
    /// # Errors
    /// When it holds none that can be used.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = path(folder);
        if !path.exists() {
            return Err(Error::file(folder, "holds no sweep: there is no sweep.json"));
        }
        let plan: Plan = read_json(&path)?;
        plan.check().map_err(|error| Error::file(&path, error.to_string()))?;
        Ok(plan)
    }

    /// Whether a folder holds a plan.
    pub fn is_in(folder: &Path) -> bool {
        path(folder).exists()
    }

    /// This plan beside what a folder's own has, if it holds one.
    ///
    /// # Errors
    /// When they differ in more than counts, seeds, methods and tables.
    pub fn beside(&self, folder: &Path) -> Result<Self> {
        if !Plan::is_in(folder) {
            return Ok(self.clone());
        }
        let there = Plan::read(folder)?;
        let alike = self.of_what_is_in(&there);
        if alike != there {
            let tree = |plan| serde_json::to_value(plan).map_err(|e| Error::Data(e.to_string()));
            let differs = difference("", &tree(&there)?, &tree(&alike)?).unwrap_or_default();
            let what = format!(
                "holds a sweep of another plan ({differs}); leave all but --out away to go on with \
                 it, or name another folder with --out"
            );
            return Err(Error::file(folder, what));
        }
        there.and(self)
    }

    /// Keeps the plan in a folder, beside what that holds. Returns the whole, which others may have added to.
    ///
    /// # Errors
    /// When the two do not go together, or the file cannot be written.
    pub fn keep(&self, folder: &Path) -> Result<Plan> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        // Of several processes that begin at once, one writes and the others find it done.
        let _held = wait_for(folder, "plan")?;
        let plan = self.beside(folder)?;
        if !Plan::is_in(folder) || Plan::read(folder)? != plan {
            let text = serde_json::to_string_pretty(&plan);
            let text = text.map_err(|e| Error::Data(e.to_string()))?;
            write_atomically(path(folder), (text + "\n").as_bytes())?;
        }
        Ok(plan)
    }

    /// What this plan says of what `there` has: nothing of counts, seeds, methods and tables that are in
    /// only one of them.
    fn of_what_is_in(&self, there: &Plan) -> Plan {
        let arm = |arm: &Arm| self.arm(arm.method).unwrap_or(arm).clone();
        let variant = |variant: &Variant| {
            let changes = self.variant(variant).map(|asked| asked.changes.clone());
            Variant { changes: changes.unwrap_or(variant.changes.clone()), ..variant.clone() }
        };
        Plan {
            arms: there.arms.iter().map(arm).collect(),
            counts: there.counts.clone(),
            seeds: there.seeds.clone(),
            begun: there.begun.clone(),
            variants: there.variants.iter().map(variant).collect(),
            ..self.clone()
        }
    }

    /// This plan and what another, which is like it in all that both have, has beside it.
    fn and(&self, other: &Plan) -> Result<Plan> {
        let mut both = self.clone();
        let new = other.arms.iter().filter(|arm| self.arm(arm.method).is_none());
        both.arms.extend(new.cloned());
        both.counts.extend(&other.counts);
        both.seeds.extend(&other.seeds);
        for asked in &other.variants {
            let alike = |v: &&mut Variant| (v.table, &v.name) == (asked.table, &asked.name);
            match both.variants.iter_mut().find(alike) {
                None => both.variants.push(asked.clone()),
                Some(variant) => {
                    let new = asked.counts.iter().filter(|count| !variant.counts.contains(count));
                    let new: Vec<_> = new.copied().collect();
                    variant.counts.extend(new);
                }
            }
        }
        let mut both = both.settled()?;
        if both.cells().len() > self.cells().len() {
            both.begun = Some(self.begun());
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

/// The first place where two plans differ, and how.
fn difference(path: &str, there: &Value, now: &Value) -> Option<String> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (there, now) {
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(key, value)| {
            difference(&below(key), value, b.get(key).unwrap_or(&Value::Null))
        }),
        (Value::Array(a), Value::Array(b)) if a.iter().any(Value::is_object) => {
            let [ours, theirs] = [a.len(), b.len()];
            let pairs = a.iter().zip(b).enumerate();
            let mut found =
                pairs.filter_map(|(n, (a, b))| difference(&below(&format!("{}", n + 1)), a, b));
            found
                .next()
                .or_else(|| (ours != theirs).then(|| format!("{ours} {path} there, {theirs} now")))
        }
        (Value::Array(a), Value::Array(b)) if b.iter().any(Value::is_object) => {
            Some(format!("{} {path} there, {} now", a.len(), b.len()))
        }
        _ => (there != now).then(|| format!("{path} is {there} there, {now} now")),
    }
}
