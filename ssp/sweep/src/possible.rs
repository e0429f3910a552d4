//! Whether all of a plan can be done, before anything of it is.

use std::path::Path;

use super::cell::{Cell, Ending};
use super::plan::{Plan, Subsets, Table};
use super::protocol::{Choice, Pretraining, choices};
use crate::{Error, Result};
use common::Watcher;
use data::CardiacPhase;
use data::vendor::vendor_letter;
use sampling::Cohort;
use settings::{Phases, Settings};
use train::roles::Roles;
use train::run::folder::RunFolder;
use train::study::{self, Parts};

/// Sees to it that all of a plan can be done, beside what a folder's own has. Returns the whole, says how
/// much that is, and writes nothing.
///
/// # Errors
/// When the two do not go together, or the plan asks for what there is not.
pub fn check(folder: &Path, plan: &Plan, watcher: &dyn Watcher) -> Result<Plan> {
    possible(folder, plan, watcher).map(|(plan, _)| plan)
}

/// The same, and the roles of all cells, in which everyone who trains has labels.
pub(super) fn possible(folder: &Path, plan: &Plan, watcher: &dyn Watcher) -> Result<(Plan, Roles)> {
    let plan = plan.beside(folder)?;
    let roles = refuse_impossible(&plan, watcher)?;
    if Plan::is_in(folder) {
        // Data that change under a sweep would change who tests.
        roles.refuse_others(&RunFolder::new(folder))?;
        refuse_mixture(folder, &plan)?;
    }
    watcher.note(&plan.in_short());
    if Plan::is_in(folder) {
        let (before, now) = (Plan::read(folder)?.cells().len(), plan.cells().len());
        if now > before {
            watcher.note(&format!("{}: {before} cells so far, now {now}", folder.display()));
        }
    }
    Ok((plan, roles))
}

/// Refuses to go on beside work that was done with other settings than those of the plan, or than
/// those that are chosen now: somebody changed files, and nothing would be compared.
fn refuse_mixture(folder: &Path, plan: &Plan) -> Result<()> {
    let choices = choices(folder, plan)?;
    for (arm, choice) in plan.arms.iter().zip(&choices) {
        for (index, tried) in choice.candidates.iter().enumerate() {
            let pretraining = Pretraining::of(arm, index);
            if tried.pretrained.as_ref().is_some_and(Ending::is_done) {
                pretraining.folder(folder).check(pretraining.settings())?;
            }
            if tried.trial.as_ref().is_some_and(|trial| trial.ending.is_done()) {
                let settings =
                    plan.settings_of(&Choice::cell(plan, arm.method), &tried.settings)?;
                arm.trial_folder(folder, index).check(&settings)?;
            }
        }
    }
    for cell in plan.cells() {
        let choice = choices.iter().find(|choice| choice.method == cell.method);
        let chosen = choice.and_then(|c| c.chosen.map(|index| &c.candidates[index].settings));
        let is_done = cell.record(folder)?.is_some_and(|record| record.ending.is_done());
        if let (true, Some(chosen)) = (is_done, chosen) {
            cell.folder(folder).check(&plan.settings_of(&cell, chosen)?)?;
        }
    }
    Ok(())
}

/// Draws the roles of every cell before anything starts. Returns those of all cells, in which
/// everyone who trains has labels.
fn refuse_impossible(plan: &Plan, watcher: &dyn Watcher) -> Result<Roles> {
    let arm = &plan.arms[0];
    let base = &arm.candidates[0].settings;
    let (cohort, test) = study::cohorts(&plan.job(base, Parts::Finetune), watcher)?;
    let all = Roles::draw(base, &cohort, test.as_ref(), false, &|_| {})?;
    let choosing = plan.arms.iter().any(|arm| arm.candidates.len() > 1);
    let tried = Choice::cell(plan, arm.method);
    for cell in plan.cells().iter().filter(|cell| cell.method == arm.method) {
        let refuse = |what: &str| {
            // Whichever method: all have the same subjects.
            let place = format!("{}{} labelled, seed {}", cell.place(), cell.count(), cell.seed);
            Error::Setting(format!("{place}: {what}"))
        };
        let settings = plan.settings_of(cell, base)?;
        let roles = Roles::draw(&settings, &cohort, test.as_ref(), false, &|_| {});
        let roles = roles.map_err(|error| match error {
            Error::Setting(what) | Error::Data(what) => refuse(&what),
            other => other,
        })?;
        if choosing && *cell == tried && roles.valid.is_empty() {
            return Err(refuse(
                "settings are chosen by validation subjects, and there are none; raise \
                 subjects.valid_share, or choose among nothing (--as-given)",
            ));
        }
        if roles.valid.is_empty() && !all.valid.is_empty() {
            return Err(refuse(
                "nobody is left to validate, and its weights would not be chosen as those beside it are; raise \
                 subjects.valid_share",
            ));
        }
        if roles.test != all.test {
            return Err(refuse(
                "its file of labelled subjects names other test subjects than the split, and cells \
                 would not be compared on the same",
            ));
        }
        refuse_seen_vendors(plan, cell, &roles, &cohort).map_err(|what| refuse(&what))?;
        refuse_missing_phases(&settings, &roles, &cohort).map_err(|what| refuse(&what))?;
    }
    Ok(all)
}

/// A file of some vendors' subjects has none of others.
fn refuse_seen_vendors(
    plan: &Plan,
    cell: &Cell,
    roles: &Roles,
    cohort: &Cohort,
) -> std::result::Result<(), String> {
    if (cell.table, plan.subsets) != (Table::Vendors, Subsets::Published) {
        return Ok(());
    }
    let named: Vec<&str> = cell.variant.split('+').collect();
    for id in roles.labelled.iter().chain(&roles.valid) {
        let subject = cohort.cache.find(id).map(|index| cohort.cache.subject(index));
        let vendor = subject.and_then(|subject| subject.vendor()).map(vendor_letter);
        if let Some(vendor) = vendor.filter(|vendor| !named.contains(vendor)) {
            return Err(format!(
                "subject {id} is of vendor {vendor}, which is to be unseen; leave it out of train and \
                 valid of the file of these vendors"
            ));
        }
    }
    Ok(())
}

/// Those who train and, if any do, those who validate need labels of the phases that are trained with.
fn refuse_missing_phases(
    settings: &Settings,
    roles: &Roles,
    cohort: &Cohort,
) -> std::result::Result<(), String> {
    let (moment, name) = match settings.finetune.phases {
        Phases::All => return Ok(()),
        Phases::Ed => (CardiacPhase::EndDiastole, "end-diastole"),
        Phases::Es => (CardiacPhase::EndSystole, "end-systole"),
    };
    for (ids, who) in [(&roles.labelled, "trains"), (&roles.valid, "validates")] {
        let has = |id: &String| {
            let subject = cohort.cache.find(id).map(|index| cohort.cache.subject(index));
            subject.is_some_and(|subject| subject.frames().any(|(_, found)| found == moment))
        };
        if !ids.is_empty() && !ids.iter().any(has) {
            return Err(format!("nobody who {who} has labels that are known to be of {name}"));
        }
    }
    Ok(())
}
