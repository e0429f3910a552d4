//! A data set: subjects that can be listed cheaply and loaded one by one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::diagnostics::Diagnostics;
use super::nifti::{self, Header};
use super::orient::{SliceOrder, StackMapping};
use super::subject::Subject;
use crate::{Error, Result};

/// How a data set arranges its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DatasetLayout {
    /// The ACDC challenge: `patientNNN/patientNNN_4d.nii.gz`.
    Acdc,
    /// The M&Ms challenge: `<ID>/<ID>_sa.nii.gz`.
    Mnms,
    /// The M&Ms-2 challenge: `NNN/NNN_SA_CINE.nii.gz`.
    Mnms2,
    /// A plain folder: `images/` and optional `labels/`.
    Folder,
}

impl DatasetLayout {
    /// Every layout, in the order in which data sets are opened.
    pub const ALL: [DatasetLayout; 4] =
        [DatasetLayout::Acdc, DatasetLayout::Mnms, DatasetLayout::Mnms2, DatasetLayout::Folder];

    /// The data set's own name.
    pub fn name(self) -> &'static str {
        match self {
            DatasetLayout::Acdc => "ACDC",
            DatasetLayout::Mnms => "M&Ms",
            DatasetLayout::Mnms2 => "M&Ms-2",
            DatasetLayout::Folder => "plain folder",
        }
    }

    /// Its name in split files and settings.
    pub fn subset(self) -> &'static str {
        match self {
            DatasetLayout::Acdc => "acdc",
            DatasetLayout::Mnms => "mm1",
            DatasetLayout::Mnms2 => "mm2",
            DatasetLayout::Folder => "folder",
        }
    }
}

/// The files of one subject, which a reader has found and can load.
pub(super) trait SubjectFiles: Send + Sync {
    /// Reads the subject.
    fn load(&self, entry: &SubjectEntry) -> Result<LoadedSubject>;
}

/// Files that were found, or why they cannot be used, so that one bad folder is an error of its own
/// subject only.
impl<F: SubjectFiles> SubjectFiles for std::result::Result<F, String> {
    fn load(&self, entry: &SubjectEntry) -> Result<LoadedSubject> {
        match self {
            Ok(files) => files.load(entry),
            Err(line) => Err(Error::Data(line.clone())),
        }
    }
}

/// The subjects of one data set. Listing them reads no voxels; a file that cannot be used is an error
/// only of its own subject, when that is loaded.
pub struct Dataset {
    layout: DatasetLayout,
    entries: Vec<SubjectEntry>,
    files: Vec<Box<dyn SubjectFiles>>,
    left_out: Vec<SubjectEntry>,
    warnings: Vec<String>,
}

impl Dataset {
    /// A data set of subjects in a fixed order.
    ///
    /// # Errors
    /// If two subjects have one ID.
    pub(super) fn new<F: SubjectFiles + 'static>(
        layout: DatasetLayout,
        subjects: Vec<(SubjectEntry, F)>,
    ) -> Result<Dataset> {
        let mut seen: HashMap<&str, &SubjectEntry> = HashMap::new();
        for (entry, _) in &subjects {
            if let Some(other) = seen.insert(&entry.id, entry) {
                let other = other.files.first().map(|file| file.display().to_string());
                let other = other.unwrap_or_else(|| "a folder without a usable file".into());
                return Err(entry.error(format!("its ID is used twice; the other is {other}")));
            }
        }
        let boxed = |(entry, files)| (entry, Box::new(files) as Box<dyn SubjectFiles>);
        let (entries, files) = subjects.into_iter().map(boxed).unzip();
        Ok(Dataset { layout, entries, files, left_out: Vec::new(), warnings: Vec::new() })
    }

    /// How the files are arranged.
    pub fn layout(&self) -> DatasetLayout {
        self.layout
    }

    /// The subjects, in a fixed order; IDs are unique.
    pub fn subjects(&self) -> &[SubjectEntry] {
        &self.entries
    }

    /// What may be wrong with the data set as a whole, such as its table of subjects.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds a warning about the data set as a whole.
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// The same data set with warnings about the whole of it.
    pub(super) fn with_warnings(mut self, warnings: Vec<String>) -> Dataset {
        self.warnings.extend(warnings);
        self
    }

    /// Subjects left out because they may be in another data set that is used as well.
    pub fn left_out(&self) -> &[SubjectEntry] {
        &self.left_out
    }

    /// Moves the subjects that `leave_out` selects to [`left_out`](Self::left_out).
    pub(super) fn without(mut self, leave_out: impl Fn(&SubjectEntry) -> bool) -> Dataset {
        let subjects = self.entries.into_iter().zip(self.files);
        let (out, kept): (Vec<_>, Vec<_>) = subjects.partition(|(entry, _)| leave_out(entry));
        (self.entries, self.files) = kept.into_iter().unzip();
        self.left_out.extend(out.into_iter().map(|(entry, _)| entry));
        self
    }

    /// Reads one subject, by its index in [`subjects`](Self::subjects).
    ///
    /// # Errors
    /// If a file of the subject is missing or cannot be used; the line names the file.
    pub fn load(&self, index: usize) -> Result<LoadedSubject> {
        self.files[index].load(&self.entries[index])
    }
}

/// What is known of a subject before its voxels are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectEntry {
    /// Unique within its data set, as the data set spells it.
    pub id: String,
    /// Scanner vendor, if known.
    pub vendor: Option<String>,
    /// Diagnosis or group, if known.
    pub pathology: Option<String>,
    /// Whether there is a label file, which may still turn out to be empty.
    pub labelled: bool,
    /// Every file that loading reads, images first.
    pub files: Vec<PathBuf>,
}

impl SubjectEntry {
    /// An error about this subject, at its first file.
    pub(super) fn error(&self, what: impl AsRef<str>) -> Error {
        let what = format!("subject {}: {}", self.id, what.as_ref());
        match self.files.first() {
            Some(file) => Error::file(file, what),
            None => Error::Data(what),
        }
    }
}

/// A subject, and all that is needed to write a prediction on the grid of its file.
#[derive(Clone, Debug)]
pub struct LoadedSubject {
    /// Images and labels in the study's orientation.
    pub subject: Subject,
    /// The mapping between the file's grid and the stack.
    pub mapping: StackMapping,
    /// What decided which end of the stack is the base.
    pub slice_order: SliceOrder,
    /// The image's header, for [`nifti::write_labels`].
    pub header: Header,
    /// What was odd about the files.
    pub diagnostics: Diagnostics,
}

impl LoadedSubject {
    /// Writes labels of one or more phases (phase-major, on the subject's stack) as a NIfTI file on
    /// the grid of the image's file.
    ///
    /// # Errors
    /// If `labels` is not a whole number of phases, or the file cannot be written.
    pub fn write_labels(&self, path: impl AsRef<Path>, labels: &[u8]) -> Result<()> {
        let size: usize = self.mapping.size().iter().product();
        let mut on_file_grid = Vec::new();
        for phase in labels.chunks(size) {
            on_file_grid.extend(self.mapping.to_file(phase)?);
        }
        nifti::write_labels(path, &self.header, &on_file_grid)
    }
}
