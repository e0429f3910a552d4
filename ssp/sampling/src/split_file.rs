//! Split files (YAML): which subjects train, validate and test.
//!
//! `train`, `valid` and `test` each map a data set (`mm1`, `mm2`, `acdc`, `folder`, `phantom`) to
//! a list of IDs. A plain list works where IDs are unique.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::{Cohort, Member};
use crate::{Error, Result};
use common::yaml::{self, Content, Node, Place};

/// A split file.
#[derive(Clone, Debug)]
pub struct SplitFile {
    path: PathBuf,
    parts: BTreeMap<String, Vec<NamedSubject>>,
}

/// A subject as the file names it.
#[derive(Clone, Debug)]
struct NamedSubject {
    subset: Option<String>,
    id: String,
    place: Place,
}

/// Members by the ID in their data set, as both they and the subjects of a file may be many.
struct ById<'a>(HashMap<&'a str, Vec<&'a Member>>);

impl<'a> ById<'a> {
    fn of(members: &'a [Member]) -> Self {
        let mut by_id: HashMap<&str, Vec<&Member>> = HashMap::new();
        for member in members {
            by_id.entry(member.plain.as_str()).or_default().push(member);
        }
        ById(by_id)
    }

    /// The members that a subject of a file can be.
    fn matching(&self, subject: &NamedSubject) -> impl Iterator<Item = &'a Member> {
        let same_id = self.0.get(subject.id.as_str()).map_or(&[][..], Vec::as_slice);
        let same_set =
            |member: &&&Member| subject.subset.as_ref().is_none_or(|name| name == member.subset);
        same_id.iter().filter(same_set).copied()
    }

    fn contains(&self, subject: &NamedSubject) -> bool {
        self.matching(subject).next().is_some()
    }
}

impl NamedSubject {
    fn full_name(&self) -> String {
        let subset = self.subset.as_ref().map_or(String::new(), |subset| format!("{subset} "));
        subset + &self.id
    }
}

/// A split file's parts as IDs of a cohort; none for a part that the file does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitParts {
    /// Training subjects.
    pub train: Option<Vec<String>>,
    /// Validation subjects.
    pub valid: Option<Vec<String>>,
    /// Test subjects.
    pub test: Option<Vec<String>>,
}

impl SplitFile {
    /// Reads a split file.
    ///
    /// # Errors
    /// If it cannot be read, is not a split, or names a subject twice.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            let what = "the split file (subjects.split) does not exist; name it with --split, or use \
                        none with --set subjects.split=none";
            return Err(Error::file(path, what));
        }
        let documents = yaml::read(path)?;
        let [document] = documents.as_slice() else {
            return Err(Error::file(path, "is no split: takes one document of train, valid, test"));
        };
        let mut split = SplitFile { path: path.to_path_buf(), parts: BTreeMap::new() };
        for entry in document.entries() {
            if !["train", "valid", "test"].contains(&entry.key.as_str()) {
                let what = format!("found {}; takes train, valid, test", entry.key);
                return Err(error_at(&entry.place, what));
            }
            split.parts.insert(entry.key.clone(), subjects_of(&entry.value)?);
        }
        if split.parts.is_empty() {
            return Err(Error::file(path, "is no split: it has neither train, valid nor test"));
        }
        split.check_unique()?;
        Ok(split)
    }

    /// Reads a split file that assigns roles: `train` and `valid` are both there or both missing. A
    /// file that only lists whose labels are used need not satisfy this.
    ///
    /// # Errors
    /// As [`read`](Self::read), and if the file has only one of `train` and `valid`.
    pub fn read_roles(path: &Path) -> Result<Self> {
        let split = Self::read(path)?;
        if split.parts.contains_key("train") != split.parts.contains_key("valid") {
            let what = "names one of train and valid; give both, or neither to draw them";
            return Err(Error::file(path, what));
        }
        Ok(split)
    }

    fn subjects(&self) -> impl Iterator<Item = &NamedSubject> {
        self.parts.values().flatten()
    }

    fn check_unique(&self) -> Result<()> {
        let mut seen: BTreeMap<(Option<&str>, &str), &NamedSubject> = BTreeMap::new();
        for subject in self.subjects() {
            if let Some(first) = seen.insert((subject.subset.as_deref(), &subject.id), subject) {
                let (one, other) = (first.place.line, subject.place.line);
                let what = format!(
                    "subject {} is there twice, in lines {} and {}",
                    subject.full_name(),
                    one.min(other),
                    one.max(other)
                );
                return Err(Error::file(&self.path, what));
            }
        }
        Ok(())
    }

    /// Resolves the parts to IDs of a cohort. Subjects that could not be read are left out silently;
    /// `note` receives a line for each data set that is left out as the cohort has nothing of it.
    ///
    /// # Errors
    /// If subjects are missing from the cohort, or a name matches two of them.
    pub fn resolve(&self, cohort: &Cohort, note: &dyn Fn(&str)) -> Result<SplitParts> {
        let present: BTreeSet<&str> = cohort.members.iter().map(|member| member.subset).collect();
        let of_absent_set = |subject: &NamedSubject| {
            subject.subset.as_ref().is_some_and(|subset| !present.contains(subset.as_str()))
        };
        let mut absent_sets: BTreeMap<&str, usize> = BTreeMap::new();
        for subject in self.subjects().filter(|subject| of_absent_set(subject)) {
            *absent_sets.entry(subject.subset.as_deref().unwrap_or_default()).or_default() += 1;
        }
        let all = self.subjects().count();
        if all > 0 && absent_sets.values().sum::<usize>() == all {
            let subsets: Vec<&str> = absent_sets.into_keys().collect();
            let what = format!(
                "names subjects of {} only, and the data are of {}; give its data with --data, or \
                 another file with --split",
                subsets.join(", "),
                present.into_iter().collect::<Vec<_>>().join(", ")
            );
            return Err(Error::file(&self.path, what));
        }
        let path = self.path.display();
        for (subset, count) in absent_sets {
            note(&format!(
                "{path}: no data of {subset} were given; its {count} subjects are left out"
            ));
        }
        let (members, left_out) = (ById::of(&cohort.members), ById::of(&cohort.left_out));
        let is_shared = |subject: &NamedSubject| left_out.contains(subject);
        if let count @ 1.. = self.subjects().filter(|subject| is_shared(subject)).count() {
            note(&format!(
                "{path}: {count} of its M&Ms-2 subjects may be in M&Ms as well and are left out"
            ));
        }
        let wanted = |subject: &&NamedSubject| !of_absent_set(subject) && !is_shared(subject);
        self.check_members(self.subjects().filter(wanted), &members, cohort)?;
        let part = |name: &str| -> Result<Option<Vec<String>>> {
            let Some(subjects) = self.parts.get(name) else { return Ok(None) };
            let mut ids = Vec::new();
            for subject in subjects.iter().filter(wanted) {
                ids.extend(find(subject, &members, cohort)?);
            }
            ids.sort_unstable();
            Ok(Some(ids))
        };
        Ok(SplitParts { train: part("train")?, valid: part("valid")?, test: part("test")? })
    }

    /// Checks that all subjects are in the cohort.
    fn check_members<'a>(
        &self,
        subjects: impl Iterator<Item = &'a NamedSubject>,
        members: &ById<'_>,
        cohort: &Cohort,
    ) -> Result<()> {
        const MAX_NAMES: usize = 3;
        let missing = subjects.filter(|subject| !members.contains(subject));
        let missing: Vec<String> = missing.map(NamedSubject::full_name).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let more = if missing.len() > MAX_NAMES { ", ..." } else { "" };
        Err(Error::file(
            &self.path,
            format!(
                "{} of its subjects are not in {} ({}{more}); add their folder with --data, or remove \
                 them from the file",
                missing.len(),
                cohort.source,
                missing[..missing.len().min(MAX_NAMES)].join(", ")
            ),
        ))
    }
}

/// The ID of a subject in a cohort; none if its files could not be read.
fn find(subject: &NamedSubject, members: &ById<'_>, cohort: &Cohort) -> Result<Option<String>> {
    let mut found = members.matching(subject);
    match (found.next(), found.next()) {
        (Some(one), Some(other)) => Err(error_at(
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

fn error_at(place: &Place, what: String) -> Error {
    Error::Data(format!("{place}: {what}"))
}

/// The subjects of a part: lists by data set, or one list.
fn subjects_of(part: &Node) -> Result<Vec<NamedSubject>> {
    match &part.content {
        Content::Map(entries) => {
            let lists = entries.iter().map(|entry| list_of(&entry.value, Some(&entry.key)));
            Ok(lists.collect::<Result<Vec<_>>>()?.concat())
        }
        _ => list_of(part, None),
    }
}

fn list_of(node: &Node, subset: Option<&str>) -> Result<Vec<NamedSubject>> {
    let items = match &node.content {
        Content::List(items) => items,
        _ if node.value().is_null() => return Ok(vec![]),
        _ => {
            let what = format!("found {}; takes a list of IDs", node.described());
            return Err(error_at(&node.place, what));
        }
    };
    let subject = |item: &Node| match &item.content {
        Content::Scalar(id, _) => Ok(NamedSubject {
            subset: subset.map(str::to_owned),
            // As the readers spell IDs, whichever way the file's editor stored accents.
            id: data::composed(id),
            place: item.place.clone(),
        }),
        _ => {
            let what = format!("found {}; takes an ID", item.described());
            Err(error_at(&item.place, what))
        }
    };
    items.iter().map(subject).collect()
}
