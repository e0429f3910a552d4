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
    /// Hash of the prepared voxels and their spacing; none of built-in subjects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// Hash of the labels; none without labels, and of built-in subjects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
            image: Some(digests.image.clone()),
            labels: (subject.frames().len() > 0).then(|| digests.labels.clone()),
            slices: slices.iter().map(|slice| format!("{slice:0DIGITS$x}")).collect(),
        }
    }

    /// The record of a subject of the built-in cohort, which nothing is compared with. The settings, which
    /// are compared, decide what is drawn; but machines whose sines and exponentials differ in a last bit
    /// draw voxels that do too, and must be able to share a sweep.
    fn of_built_in(subject: CachedSubject<'_>, made_weights: bool) -> Self {
        SubjectRecord { image: None, labels: None, ..Self::of(subject, made_weights) }
    }

    fn slice_digests(&self) -> Vec<u64> {
        let parts = self.slices.as_bytes().chunks(DIGITS);
        let parse = |part| u64::from_str_radix(std::str::from_utf8(part).ok()?, 16).ok();
        parts.filter_map(parse).collect()
    }

    /// What differs between two records of one subject.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.image.is_none() || other.image.is_none() {
            return None;
        }
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
            let of = match cohort.is_built_in() {
                true => SubjectRecord::of_built_in,
                false => SubjectRecord::of,
            };
            Some((id.clone(), of(subject, made_weights)))
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

    /// Subjects that share images: pairs of one that trained or validated here and is named by `which`, and
    /// one of the subjects `ids` of a cohort.
    pub fn shared(
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
        shared_between(&known, &slices_of(cohort, ids))
    }
}

/// The slices of some subjects of a cohort.
pub fn slices_of<'a>(cohort: &'a Cohort, ids: &[String]) -> Vec<Slices<'a>> {
    let subjects = ids.iter().filter_map(|id| Some(cohort.cache.subject(cohort.cache.find(id)?)));
    subjects.map(|subject| (subject.id(), subject.slice_digests())).collect()
}

#[cfg(test)]
mod tests {
    use data::testing::{NiftiFile, TestFolder};

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

    /// Three subjects of a plain folder; of the last, a voxel has this intensity and this label.
    fn three(folder: &TestFolder, voxel: i16, label: u8) -> Cohort {
        let root = format!("{voxel}-{label}");
        for subject in 0..3i16 {
            let (mut image, mut labels) = (data::testing::cine(2), NiftiFile::of_u8(&[1], &[0]));
            let count = image.voxels.len() / 2;
            let pixels: Vec<i16> = (0..count as i16).map(|n| n * 37 % 101 + subject).collect();
            image.voxels = pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
            labels.dims.clone_from(&image.dims);
            labels.voxels = (0..count).map(|n| (n % 4) as u8).collect();
            if subject == 2 {
                image.voxels[..2].copy_from_slice(&voxel.to_le_bytes());
                labels.voxels[0] = label;
            }
            folder.nifti(&format!("{root}/images/s{subject}.nii"), &image);
            folder.nifti(&format!("{root}/labels/s{subject}.nii"), &labels);
        }
        Cohort::open(&[folder.path(&root)], &folder.path("cache"), |_, _| {}).unwrap()
    }

    fn roles(cohort: &Cohort) -> Roles {
        let [train, valid, test] = [0, 1, 2].map(|n| vec![cohort.ids()[n].clone()]);
        Roles { labelled: train.clone(), train, valid, test }
    }

    #[test]
    fn a_folder_goes_on_with_the_same_data_only() {
        let place = TestFolder::new();
        let run = RunFolder::new(place.path("run"));
        std::fs::create_dir(run.path()).unwrap();
        let cohort = three(&place, 500, 1);
        let roles = roles(&cohort);
        let record = DataRecord::of(&roles, &cohort, None);
        record.refuse_others(&run).unwrap();
        record.keep(&run).unwrap();
        record.keep(&run).unwrap();
        let refusal = |record: DataRecord| record.keep(&run).unwrap_err().to_string();
        let changed = |voxel, label| DataRecord::of(&roles, &three(&place, voxel, label), None);
        for (other, parts) in [
            (changed(500, 2), ["the labels of subject s2", "--out"]),
            (changed(501, 1), ["the image of subject s2", "restore"]),
            (changed(501, 2), ["the image and labels of subject s2", "changed"]),
        ] {
            let error = refusal(other);
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
            assert!(!error.contains("more changed"), "{error}");
        }
        let mut all = record.clone();
        all.subjects.values_mut().for_each(|subject| subject.labels = None);
        assert!(refusal(all).contains("the labels of subject s0 changed since (and 2 more"));
        let tests = DataRecord::of(&roles, &cohort, Some(&three(&place, 500, 2)));
        assert!(refusal(tests).contains("subject s2"));
    }

    /// Machines draw it with last bits of their own.
    #[test]
    fn the_built_in_cohort_is_not_compared() {
        let place = TestFolder::new();
        let run = RunFolder::new(place.path(""));
        let drawn = |seed| {
            let cohort = Cohort::phantom(3, seed, &place.path("cache"), |_, _| {}).unwrap();
            DataRecord::of(&roles(&cohort), &cohort, None)
        };
        drawn(0).keep(&run).unwrap();
        drawn(1).keep(&run).unwrap();
        // As a file that a copy was compared with in full.
        let mut full = drawn(0);
        full.subjects.values_mut().for_each(|subject| subject.image = Some("0".into()));
        full.keep(&run).unwrap();
        drawn(0).keep(&run).unwrap();
        assert!(!drawn(0).subjects["phantom0001"].slices.is_empty(), "copies are still found");
    }
}
