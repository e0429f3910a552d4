//! What an inspection finds: the content of files and data sets, and remarks about them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::dataset::{DatasetLayout, SubjectEntry};
use super::super::nifti::Header;
use super::super::orient::SliceOrder;
use super::super::subject::CardiacPhase;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// An oddity that was resolved.
    Note,
    /// The data can be read, and are probably not what was meant.
    Warning,
    /// The data cannot be read.
    Error,
}

impl Severity {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// A remark about a subject, a file or a whole data set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// One line.
    pub message: String,
}

impl Finding {
    pub(super) fn note(message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Note, message: message.into() }
    }

    pub(super) fn warning(message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, message: message.into() }
    }

    pub(super) fn error(message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Error, message: message.into() }
    }
}

/// What one path holds. `Display` writes the report.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The path, as it was given.
    pub path: PathBuf,
    /// Data sets, if the path is a folder of subjects.
    pub sets: Vec<DatasetReport>,
    /// Single files, if the path is a file or a folder of NIfTI files.
    pub files: Vec<FileReport>,
    /// Findings about the path as a whole.
    pub findings: Vec<Finding>,
}

impl Inspection {
    /// The highest severity of all findings, if there is any finding.
    pub fn worst_severity(&self) -> Option<Severity> {
        let subjects = self.sets.iter().flat_map(|set| &set.subjects);
        let sets = self.sets.iter().flat_map(|set| &set.findings);
        let files = self.files.iter().flat_map(|file| &file.findings);
        let all = subjects.flat_map(|subject| &subject.findings).chain(sets).chain(files);
        all.chain(&self.findings).map(|finding| finding.severity).max()
    }
}

/// One data set.
#[derive(Clone, Debug)]
pub struct DatasetReport {
    /// How its files are arranged.
    pub layout: DatasetLayout,
    /// Its subjects, in order.
    pub subjects: Vec<SubjectReport>,
    /// Findings about the data set as a whole.
    pub findings: Vec<Finding>,
}

/// One subject.
#[derive(Clone, Debug)]
pub struct SubjectReport {
    /// What is known without reading voxels.
    pub entry: SubjectEntry,
    /// Its content; none if it could not be read.
    pub content: Option<SubjectContent>,
    /// What is odd or wrong.
    pub findings: Vec<Finding>,
}

/// What a subject's files hold.
#[derive(Clone, Debug)]
pub struct SubjectContent {
    /// Slices, rows, columns and phases, after empty borders were cropped.
    pub shape: [usize; 4],
    /// Spacing of rows, columns and slices, in millimetres.
    pub spacing: [f32; 3],
    /// The image's header as stored.
    pub header: Header,
    /// What decided which end of the stack is the base.
    pub slice_order: SliceOrder,
    /// Lowest and highest intensity.
    pub range: [f32; 2],
    /// The labelled phases.
    pub frames: Vec<FrameReport>,
}

/// One labelled phase.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameReport {
    /// Index of the phase, from 0.
    pub phase: usize,
    /// Which cardiac phase it is.
    pub cardiac_phase: CardiacPhase,
    /// Volumes of left ventricle, myocardium and right ventricle, in millilitres.
    pub millilitres: [f64; 3],
}

/// One file by itself.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// Its content; none if it could not be read.
    pub content: Option<FileContent>,
    /// What is odd or wrong.
    pub findings: Vec<Finding>,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub struct FileContent {
    /// The header as stored.
    pub header: Header,
    /// The file's axes (0 = i) along which slices, rows and columns would run.
    pub axes: [usize; 3],
    /// What would decide which end of the stack is the base.
    pub slice_order: SliceOrder,
    /// Lowest and highest finite intensity.
    pub range: [f32; 2],
    /// Voxels of each value, if the file may be a label map: if all values are whole numbers from 0 to
    /// 15, and some are not 0.
    pub labels: Option<BTreeMap<u8, usize>>,
}
