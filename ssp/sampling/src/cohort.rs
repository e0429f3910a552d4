//! A cohort: the subjects of one or more sources, or of the built-in phantom, behind one cache.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::{Cache, CachedSubject, Failure, Key, Loaded};
use crate::copies::shared_within;
use crate::{Error, Result};
use data::anatomy::{BorderCounts, ventricles_look_swapped};
use data::phantom::{PhantomCohort, PhantomSettings};
use data::{Dataset, Label, LoadedSubject, by_line};
use data::{Found, find, holds_mnms, list};

/// Counts up when readers change what they make of the same files.
const READER_VERSION: u32 = 6;

/// Subjects ready to be sampled from.
pub struct Cohort {
    /// Every slice of every subject that could be read.
    pub cache: Arc<Cache>,
    /// The subjects that could not.
    pub failures: Vec<Failure>,
    /// Where it comes from, for people.
    pub source: String,
    /// The first file of every subject; none of the built-in ones.
    pub images: Vec<PathBuf>,
    /// Every subject that was found, those that could not be read included.
    pub members: Vec<Member>,
    /// Subjects of M&Ms-2 that may be in M&Ms as well, and are left out.
    pub left_out: Vec<Member>,
    /// Subjects with a warning, and the warning: what the reader found doubtful, and subjects that share
    /// images. The same whether the cache is new or was there.
    pub warnings: Vec<(String, String)>,
    /// Warnings about whole data sets, such as a table of subjects that cannot be used.
    pub set_warnings: Vec<String>,
}

/// A subject as split files name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id in the cohort.
    pub id: String,
    /// Its data set: mm1, mm2, acdc, folder, phantom.
    pub subset: &'static str,
    /// Its id in its data set.
    pub plain: String,
}

/// The name of the built-in cohort as a data set.
pub const PHANTOM: &str = "phantom";

impl Cohort {
    /// The built-in cohort.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub fn phantom(
        subjects: usize,
        seed: u64,
        folder: &Path,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<Self> {
        let settings = PhantomSettings::default();
        let described = format!("{subjects} subjects, seed {seed}, {settings:?}");
        let key = Key::of_settings("phantom", READER_VERSION, &described);
        let cohort = PhantomCohort::new(subjects, seed, settings)?;
        let ids = cohort.ids();
        let draw = |index| Ok(cohort.subject(index));
        let (cache, failures) = Cache::open_or_build(folder, &key, &ids, draw, progress)?;
        let source = format!("built-in phantom, {subjects} subjects");
        let member = |id: &String| Member { id: id.clone(), subset: PHANTOM, plain: id.clone() };
        let members = ids.iter().map(member).collect();
        let (images, left_out, warnings, set_warnings) = (vec![], vec![], vec![], vec![]);
        let cache = Arc::new(cache);
        Ok(Cohort { cache, failures, source, images, members, left_out, warnings, set_warnings })
    }

    /// Every subject of every data set found in `folders`.
    ///
    /// Where two sources use the same id, it is preceded by the place of its source.
    ///
    /// # Errors
    /// When a folder holds no data set, no subject can be read, or the cache cannot be written.
    pub fn open(
        folders: &[PathBuf],
        cache: &Path,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<Self> {
        Self::open_beside(folders, &[], (&[], &[]), cache, progress)
    }

    /// The same of some data sets only, by their names in split files; none for all. Where M&Ms is
    /// among them, or among those `beside` them in the same run (folders and names), M&Ms-2's
    /// subjects that may be in both are left out.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when there is no such data set.
    pub fn open_beside(
        folders: &[PathBuf],
        subsets: &[String],
        beside: (&[PathBuf], &[String]),
        cache: &Path,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<Self> {
        let search = |folders: &[PathBuf], subsets: &[String]| -> Result<Vec<Found>> {
            folders.iter().map(|folder| find(folder, subsets)).collect()
        };
        let found = search(folders, subsets)?;
        let mnms =
            found.iter().any(holds_mnms) || search(beside.0, beside.1)?.iter().any(holds_mnms);
        let sets: Vec<Dataset> = found
            .into_iter()
            .map(|found| list(found, mnms))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        if sets.is_empty() {
            let names: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
            return Err(Error::Data(format!(
                "{} holds none of subjects.subsets, {}; give their folder with --data, or use all \
                 data with --set subjects.subsets=[]",
                names.join(", "),
                subsets.join(", ")
            )));
        }
        let all = (0..sets.len()).flat_map(|set| {
            let subjects = sets[set].subjects();
            (0..subjects.len()).map(move |index| (set, index, subjects[index].files.first()))
        });
        // Folders may overlap; a subject is one however often it is found.
        let mut found = BTreeSet::new();
        let places: Vec<(usize, usize)> = all
            .filter(|(_, _, file)| {
                file.is_none_or(|file| {
                    found.insert(file.canonicalize().unwrap_or_else(|_| file.clone()))
                })
            })
            .map(|(set, index, _)| (set, index))
            .collect();
        let plain = |&(set, index): &(usize, usize)| sets[set].subjects()[index].id.as_str();
        let mut seen = BTreeMap::new();
        places.iter().for_each(|place| *seen.entry(plain(place)).or_insert(0) += 1);
        let ids: Vec<String> = places
            .iter()
            .map(|place| match seen[plain(place)] {
                1 => plain(place).to_owned(),
                _ => format!("{}-{}", place.0 + 1, plain(place)),
            })
            .collect();
        let member = |(&(set, index), id): (&(usize, usize), &String)| Member {
            id: id.clone(),
            subset: sets[set].layout().subset(),
            plain: plain(&(set, index)).to_owned(),
        };
        let members = places.iter().zip(&ids).map(member).collect();
        let left_out = sets.iter().flat_map(|set| {
            let subset = set.layout().subset();
            set.left_out().iter().map(move |l| Member {
                id: l.id.clone(),
                subset,
                plain: l.id.clone(),
            })
        });
        let left_out = left_out.collect();
        let (mut files, mut images) = (Vec::new(), Vec::new());
        for &(set, index) in &places {
            let listing = &sets[set].subjects()[index];
            files.extend(listing.files.iter());
            images.extend(listing.files.first().cloned());
        }
        // The ids, too, because they depend on what else was found.
        let key = Key::of_files("cohort", READER_VERSION, &ids.join("\n"), &files, cache)?;
        let read = |i: usize| {
            let (set, index) = places[i];
            let LoadedSubject { mut subject, diagnostics, .. } = sets[set].load(index)?;
            subject.id = ids[i].clone();
            Ok(Loaded { subject, warnings: diagnostics.warnings })
        };
        let (cache, failures) = Cache::open_or_build(cache, &key, &ids, read, progress)?;
        if let (true, Some(failure)) = (cache.is_empty(), failures.first()) {
            return Err(Error::Data(format!("no subject could be read: {}", failure.reason)));
        }
        let names: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
        let source = names.join(", ");
        let warnings = warnings(&cache);
        let cache = Arc::new(cache);
        let set_warnings = sets.iter().flat_map(|set| set.warnings()).cloned().collect();
        Ok(Cohort { cache, failures, source, images, members, left_out, warnings, set_warnings })
    }

    /// Ids of all subjects, in order.
    pub fn ids(&self) -> Vec<String> {
        self.cache.subjects().map(|s| s.id().to_owned()).collect()
    }

    /// Ids of the subjects with labels, in order.
    pub fn labelled_ids(&self) -> Vec<String> {
        let labelled = self.cache.subjects().filter(|s| s.frames().len() > 0);
        labelled.map(|s| s.id().to_owned()).collect()
    }

    /// What may make results with these subjects wrong. A line that several subjects share is listed once.
    pub fn warning_lines(&self) -> Vec<String> {
        let all = self.warnings.iter().map(|(id, line)| (id.as_str(), line.as_str()));
        let mut lines = by_line(all);
        lines.extend(self.set_warnings.iter().cloned());
        if self.ventricles_look_swapped() {
            lines.push(format!(
                "{}: by the myocardium around it, label 3 (RV) is the left ventricle: are these the label \
                 numbers of ACDC? A folder of images/ and labels/ takes 1 LV, 2 myocardium, 3 RV",
                self.source
            ));
        }
        lines
    }

    /// Whether the ventricles of most of some subjects look swapped: labels of ACDC's numbering in a folder
    /// of one's own, for instance.
    pub fn ventricles_look_swapped(&self) -> bool {
        const ENOUGH: usize = 10;
        let looks = |subject: CachedSubject<'_>| -> Option<bool> {
            let (phase, _) = subject.frames().next()?;
            let labels = subject.labels(phase)?;
            let edges = |ventricle| BorderCounts::of(labels, subject.grid().size, ventricle);
            let [left, right] = [Label::LeftVentricle, Label::RightVentricle].map(edges);
            Some(ventricles_look_swapped(left, right))
        };
        let found: Vec<bool> = self.cache.subjects().filter_map(looks).take(ENOUGH).collect();
        2 * found.iter().filter(|swapped| **swapped).count() > found.len()
    }

    /// Places of subjects in the cache.
    ///
    /// # Errors
    /// When an id is not there.
    pub fn places(&self, ids: &[String]) -> Result<Vec<usize>> {
        let place = |id: &String| {
            self.cache
                .find(id)
                .ok_or_else(|| Error::Data(format!("there is no subject {id} in {}", self.source)))
        };
        ids.iter().map(place).collect()
    }
}

/// What was doubtful about subjects when they were read, and subjects that share images.
fn warnings(cache: &Cache) -> Vec<(String, String)> {
    let read = cache.subjects().flat_map(|subject| {
        subject.warnings().iter().map(move |what| (subject.id().to_owned(), what.clone()))
    });
    let slices: Vec<_> = cache.subjects().map(|s| (s.id(), s.slice_digests())).collect();
    let shared = shared_within(&slices).into_iter();
    read.chain(shared.map(|shared| (shared.ids[0].clone(), shared.as_warning()))).collect()
}

/// Where caches lie: `CINE_CACHE`, or else the user's cache folder.
pub fn cache_folder() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    variable("CINE_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|c| c.join("cine")))
        .or_else(|| variable("HOME").map(|h| h.join(".cache/cine")))
        .or_else(|| variable("LOCALAPPDATA").map(|h| h.join("cine")))
        .unwrap_or_else(|| std::env::temp_dir().join("cine"))
}

#[cfg(test)]
mod tests;
