//! Opening the cohorts of a run, with notes and warnings about them.

use std::path::{Path, PathBuf};

use super::Job;
use super::job_record::JobRecord;
use crate::model::pretrained_weights_of;
use crate::run::folder::{RunFolder, read_json};
use crate::{Error, Result};
use common::Watcher;
use data::holds_mnms_at;
use sampling::split_file::SplitFile;
use sampling::{Cohort, PHANTOM, cache_folder};
use settings::Subjects;

/// The cohort to train on, and the one to test on if it is given separately.
///
/// # Errors
/// When a split file or a data set cannot be read.
pub fn cohorts(job: &Job, watcher: &dyn Watcher) -> Result<(Cohort, Option<Cohort>)> {
    // Before the images, which may take long to read.
    let Subjects { split, labelled_split, .. } = &job.settings.subjects;
    split.as_ref().map(|file| SplitFile::read_roles(Path::new(file))).transpose()?;
    labelled_split.as_ref().map(|file| SplitFile::read(Path::new(file))).transpose()?;
    let cache = cache_folder();
    let all: &[String] = &[];
    let behind = job.weights.as_deref().and_then(|weights| pretrained_weights_of(weights).ok());
    let behind = behind.map_or(vec![], |weights| mnms_behind(&weights));
    let beside_data = [&job.test[..], &behind].concat();
    let cohort = open_cohort("reading", watcher, |progress| {
        let Subjects { phantom, phantom_seed, ref subsets, .. } = job.settings.subjects;
        match job.data.as_slice() {
            [] if !subsets.is_empty() && !subsets.iter().any(|name| name == PHANTOM) => {
                Err(Error::Setting(format!(
                    "subjects.subsets={}: give their folder with --data, or --set \
                     subjects.subsets=[] for the built-in cohort",
                    subsets.join(",")
                )))
            }
            [] => Cohort::phantom(phantom, phantom_seed, &cache, progress),
            folders => Cohort::open_beside(folders, subsets, (&beside_data, all), &cache, progress),
        }
    })?;
    let test = match job.test.as_slice() {
        [] => None,
        folders => Some(open_cohort("reading test subjects", watcher, |progress| {
            let subsets = job.settings.subjects.subsets.as_slice();
            let (beside, subsets) = match behind.is_empty() {
                true => (job.data.as_slice(), subsets),
                // M&Ms is among these, whatever else is.
                false => (behind.as_slice(), all),
            };
            Cohort::open_beside(folders, all, (beside, subsets), &cache, progress)
        })?),
    };
    Ok((cohort, test))
}

/// The folders of M&Ms among the data that weights were trained on, as far as their runs still record
/// it and the folders still exist: the network has seen subjects of M&Ms-2 that are in M&Ms as well.
pub fn mnms_behind(weights: &Path) -> Vec<PathBuf> {
    /// Length of a chain of runs, each started from the weights of another.
    const MOST: usize = 8;
    let mut found = Vec::new();
    let mut weights = Some(weights.to_path_buf());
    for _ in 0..MOST {
        let Some(file) = weights.take() else { break };
        let file = file.canonicalize().unwrap_or(file);
        let job = file.parent().and_then(Path::parent).map(|run| RunFolder::new(run).job());
        let Some(asked) = job.and_then(|job| read_json::<JobRecord>(&job).ok()) else { break };
        found.extend(asked.data.into_iter().filter(|folder| holds_mnms_at(folder)));
        weights = asked.weights;
    }
    found
}

/// Warnings about a cohort: the first few. All are repeated at the end of a run.
fn warnings_of(cohort: &Cohort) -> Vec<String> {
    const FEW: usize = 5;
    let all = cohort.warning_lines();
    let mut lines: Vec<String> =
        all.iter().take(FEW).map(|line| format!("warning: {line}")).collect();
    if let more @ 1.. = all.len().saturating_sub(FEW) {
        lines.push(format!("warning: and {more} more"));
    }
    lines
}

/// Opens a cohort by `open`, which receives a function to report its progress. Notes the subjects that
/// cannot be read.
///
/// # Errors
/// Those of `open`.
pub fn open_cohort(
    name: &str,
    watcher: &dyn Watcher,
    open: impl FnOnce(&(dyn Fn(usize, usize) + Sync)) -> Result<Cohort>,
) -> Result<Cohort> {
    // An existing cache has no progress to report.
    let begun = std::sync::Once::new();
    let cohort = open(&|done, total| {
        begun.call_once(|| watcher.begin(name, total as u64));
        watcher.advance(done as u64, "subjects");
    });
    if begun.is_completed() {
        watcher.end();
    }
    let cohort = cohort?;
    for failure in &cohort.failures {
        watcher.note(&format!("left out {}: {}", failure.id, failure.reason));
    }
    match cohort.left_out.len() {
        0 => {}
        count => watcher.note(&format!(
            "left out {count} subjects of M&Ms-2 (pathology NOR, HCM or LV, or unknown) that may be in M&Ms \
             too"
        )),
    }
    warnings_of(&cohort).iter().for_each(|warning| watcher.note(warning));
    Ok(cohort)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the runs that each took the weights of another.
    #[test]
    fn the_mnms_that_weights_have_seen_is_found() {
        let root = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| -> PathBuf {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        file("mnms/A0S9V9/A0S9V9_sa.nii.gz", "");
        file("mine/images/a.nii", "");
        let at = |name: &str| root.path().join(name).display().to_string();
        let job = |stage: &str, data: &str, weights: Option<&Path>| {
            let asked = serde_json::json!({
                "version": "0", "stage": stage, "data": [at(data), at("gone")], "test": [],
                "weights": weights,
            });
            asked.to_string()
        };
        let first = file("first/pretrain/last.safetensors", "");
        file("first/job.json", &job("pretrain", "mnms", None));
        let second = file("second/finetune/best.safetensors", "");
        file("second/job.json", &job("finetune", "mine", Some(&first)));
        assert_eq!(mnms_behind(&second), [root.path().join("mnms")]);
        assert_eq!(mnms_behind(&first), [root.path().join("mnms")]);
        file("second/job.json", &job("finetune", "mine", None));
        assert_eq!(mnms_behind(&second), [] as [PathBuf; 0]);
        assert_eq!(mnms_behind(&file("loose.pt", "")), [] as [PathBuf; 0]);
    }
}
