//! The roles of subjects in a run: which train, validate and test, and which have labels.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data_record::{DataRecord, slices_of};
use crate::run::folder::{RunFolder, read_json, write_json};
use crate::{Error, Result};
use data::split::{Split, TestSubjects};
use data::vendor::vendor_letter;
use sampling::Cohort;
use sampling::cache::CachedSubject;
use sampling::copies::{Shared, shared_between};
use sampling::split_file::SplitFile;
use settings::Settings;

/// Subjects by role, as ids; `split.json` of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Subjects for training; those in `labelled` with their labels.
    pub train: Vec<String>,
    /// Validation subjects, which select the best weights.
    pub valid: Vec<String>,
    /// Test subjects.
    pub test: Vec<String>,
    /// Those of `train` whose labels are used.
    pub labelled: Vec<String>,
}

impl Roles {
    /// Assigns every subject of `cohort` a role: from the split files of the settings, or else at
    /// random. Test subjects are all labelled ones of `test`, or else held out. Subjects without labels
    /// are used for pretraining; with `pretrain_only` there may be no others. `note` receives the
    /// subjects that are left out.
    ///
    /// # Errors
    /// When there are too few subjects with labels, or one would both train and test, be it under two
    /// names.
    pub fn draw(
        settings: &Settings,
        cohort: &Cohort,
        test: Option<&Cohort>,
        pretrain_only: bool,
        note: &dyn Fn(&str),
    ) -> Result<Self> {
        let roles = Self::assigned(settings, cohort, test, pretrain_only, note)?;
        roles.refuse_copies(cohort, test)?;
        Ok(roles)
    }

    fn assigned(
        settings: &Settings,
        cohort: &Cohort,
        test: Option<&Cohort>,
        pretrain_only: bool,
        note: &dyn Fn(&str),
    ) -> Result<Self> {
        if let Some(path) = &settings.subjects.split {
            let named = Named { settings, cohort, path: Path::new(path), pretrain_only, note };
            return named.roles(test);
        }
        let with_labels = cohort.labelled_ids();
        if with_labels.is_empty() {
            if pretrain_only {
                let (valid, test, labelled) = Default::default();
                return Ok(Roles { train: cohort.ids(), valid, test, labelled });
            }
            let what = format!("no subject of {} has labels to train on", cohort.source);
            return Err(Error::Data(what));
        }
        let test_set = match test {
            Some(test) => {
                refuse_overlap(cohort, test)?;
                TestSubjects::Given(test.labelled_ids())
            }
            None => TestSubjects::Share(settings.subjects.test_share),
        };
        let valid_share = settings.subjects.valid_share;
        let split = Split::draw(&with_labels, test_set, valid_share, split_seed(settings))?;
        if split.test.is_empty() && !pretrain_only {
            return Err(Error::Data(format!(
                "no labelled subject to test on; give some with --test, or set \
                 subjects.test_share above {}",
                settings.subjects.test_share
            )));
        }
        let labelled = labelled(settings, cohort, &split.train)?;
        let valid = of_vendors(settings, cohort, split.valid);
        let mut train = split.train;
        train.extend(cohort.ids().into_iter().filter(|id| !with_labels.contains(id)));
        train.sort();
        Ok(Roles { train, valid, test: split.test, labelled })
    }

    /// Refuses test subjects with the images of a training or validation subject.
    fn refuse_copies(&self, cohort: &Cohort, test: Option<&Cohort>) -> Result<()> {
        let Some(shared) = self.shared(cohort, test).into_iter().find(Shared::is_copy) else {
            return Ok(());
        };
        let (what, does) = (in_words(&shared), self.does(&shared));
        Err(Error::Data(match test {
            Some(test) => format!(
                "{what}: the first, of --data ({}), {does}, and the second, of --test ({}), tests; leave one \
                 of them out",
                cohort.source, test.source
            ),
            None => format!(
                "{what}: the first {does} and the second tests; remove one of them, or give both one role \
                 with --split"
            ),
        }))
    }

    /// A line for each subject of `test` that shares a few images with a training or validation subject,
    /// though it is no copy. Those of one cohort are among its warnings already.
    pub fn shared_images(&self, cohort: &Cohort, test: Option<&Cohort>) -> Vec<String> {
        let Some(test) = test else { return vec![] };
        let few = self.shared(cohort, Some(test)).into_iter().filter(|shared| !shared.is_copy());
        let line = |shared: Shared| {
            let (what, does) = (in_words(&shared), self.does(&shared));
            format!("{what}; the first {does}, the second, of --test, tests")
        };
        few.map(line).collect()
    }

    /// Pairs of a training or validation subject and a test subject with equal slices.
    fn shared(&self, cohort: &Cohort, test: Option<&Cohort>) -> Vec<Shared> {
        let ours = [&self.train[..], &self.valid].concat();
        let tested = slices_of(test.unwrap_or(cohort), &self.test);
        shared_between(&slices_of(cohort, &ours), &tested)
    }

    /// What the first of two subjects does.
    fn does(&self, Shared { ids: [id, _], .. }: &Shared) -> &'static str {
        if self.train.contains(id) { "trains" } else { "validates" }
    }

    /// Writes the roles into a run's folder. A resumed run must have the same subjects as before.
    ///
    /// # Errors
    /// When it does not, or the file cannot be written.
    pub fn keep(&self, folder: &RunFolder) -> Result<()> {
        self.refuse_others(folder)?;
        write_json(&folder.split(), self)
    }

    /// Refuses a folder that was started with other subjects.
    ///
    /// # Errors
    /// When it was, or its file cannot be read.
    pub fn refuse_others(&self, folder: &RunFolder) -> Result<()> {
        let path = folder.split();
        if path.exists() && read_json::<Roles>(&path)? != *self {
            return Err(Error::file(
                path,
                "names other subjects than there are now; name another folder with --out",
            ));
        }
        Ok(())
    }

    /// The roles in the run that made a file of weights, if the file is still in that run's folder.
    ///
    /// # Errors
    /// When the run's `split.json` cannot be read.
    pub fn of_weights(file: &Path) -> Result<Option<Self>> {
        match run_of_weights(file).map(|run| run.split()).filter(|split| split.is_file()) {
            Some(split) => read_json(&split).map(Some),
            None => Ok(None),
        }
    }

    /// Refuses pretrained weights that have seen a subject that is held out here, by its name or by its
    /// images. Test subjects are of `test` if there is one.
    ///
    /// # Errors
    /// When they have, or their run cannot be read.
    pub fn refuse_leak(
        &self,
        weights: &Path,
        cohort: &Cohort,
        test: Option<&Cohort>,
    ) -> Result<()> {
        let Some(theirs) = Roles::of_weights(weights)? else { return Ok(()) };
        let held_out = self.test.iter().chain(&self.valid);
        let trained = held_out.map(|id| (id, "trained")).find(|(id, _)| theirs.train.contains(id));
        // Validation subjects may have chosen the weights, and so cannot test them.
        let chosen = self.test.iter().map(|id| (id, "validated"));
        let chosen = || chosen.clone().find(|(id, _)| theirs.valid.contains(id));
        match trained.or_else(chosen) {
            None => self.refuse_copies_behind(weights, &theirs, cohort, test),
            Some((id, how)) => Err(Error::Data(format!(
                "subject {id} is held out here, and {} was {how} on it; give the same --data, \
                 --test and --seed as that run had",
                weights.display()
            ))),
        }
    }

    fn refuse_copies_behind(
        &self,
        weights: &Path,
        theirs: &Roles,
        cohort: &Cohort,
        test: Option<&Cohort>,
    ) -> Result<()> {
        let Some(record) = DataRecord::of_weights(weights)? else { return Ok(()) };
        let trained = |id: &String| theirs.train.contains(id);
        let tested = test.unwrap_or(cohort);
        let shared = record.shared(&|_| true, tested, &self.test);
        let mut shared = shared.into_iter().chain(record.shared(&trained, cohort, &self.valid));
        match shared.find(Shared::is_copy) {
            None => Ok(()),
            Some(shared) => {
                let [id, copy] = &shared.ids;
                let how = if theirs.train.contains(id) { "trained" } else { "validated" };
                Err(Error::Data(format!(
                    "subject {copy} is held out here, and {} was {how} on the same images as subject {id} \
                     ({} of {} slices are equal); leave it out",
                    weights.display(),
                    shared.equal,
                    shared.of
                )))
            }
        }
    }
}

fn in_words(Shared { ids: [id, copy], equal, of }: &Shared) -> String {
    format!("subjects {id} and {copy} have the same images ({equal} of {of} slices are equal)")
}

/// The folder of the run that made a file of weights, if the file is still where that run wrote it.
pub(crate) fn run_of_weights(file: &Path) -> Option<RunFolder> {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
    file.parent().and_then(Path::parent).map(RunFolder::new)
}

fn split_seed(settings: &Settings) -> u64 {
    settings.subjects.split_seed.unwrap_or(settings.seed)
}

/// Those of the training subjects whose labels are used: of the vendors of the settings, as many as
/// they say.
fn labelled(settings: &Settings, cohort: &Cohort, train: &[String]) -> Result<Vec<String>> {
    let train = of_vendors(settings, cohort, train.to_vec());
    if train.is_empty() {
        let named = |s: &CachedSubject| s.vendor().unwrap_or("unknown").to_owned();
        let there: BTreeSet<String> = cohort.cache.subjects().map(|s| named(&s)).collect();
        let there: Vec<String> = there.into_iter().collect();
        return Err(Error::Data(format!(
            "subjects.vendors={}: no training subject of {} is of one of them; vendors there: {}",
            settings.subjects.vendors.join(","),
            cohort.source,
            there.join(", ")
        )));
    }
    match settings.labelled {
        0 => Ok(train),
        count => Split { train, ..Split::default() }.labelled(count, settings.seed),
    }
}

/// Those of the vendors that the settings name, if they name any.
fn of_vendors(settings: &Settings, cohort: &Cohort, mut ids: Vec<String>) -> Vec<String> {
    let wanted: Vec<&str> =
        settings.subjects.vendors.iter().map(|name| vendor_letter(name)).collect();
    let vendor = |id: &str| {
        let index = cohort.cache.find(id)?;
        cohort.cache.subject(index).vendor()
    };
    if !wanted.is_empty() {
        ids.retain(|id| vendor(id).is_some_and(|name| wanted.contains(&vendor_letter(name))));
    }
    ids
}

/// Roles as a file names them.
struct Named<'a> {
    settings: &'a Settings,
    cohort: &'a Cohort,
    path: &'a Path,
    pretrain_only: bool,
    note: &'a dyn Fn(&str),
}

impl Named<'_> {
    fn roles(&self, test: Option<&Cohort>) -> Result<Roles> {
        let Named { settings, cohort, path, .. } = *self;
        let file = SplitFile::read_roles(path)?.resolve(cohort, self.note)?;
        let with_labels = cohort.labelled_ids();
        let mut split = match (file.train, file.valid) {
            (Some(train), Some(valid)) => Split { train, valid, test: vec![] },
            _ => self.rest(file.test.as_deref().unwrap_or_default())?,
        };
        split.test = match (test, file.test) {
            (Some(_), Some(ids)) if !ids.is_empty() => {
                let what = "names test subjects, and --test is given too; leave one out";
                return Err(Error::file(path, what));
            }
            (Some(test), _) => {
                refuse_overlap(cohort, test)?;
                test.labelled_ids()
            }
            (None, ids) => self.with_labels(ids.unwrap_or_default(), "test", &with_labels),
        };
        if !self.pretrain_only {
            split.valid = self.with_labels(split.valid, "valid", &with_labels);
        }
        self.tell_others(&split);
        let labelled = self.labelled(&mut split, test.is_none(), &with_labels)?;
        split.check()?;
        if !self.pretrain_only && (labelled.is_empty() || split.test.is_empty()) {
            let lacks = if labelled.is_empty() { "train" } else { "test" };
            let what = format!("no subject of {lacks} has labels in {}", cohort.source);
            return Err(Error::file(path, what));
        }
        let Split { train, valid, test } = split;
        if train.is_empty() {
            return Err(Error::file(path, "leaves no subject to train on"));
        }
        let labelled = match labelled.is_empty() {
            true => labelled,
            false => self::labelled(settings, cohort, &labelled)?,
        };
        let valid = of_vendors(settings, cohort, valid);
        Ok(Roles { train, valid, test, labelled })
    }

    /// Who is left when some test: a share of those with labels validates, drawn as the study does,
    /// and the others train.
    fn rest(&self, test: &[String]) -> Result<Split> {
        let rest = |ids: Vec<String>| -> Vec<String> {
            ids.into_iter().filter(|id| !test.contains(id)).collect()
        };
        let with_labels = rest(self.cohort.labelled_ids());
        let share = self.settings.subjects.valid_share;
        let members = self.cohort.members.iter().filter(|member| with_labels.contains(&member.id));
        let named = members.map(|m| (format!("{}-{}", m.subset, m.plain), m.id.clone())).collect();
        let mut split = Split::draw_as_published(named, share, split_seed(self.settings))?;
        let others = rest(self.cohort.ids());
        split.train.extend(others.into_iter().filter(|id| !with_labels.contains(id)));
        split.train.sort_unstable();
        Ok(split)
    }

    fn with_labels(&self, ids: Vec<String>, part: &str, with_labels: &[String]) -> Vec<String> {
        let (kept, without): (Vec<_>, Vec<_>) =
            ids.into_iter().partition(|id| with_labels.contains(id));
        if !without.is_empty() {
            (self.note)(&format!(
                "{}: {} subjects of {part} have no labels and are left out",
                self.path.display(),
                without.len()
            ));
        }
        kept
    }

    /// Says how many subjects have no role.
    fn tell_others(&self, split: &Split) {
        let named = [&split.train, &split.valid, &split.test];
        let ids = self.cohort.ids();
        let others = ids.iter().filter(|id| !named.iter().any(|part| part.contains(id)));
        match others.count() {
            0 => {}
            count => (self.note)(&format!(
                "{}: {count} of {} subjects are not named in it and are left out",
                self.path.display(),
                ids.len()
            )),
        }
    }

    /// Those of the training subjects whose labels are used. Where the file that says so holds out
    /// subjects of its own, supervised training validates and tests on those.
    fn labelled(
        &self,
        split: &mut Split,
        own_test: bool,
        with_labels: &[String],
    ) -> Result<Vec<String>> {
        let Some(path) = &self.settings.subjects.labelled_split else {
            let train = split.train.iter();
            return Ok(train.filter(|id| with_labels.contains(id)).cloned().collect());
        };
        let file = SplitFile::read(Path::new(path))?.resolve(self.cohort, self.note)?;
        let Some(train) = file.train else {
            return Err(Error::file(path, "names no train: it is to say whose labels are used"));
        };
        if let Some(id) = train.iter().find(|id| !split.train.contains(id)) {
            let what = format!(
                "subject {id} is in its train, and not in that of {}; labels are used of training \
                 subjects only",
                self.path.display()
            );
            return Err(Error::file(path, what));
        }
        for (part, ids, held) in
            [("test", file.test, &mut split.test), ("valid", file.valid, &mut split.valid)]
        {
            // A file that only says whose labels are used leaves these empty, or out.
            let Some(ids) = ids.filter(|ids| !ids.is_empty()) else { continue };
            if let Some(id) = ids.iter().find(|id| split.train.contains(id)) {
                let what = format!(
                    "subject {id} is in its {part}, and {} trains on it; hold out the same \
                     subjects in both files",
                    self.path.display()
                );
                return Err(Error::file(path, what));
            }
            if part == "valid" || own_test {
                *held = self.with_labels(ids, part, with_labels);
            }
        }
        Ok(self.with_labels(train, "train", with_labels))
    }
}

/// Refuses a subject that is to train and to test: one image in both, or one name, as the two
/// could not be distinguished in the results.
fn refuse_overlap(train: &Cohort, test: &Cohort) -> Result<()> {
    let resolved = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let trained: Vec<PathBuf> = train.images.iter().map(resolved).collect();
    if let Some(image) = test.images.iter().find(|image| trained.contains(&resolved(image))) {
        let what = "is in both --data and --test; a subject cannot both train and test";
        return Err(Error::file(image, what));
    }
    let (ours, theirs) = (train.ids(), test.labelled_ids());
    match theirs.iter().find(|id| ours.contains(id)) {
        Some(id) => Err(Error::Data(format!(
            "subject {id} is in both --data ({}) and --test ({}); leave it out of one, or rename \
             its files if it is somebody else",
            train.source, test.source
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
