//! Split files: who trains, validates and tests, as the study's files (YAML) name them.
//!
//! `train`, `valid` and `test` each map a data set (`mm1`, `mm2`, `acdc`, `folder`, `phantom`) to
//! a list of IDs; a plain list will do where IDs are unique.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Cohort, Member};
use crate::{Error, Result};
use common::yaml::{self, Content, Node, Place};

/// A split file.
#[derive(Clone, Debug)]
pub struct SplitFile {
    path: PathBuf,
    parts: BTreeMap<String, Vec<Named>>,
}

/// A subject that a file names.
#[derive(Clone, Debug)]
struct Named {
    subset: Option<String>,
    id: String,
    place: Place,
}

impl Named {
    fn is(&self, member: &Member) -> bool {
        self.id == member.plain && self.subset.as_ref().is_none_or(|name| name == member.subset)
    }

    fn described(&self) -> String {
        let subset = self.subset.as_ref().map_or(String::new(), |subset| format!("{subset} "));
        subset + &self.id
    }
}

/// A split file's parts as ids of a cohort; none where the file does not have the part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// To train on.
    pub train: Option<Vec<String>>,
    /// To choose the best weights by.
    pub valid: Option<Vec<String>>,
    /// To report on.
    pub test: Option<Vec<String>>,
}

impl SplitFile {
    /// Reads a split file.
    ///
    /// # Errors
    /// When it cannot be read, is no split, or names a subject twice.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            let what = "the file of subjects (subjects.split) is not there; name it with --split, \
                        or leave it out with --set subjects.split=none";
            return Err(Error::file(path, what));
        }
        let documents = yaml::read(path)?;
        let [document] = documents.as_slice() else {
            return Err(Error::file(path, "is no split: takes one document of train, valid, test"));
        };
        let mut split = SplitFile { path: path.to_path_buf(), parts: BTreeMap::new() };
        for entry in document.entries() {
            if !["train", "valid", "test"].contains(&entry.key.as_str()) {
                let found = &entry.key;
                return Err(wrong(
                    &entry.place,
                    format!("found {found}; takes train, valid, test"),
                ));
            }
            split.parts.insert(entry.key.clone(), named(&entry.value)?);
        }
        if split.parts.is_empty() {
            return Err(Error::file(path, "is no split: it has neither train, valid nor test"));
        }
        split.refuse_twice()?;
        Ok(split)
    }

    /// The same of a file that says who trains, validates and tests, not whose labels are used.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when it names only one of train and valid.
    pub fn of_roles(path: &Path) -> Result<Self> {
        let split = Self::read(path)?;
        if split.parts.contains_key("train") != split.parts.contains_key("valid") {
            let what = "names one of train and valid; give both, or neither to draw them";
            return Err(Error::file(path, what));
        }
        Ok(split)
    }

    fn refuse_twice(&self) -> Result<()> {
        let mut seen: BTreeMap<(Option<&str>, &str), &Named> = BTreeMap::new();
        for subject in self.parts.values().flatten() {
            if let Some(first) = seen.insert((subject.subset.as_deref(), &subject.id), subject) {
                let (one, other) = (first.place.line, subject.place.line);
                let what = format!(
                    "subject {} is there twice, in lines {} and {}",
                    subject.described(),
                    one.min(other),
                    one.max(other)
                );
                return Err(Error::file(&self.path, what));
            }
        }
        Ok(())
    }

    /// The parts as ids of a cohort. Of subjects that could not be read nothing is said; `note`
    /// is told of data sets of which there is nothing.
    ///
    /// # Errors
    /// When subjects are not among the data, or one could be two.
    pub fn among(&self, cohort: &Cohort, note: &dyn Fn(&str)) -> Result<Parts> {
        let there: BTreeSet<&str> = cohort.members.iter().map(|member| member.subset).collect();
        let absent = |subject: &&Named| {
            subject.subset.as_ref().is_some_and(|subset| !there.contains(subset.as_str()))
        };
        let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
        for subject in self.parts.values().flatten().filter(absent) {
            *left_out.entry(subject.subset.as_deref().unwrap_or_default()).or_default() += 1;
        }
        let all: usize = self.parts.values().map(Vec::len).sum();
        if all > 0 && left_out.values().sum::<usize>() == all {
            let subsets: Vec<&str> = left_out.into_keys().collect();
            let what = format!(
                "names subjects of {} only, and the data are of {}; give the data it is for with \
                 --data, or another file with --split",
                subsets.join(", "),
                there.into_iter().collect::<Vec<_>>().join(", ")
            );
            return Err(Error::file(&self.path, what));
        }
        for (subset, count) in left_out {
            note(&format!(
                "{}: no data of {subset} were given; its {count} subjects are left out",
                self.path.display()
            ));
        }
        let shared = |subject: &&Named| cohort.left_out.iter().any(|member| subject.is(member));
        match self.parts.values().flatten().filter(shared).count() {
            0 => {}
            count => note(&format!(
                "{}: {count} of its M&Ms-2 subjects may be in M&Ms as well and are left out",
                self.path.display()
            )),
        }
        let absent = |subject: &&Named| absent(subject) || shared(subject);
        self.refuse_missing(cohort, &absent)?;
        let part = |name: &str| -> Result<Option<Vec<String>>> {
            let Some(subjects) = self.parts.get(name) else { return Ok(None) };
            let present = subjects.iter().filter(|subject| !absent(subject));
            let mut ids = Vec::new();
            for subject in present {
                ids.extend(self.find(subject, cohort)?);
            }
            ids.sort_unstable();
            Ok(Some(ids))
        };
        Ok(Parts { train: part("train")?, valid: part("valid")?, test: part("test")? })
    }

    fn refuse_missing(&self, cohort: &Cohort, absent: &dyn Fn(&&Named) -> bool) -> Result<()> {
        let known = |subject: &&Named| cohort.members.iter().any(|member| subject.is(member));
        let subjects = self.parts.values().flatten().filter(|subject| !absent(subject));
        let missing: Vec<&Named> = subjects.filter(|subject| !known(subject)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let few: Vec<String> = missing.iter().take(3).map(|subject| subject.described()).collect();
        let more = if missing.len() > few.len() { ", ..." } else { "" };
        Err(Error::file(
            &self.path,
            format!(
                "{} of its subjects are not in {} ({}{more}); add their folder with --data, or \
                 take them out of the file",
                missing.len(),
                cohort.source,
                few.join(", ")
            ),
        ))
    }

    /// The id of a subject that is among the members; none where it could not be read.
    fn find(&self, subject: &Named, cohort: &Cohort) -> Result<Option<String>> {
        let mut found = cohort.members.iter().filter(|member| subject.is(member));
        match (found.next(), found.next()) {
            (Some(one), Some(other)) => Err(wrong(
                &subject.place,
                format!(
                    "{} could be {} of {} or {} of {}; name its data set above it",
                    subject.id, one.id, one.subset, other.id, other.subset
                ),
            )),
            (Some(member), None) => {
                Ok(cohort.cache.find(&member.id).is_some().then(|| member.id.clone()))
            }
            (None, _) => Ok(None),
        }
    }
}

fn wrong(place: &Place, what: String) -> Error {
    Error::Data(format!("{place}: {what}"))
}

/// The subjects of a part: lists by data set, or one list.
fn named(part: &Node) -> Result<Vec<Named>> {
    match &part.content {
        Content::Map(entries) => {
            let lists = entries.iter().map(|entry| list(&entry.value, Some(&entry.key)));
            Ok(lists.collect::<Result<Vec<_>>>()?.concat())
        }
        _ => list(part, None),
    }
}

fn list(node: &Node, subset: Option<&str>) -> Result<Vec<Named>> {
    let items = match &node.content {
        Content::List(items) => items,
        _ if node.value().is_null() => return Ok(vec![]),
        _ => {
            return Err(wrong(
                &node.place,
                format!("found {}; takes a list of IDs", node.described()),
            ));
        }
    };
    let one = |item: &Node| match &item.content {
        Content::Scalar(id, _) => Ok(Named {
            subset: subset.map(str::to_owned),
            id: id.clone(),
            place: item.place.clone(),
        }),
        _ => Err(wrong(&item.place, format!("found {}; takes an ID", item.described()))),
    };
    items.iter().map(one).collect()
}
