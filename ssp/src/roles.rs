//! Who does what in a run: which subjects train, validate and test, and which have labels.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::Cohort;
use crate::data::split::{Split, Test};
use crate::run::folder::{RunFolder, read_json, write_json};
use crate::settings::Settings;
use crate::{Error, Result};

/// Subjects by role, as ids; `split.json` of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Trained on; those among `labelled` with their labels.
    pub train: Vec<String>,
    /// The best weights are chosen by them.
    pub valid: Vec<String>,
    /// Reported on.
    pub test: Vec<String>,
    /// Those of `train` whose labels are used.
    pub labelled: Vec<String>,
}

impl Roles {
    /// Gives every subject of `cohort` its role. Test subjects are all labelled ones of `test`, or
    /// else held out. Subjects without labels pretrain; where `pretrain_only`, there may be no
    /// others.
    ///
    /// # Errors
    /// When there are too few subjects with labels, or one would both train and test.
    pub fn draw(
        settings: &Settings,
        cohort: &Cohort,
        test: Option<&Cohort>,
        pretrain_only: bool,
    ) -> Result<Self> {
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
                Test::Given(test.labelled_ids())
            }
            None => Test::Share(settings.subjects.test_share),
        };
        let valid_share = settings.subjects.valid_share;
        let split = Split::draw(&with_labels, test_set, valid_share, settings.seed)?;
        if split.test.is_empty() && !pretrain_only {
            return Err(Error::Data(format!(
                "no labelled subject to test on; give some with --test, or set \
                 subjects.test_share above {}",
                settings.subjects.test_share
            )));
        }
        let labelled = match settings.labelled {
            0 => split.train.clone(),
            count => split.labelled(count, settings.seed)?,
        };
        let mut train = split.train;
        train.extend(cohort.ids().into_iter().filter(|id| !with_labels.contains(id)));
        train.sort();
        Ok(Roles { train, valid: split.valid, test: split.test, labelled })
    }

    /// Writes the roles into a run's folder. A run that goes on must have the subjects that it
    /// started with.
    ///
    /// # Errors
    /// When it has not, or the file cannot be written.
    pub fn keep(&self, folder: &RunFolder) -> Result<()> {
        let path = folder.split();
        if path.exists() && read_json::<Roles>(&path)? != *self {
            return Err(Error::file(
                path,
                "names other subjects than there are now; name another folder with --out",
            ));
        }
        write_json(&path, self)
    }

    /// The roles in the run that made a file of weights, where it still lies in that run's folder.
    ///
    /// # Errors
    /// When the run's `split.json` cannot be read.
    pub fn of_weights(file: &Path) -> Result<Option<Self>> {
        let run = file.parent().and_then(Path::parent).map(RunFolder::new);
        match run.map(|run| run.split()).filter(|split| split.is_file()) {
            Some(split) => read_json(&split).map(Some),
            None => Ok(None),
        }
    }

    /// Refuses pretrained weights that have seen a subject that is held out here.
    ///
    /// # Errors
    /// When they have, or their run cannot be read.
    pub fn refuse_leak(&self, weights: &Path) -> Result<()> {
        let Some(theirs) = Roles::of_weights(weights)? else { return Ok(()) };
        match self.test.iter().chain(&self.valid).find(|id| theirs.train.contains(id)) {
            None => Ok(()),
            Some(id) => Err(Error::Data(format!(
                "subject {id} is held out here, and {} was trained on it; give the same --data, \
                 --test and --seed as that run had",
                weights.display()
            ))),
        }
    }
}

/// Refuses a subject that is to train and to test: one image in both, or one name, as the two
/// could not be told apart in the results.
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
