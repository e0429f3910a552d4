//! What a file or folder holds, how it is read, and what is wrong with it.

mod checks;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::dataset::{Dataset, Layout, Listing, Loaded, Remarks};
use super::folder::volumes_in;
use super::nifti::{self, AffineFrom, Header};
use super::open::open_all;
use super::orient::{Placement, SliceOrder};
use super::subject::{Label, Moment};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Resolved as it was read; good to know.
    Note,
    /// Read, and probably not what was meant.
    Warning,
    /// Not readable.
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

/// Something to say about a subject, a file or a whole set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// One line.
    pub what: String,
}

impl Finding {
    fn new(severity: Severity, what: impl Into<String>) -> Finding {
        Finding { severity, what: what.into() }
    }
}

/// What one path holds. Its `Display` is the report that a person reads.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The path, as it was given.
    pub path: PathBuf,
    /// Data sets, if it is a folder of subjects.
    pub sets: Vec<SetReport>,
    /// Single files, if it is one or a folder of loose ones.
    pub files: Vec<FileReport>,
    /// What concerns the path as a whole.
    pub findings: Vec<Finding>,
}

/// One data set.
#[derive(Clone, Debug)]
pub struct SetReport {
    /// How its files are laid out.
    pub layout: Layout,
    /// Its subjects, in order.
    pub subjects: Vec<SubjectReport>,
    /// What concerns the set as a whole.
    pub findings: Vec<Finding>,
}

/// One subject.
#[derive(Clone, Debug)]
pub struct SubjectReport {
    /// What is known without reading it.
    pub listing: Listing,
    /// How it was read; nothing if it could not be.
    pub reading: Option<Reading>,
    /// What is odd or wrong.
    pub findings: Vec<Finding>,
}

/// How a subject was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Slices, rows, columns and phases, after empty borders were removed.
    pub shape: [usize; 4],
    /// Spacing of rows, columns and slices, in millimetres.
    pub spacing: [f32; 3],
    /// The image's header as stored.
    pub header: Header,
    /// What decided where the base is.
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
    /// Which moment of the cycle it is.
    pub moment: Moment,
    /// Voxels of left ventricle, myocardium and right ventricle.
    pub voxels: [usize; 3],
    /// Their volumes, in millilitres.
    pub millilitres: [f64; 3],
}

/// One file by itself.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// Its content; nothing if it could not be read.
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
    /// What would decide where the base is.
    pub slice_order: SliceOrder,
    /// Lowest and highest intensity among the finite ones.
    pub range: [f32; 2],
    /// Voxels of each value, if all are whole numbers from 0 to 15 and some are not 0: labels.
    pub labels: Option<BTreeMap<u8, usize>>,
}

/// Inspects a file or folder. Whatever is wrong is a finding, never a failure.
pub fn inspect(path: impl AsRef<Path>) -> Inspection {
    let path = path.as_ref();
    let mut inspection = Inspection {
        path: path.to_path_buf(),
        sets: Vec::new(),
        files: Vec::new(),
        findings: Vec::new(),
    };
    if path.is_file() {
        inspection.files.push(inspect_file(path));
        return inspection;
    }
    match open_all(path) {
        Ok(sets) => inspection.sets = sets.iter().map(|set| inspect_set(set.as_ref())).collect(),
        Err(error) => {
            let loose = volumes_in(path).unwrap_or_default();
            let severity = if loose.is_empty() { Severity::Error } else { Severity::Note };
            inspection.findings.push(Finding::new(severity, error.to_string()));
            inspection.files = loose.par_iter().map(|path| inspect_file(path)).collect();
        }
    }
    inspection
}

impl Inspection {
    /// The gravest finding's severity, if there is any finding.
    pub fn gravest(&self) -> Option<Severity> {
        let subjects = self.sets.iter().flat_map(|set| &set.subjects);
        let sets = self.sets.iter().flat_map(|set| &set.findings);
        let files = self.files.iter().flat_map(|file| &file.findings);
        let all = subjects.flat_map(|subject| &subject.findings).chain(sets).chain(files);
        all.chain(&self.findings).map(|finding| finding.severity).max()
    }
}

fn inspect_set(set: &dyn Dataset) -> SetReport {
    let subjects: Vec<SubjectReport> = (0..set.subjects().len())
        .into_par_iter()
        .map(|index| {
            let listing = set.subjects()[index].clone();
            match set.load(index) {
                Ok(loaded) => {
                    let (reading, findings) = describe(loaded);
                    SubjectReport { listing, reading: Some(reading), findings }
                }
                Err(error) => {
                    let findings = vec![Finding::new(Severity::Error, error.to_string())];
                    SubjectReport { listing, reading: None, findings }
                }
            }
        })
        .collect();
    let mut findings = Vec::new();
    let tabled = matches!(set.layout(), Layout::Mnms | Layout::Mnms2);
    if tabled && subjects.iter().all(|subject| subject.listing.vendor.is_none()) {
        let what = "no table of subjects was found beside or above them: vendors are unknown";
        findings.push(Finding::new(Severity::Warning, what));
    }
    SetReport { layout: set.layout(), subjects, findings }
}

fn describe(loaded: Loaded) -> (Reading, Vec<Finding>) {
    let stack = &loaded.subject.stack;
    let voxel = f64::from(stack.spacing.iter().product::<f32>()) / 1000.0;
    let frames: Vec<FrameReport> = loaded
        .subject
        .frames
        .iter()
        .map(|frame| {
            let voxels = Label::STRUCTURES
                .map(|label| frame.labels.iter().filter(|&&found| found == label as u8).count());
            let millilitres = voxels.map(|count| count as f64 * voxel);
            FrameReport { phase: frame.phase, moment: frame.moment, voxels, millilitres }
        })
        .collect();
    let Remarks { notes, warnings } = &loaded.remarks;
    let notes = notes.iter().map(|note| Finding::new(Severity::Note, note));
    let warnings = warnings.iter().map(|warning| Finding::new(Severity::Warning, warning));
    let findings = notes.chain(warnings).chain(checks::of(&loaded.subject, &frames)).collect();
    let reading = Reading {
        shape: [stack.slices, stack.rows, stack.columns, stack.phases],
        spacing: stack.spacing,
        slice_order: loaded.slice_order,
        range: range(&stack.voxels),
        header: loaded.header,
        frames,
    };
    (reading, findings)
}

fn inspect_file(path: &Path) -> FileReport {
    let volume = match nifti::read(path) {
        Ok(volume) => volume,
        Err(error) => {
            let findings = vec![Finding::new(Severity::Error, error.to_string())];
            return FileReport { path: path.to_path_buf(), content: None, findings };
        }
    };
    let note = |remark: &String| Finding::new(Severity::Note, remark);
    let mut findings: Vec<Finding> = volume.header.remarks.iter().map(note).collect();
    let unusable = volume.voxels.iter().filter(|voxel| !voxel.is_finite()).count();
    if unusable > 0 {
        let what = format!("{unusable} voxels are not finite numbers; as a subject it is refused");
        findings.push(Finding::new(Severity::Error, what));
    }
    if volume.header.affine_from == AffineFrom::Nowhere {
        findings
            .push(Finding::new(Severity::Note, "tells no orientation (neither sform nor qform)"));
    }
    let (placement, slice_order) = Placement::of(&volume.header);
    let content = FileContent {
        axes: placement.axes(),
        slice_order,
        range: range(&volume.voxels),
        labels: label_counts(&volume.voxels),
        header: volume.header,
    };
    FileReport { path: path.to_path_buf(), content: Some(content), findings }
}

/// Lowest and highest of the finite values; 0 and 0 if there is none.
fn range(voxels: &[f32]) -> [f32; 2] {
    let finite = voxels.iter().copied().filter(|voxel| voxel.is_finite());
    let [low, high] =
        finite.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)]);
    if low <= high { [low, high] } else { [0.0, 0.0] }
}

fn label_counts(voxels: &[f32]) -> Option<BTreeMap<u8, usize>> {
    let mut counts = [0usize; 16];
    for &voxel in voxels {
        if !(0.0..16.0).contains(&voxel) || voxel.fract() != 0.0 {
            return None;
        }
        counts[voxel as usize] += 1;
    }
    let present = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let counts: BTreeMap<u8, usize> = present.map(|(label, &count)| (label as u8, count)).collect();
    (counts.keys().any(|&label| label != 0)).then_some(counts)
}

#[cfg(test)]
mod tests;
