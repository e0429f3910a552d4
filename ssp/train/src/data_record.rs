//! What a run saw of its subjects, so that it goes on with the same, and so that copies of what it was
//! trained on are recognised.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::roles::{Roles, run_of_weights};
use crate::run::folder::{RunFolder, read_json, write_json};
use crate::{Error, Result};
use sampling::Cohort;
use sampling::cache::CachedSubject;
use sampling::copies::{Shared, Slices, shared_between};

/// Digests of every subject with a role, by id; `data.json` of a run. Runs of earlier versions have none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    subjects: BTreeMap<String, SubjectRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SubjectRecord {
    /// Hash of the prepared voxels and their spacing.
    image: String,
    /// Hash of the labels; none without labels.
    labels: Option<String>,
    /// Digests of the slices of a training or validation subject, 16 hexadecimal digits each.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    slices: String,
}

/// Hexadecimal digits of the digest of a slice.
const DIGITS: usize = 16;

impl SubjectRecord {
    fn of(subject: CachedSubject<'_>, made_weights: bool) -> Self {
        let digests = subject.digests();
        let slices = if made_weights { subject.slice_digests() } else { &[] };
        SubjectRecord {
            image: digests.image.clone(),
            labels: (subject.frames().len() > 0).then(|| digests.labels.clone()),
            slices: slices.iter().map(|slice| format!("{slice:0DIGITS$x}")).collect(),
        }
    }

    fn slice_digests(&self) -> Vec<u64> {
        let parts = self.slices.as_bytes().chunks(DIGITS);
        let parse = |part| u64::from_str_radix(std::str::from_utf8(part).ok()?, 16).ok();
        parts.filter_map(parse).collect()
    }

    /// What differs between two records of one subject.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        match (self.image != other.image, self.labels != other.labels) {
            (true, true) => Some("image and labels"),
            (true, false) => Some("image"),
            (false, true) => Some("labels"),
            (false, false) => None,
        }
    }
}

impl DataRecord {
    /// The record of all subjects with a role; test subjects are of `test` if there is one.
    pub fn of(roles: &Roles, cohort: &Cohort, test: Option<&Cohort>) -> Self {
        let record = |cohort: &Cohort, id: &String, made_weights| {
            let subject = cohort.cache.subject(cohort.cache.find(id)?);
            Some((id.clone(), SubjectRecord::of(subject, made_weights)))
        };
        let made_weights = roles.train.iter().chain(&roles.valid);
        let made_weights = made_weights.filter_map(|id| record(cohort, id, true));
        let tested = roles.test.iter().filter_map(|id| record(test.unwrap_or(cohort), id, false));
        DataRecord { subjects: made_weights.chain(tested).collect() }
    }

    fn path(folder: &RunFolder) -> PathBuf {
        folder.path().join("data.json")
    }

    /// Writes the record into the folder of a run or sweep. A resumed one must see the same data.
    ///
    /// # Errors
    /// When it does not, or the file cannot be written.
    pub fn keep(&self, folder: &RunFolder) -> Result<()> {
        self.refuse_others(folder)?;
        write_json(&Self::path(folder), self)
    }

    /// Refuses a folder that was started with other images or labels of the same subjects.
    ///
    /// # Errors
    /// When it was, or its file cannot be read.
    pub fn refuse_others(&self, folder: &RunFolder) -> Result<()> {
        let path = Self::path(folder);
        if !path.exists() {
            return Ok(());
        }
        let earlier: DataRecord = read_json(&path)?;
        let changed = self.subjects.iter().filter_map(|(id, now)| {
            earlier.subjects.get(id)?.difference(now).map(|what| (id, what))
        });
        let changed: Vec<_> = changed.collect();
        let Some((id, what)) = changed.first() else { return Ok(()) };
        let more = match changed.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more changed)"),
        };
        Err(Error::file(
            folder.path(),
            format!(
                "was started with other data: the {what} of subject {id} changed since{more}; restore the \
                 files, or name another folder with --out"
            ),
        ))
    }

    /// The record of the run that made a file of weights, if the file is still in that run's folder.
    ///
    /// # Errors
    /// When the run's `data.json` cannot be read.
    pub fn of_weights(file: &Path) -> Result<Option<Self>> {
        let path = run_of_weights(file).map(|run| Self::path(&run));
        path.filter(|path| path.is_file()).map(|path| read_json(&path)).transpose()
    }

    /// Copies among the subjects `ids` of a cohort, of subjects that trained or validated here and are
    /// named by `which`: pairs of the recorded subject and the one of the cohort.
    pub fn copies(
        &self,
        which: &dyn Fn(&String) -> bool,
        cohort: &Cohort,
        ids: &[String],
    ) -> Vec<Shared> {
        let known = self.subjects.iter().filter(|(id, _)| which(id));
        let known: Vec<_> =
            known.map(|(id, record)| (id.as_str(), record.slice_digests())).collect();
        let known: Vec<Slices> =
            known.iter().map(|(id, slices)| (*id, slices.as_slice())).collect();
        let mut copies = shared_between(&known, &slices_of(cohort, ids));
        copies.retain(Shared::is_copy);
        copies
    }
}

/// The slices of some subjects of a cohort.
pub fn slices_of<'a>(cohort: &'a Cohort, ids: &[String]) -> Vec<Slices<'a>> {
    let subjects = ids.iter().filter_map(|id| Some(cohort.cache.subject(cohort.cache.find(id)?)));
    subjects.map(|subject| (subject.id(), subject.slice_digests())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_read_back_as_they_were() {
        let cache = tempfile::tempdir().unwrap();
        let cohort = Cohort::phantom(2, 0, cache.path(), |_, _| {}).unwrap();
        let subject = cohort.cache.subject(1);
        assert!(!subject.slice_digests().is_empty());
        let record = SubjectRecord::of(subject, true);
        assert_eq!(record.slice_digests(), subject.slice_digests());
        assert!(SubjectRecord::of(subject, false).slices.is_empty());
    }

    #[test]
    fn a_folder_goes_on_with_the_same_data_only() {
        let place = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(place.path());
        let cohort = Cohort::phantom(3, 0, &place.path().join("cache"), |_, _| {}).unwrap();
        let [train, valid, test] = [0, 1, 2].map(|n| vec![cohort.ids()[n].clone()]);
        let roles = Roles { labelled: train.clone(), train, valid, test };
        let record = DataRecord::of(&roles, &cohort, None);
        record.refuse_others(&folder).unwrap();
        record.keep(&folder).unwrap();
        record.keep(&folder).unwrap();
        let refusal = |change: &dyn Fn(&mut SubjectRecord)| {
            let mut changed = record.clone();
            changed.subjects.values_mut().skip(1).for_each(change);
            changed.keep(&folder).unwrap_err().to_string()
        };
        let labels = refusal(&|subject| subject.labels = Some("other".into()));
        let parts = ["the labels of subject", &cohort.ids()[1], "1 more", "--out"];
        assert!(parts.iter().all(|part| labels.contains(part)), "{labels}");
        assert!(refusal(&|subject| subject.image.clear()).contains("the image of subject"));
        let other = Cohort::phantom(3, 1, &place.path().join("cache"), |_, _| {}).unwrap();
        let error = DataRecord::of(&roles, &other, None).keep(&folder).unwrap_err().to_string();
        assert!(error.contains("image and labels"), "{error}");
        let error = DataRecord::of(&roles, &cohort, Some(&other)).keep(&folder).unwrap_err();
        assert!(error.to_string().contains(&roles.test[0]), "{error}");
    }
}
