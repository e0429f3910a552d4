//! Checks that all of a plan can be carried out, before any of it is.

use std::path::Path;

use super::arm::Pretraining;
use super::cell::{Cell, Outcome};
use super::plan::{Plan, Subsets};
use super::protocol::{SettingChoice, choices};
use super::study_table::StudyTable;
use crate::{Error, Result};
use common::Watcher;
use data::CardiacPhase;
use data::vendor::vendor_letter;
use sampling::Cohort;
use settings::{Phases, Settings};
use train::data_record::DataRecord;
use train::roles::Roles;
use train::run::folder::RunFolder;
use train::study::{self, Parts};

/// Checks a plan, merged with the plan of the folder if there is one, without writing anything. Returns the
/// merged plan and notes the amount of work.
///
/// # Errors
/// When the plans contradict each other, or files or subjects that the plan needs do not exist.
pub fn check(folder: &Path, plan: &Plan, watcher: &dyn Watcher) -> Result<Plan> {
    check_with_roles(folder, plan, watcher).map(|(plan, ..)| plan)
}

/// The same, also with the roles of the subjects when all training subjects are labelled, and what the sweep
/// sees of them.
pub(super) fn check_with_roles(
    folder: &Path,
    plan: &Plan,
    watcher: &dyn Watcher,
) -> Result<(Plan, Roles, DataRecord)> {
    let plan = plan.merged_with(folder)?;
    let (roles, data) = check_cells(&plan, watcher)?;
    if Plan::exists_in(folder) {
        // If the data have changed, so have the test subjects.
        roles.refuse_others(&RunFolder::new(folder))?;
        data.refuse_others(&RunFolder::new(folder))?;
        check_finished_work(folder, &plan)?;
    }
    watcher.note(&plan.summary());
    if Plan::exists_in(folder) {
        let (before, now) = (Plan::read(folder)?.cells().len(), plan.cells().len());
        if now > before {
            watcher.note(&format!("{}: {before} cells so far, now {now}", folder.display()));
        }
    }
    Ok((plan, roles, data))
}

/// Refuses a folder in which finished work used other settings than the plan or the present choice: files were
/// edited, and the results could not be compared.
fn check_finished_work(folder: &Path, plan: &Plan) -> Result<()> {
    let choices = choices(folder, plan)?;
    for (arm, choice) in plan.arms.iter().zip(&choices) {
        for (index, candidate) in choice.candidates.iter().enumerate() {
            let pretraining = Pretraining::of(arm, index);
            if candidate.pretrained.as_ref().is_some_and(Outcome::is_done) {
                pretraining.folder(folder).check(pretraining.settings())?;
            }
            if candidate.trial.as_ref().is_some_and(|trial| trial.outcome.is_done()) {
                let settings =
                    plan.settings_of(&SettingChoice::cell(plan, arm.method), &candidate.settings)?;
                arm.trial_folder(folder, index).check(&settings)?;
            }
        }
    }
    for cell in plan.cells() {
        let choice = choices.iter().find(|choice| choice.method == cell.method);
        let chosen = choice.and_then(|c| c.chosen.map(|index| &c.candidates[index].settings));
        let is_done = cell.record(folder)?.is_some_and(|record| record.outcome.is_done());
        if let (true, Some(chosen)) = (is_done, chosen) {
            cell.folder(folder).check(&plan.settings_of(&cell, chosen)?)?;
        }
    }
    Ok(())
}

/// Determines the roles of the subjects in every cell, and refuses a plan with a cell that cannot be trained or
/// compared. Returns the roles when all training subjects are labelled, and what there is to see of them.
fn check_cells(plan: &Plan, watcher: &dyn Watcher) -> Result<(Roles, DataRecord)> {
    let arm = &plan.arms[0];
    let base = &arm.candidates[0].settings;
    let (cohort, test) = study::cohorts(&plan.job(base, Parts::Finetune), watcher)?;
    let all = Roles::draw(base, &cohort, test.as_ref(), false, &|_| {})?;
    let choosing = plan.arms.iter().any(|arm| arm.candidates.len() > 1);
    let trial_cell = SettingChoice::cell(plan, arm.method);
    for cell in plan.cells().iter().filter(|cell| cell.method == arm.method) {
        let refuse = |what: &str| {
            // Without the method, since all have the same subjects.
            let (table, count, seed) = (cell.table_prefix(), cell.count(), cell.seed);
            Error::Setting(format!("{table}{count} labelled, seed {seed}: {what}"))
        };
        let settings = plan.settings_of(cell, base)?;
        let roles = Roles::draw(&settings, &cohort, test.as_ref(), false, &|_| {});
        let roles = roles.map_err(|error| match error {
            Error::Setting(what) | Error::Data(what) => refuse(&what),
            other => other,
        })?;
        if choosing && *cell == trial_cell && roles.valid.is_empty() {
            return Err(refuse(
                "settings are chosen on validation subjects, but there are none; raise \
                 subjects.valid_share, or give one value of each setting (--as-given)",
            ));
        }
        if roles.valid.is_empty() && !all.valid.is_empty() {
            return Err(refuse(
                "there are no validation subjects left, so that its weights would be chosen in another way than \
                 those of other cells; raise subjects.valid_share",
            ));
        }
        if roles.test != all.test {
            return Err(refuse(
                "its file of labelled subjects names other test subjects than the split, so that cells \
                 could not be compared",
            ));
        }
        check_vendors(plan, cell, &roles, &cohort).map_err(|what| refuse(&what))?;
        check_phases(&settings, &roles, &cohort).map_err(|what| refuse(&what))?;
    }
    let data = DataRecord::of(&all, &cohort, test.as_ref());
    Ok((all, data))
}

/// Refuses a published file of subjects of some vendors with subjects of others.
fn check_vendors(
    plan: &Plan,
    cell: &Cell,
    roles: &Roles,
    cohort: &Cohort,
) -> std::result::Result<(), String> {
    if (cell.table, plan.subsets) != (StudyTable::Vendors, Subsets::Published) {
        return Ok(());
    }
    let named: Vec<&str> = cell.variant.split('+').collect();
    for id in roles.labelled.iter().chain(&roles.valid) {
        let subject = cohort.cache.find(id).map(|index| cohort.cache.subject(index));
        let vendor = subject.and_then(|subject| subject.vendor()).map(vendor_letter);
        if let Some(vendor) = vendor.filter(|vendor| !named.contains(vendor)) {
            return Err(format!(
                "subject {id} is of vendor {vendor}, which must be unseen; remove it from train and valid in the \
                 file of these vendors"
            ));
        }
    }
    Ok(())
}

/// Refuses training or validation subjects without labels of the phase of the training.
fn check_phases(
    settings: &Settings,
    roles: &Roles,
    cohort: &Cohort,
) -> std::result::Result<(), String> {
    let (moment, name) = match settings.finetune.phases {
        Phases::All => return Ok(()),
        Phases::Ed => (CardiacPhase::EndDiastole, "end-diastole"),
        Phases::Es => (CardiacPhase::EndSystole, "end-systole"),
    };
    for (ids, role) in [(&roles.labelled, "training"), (&roles.valid, "validation")] {
        let has = |id: &String| {
            let subject = cohort.cache.find(id).map(|index| cohort.cache.subject(index));
            subject.is_some_and(|subject| subject.frames().any(|(_, found)| found == moment))
        };
        if !ids.is_empty() && !ids.iter().any(has) {
            return Err(format!("no {role} subject has labels that are known to be of {name}"));
        }
    }
    Ok(())
}
