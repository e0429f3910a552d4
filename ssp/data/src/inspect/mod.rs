//! What a file or folder holds, how it is read, and what is wrong with it.

mod report;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
pub use report::{
    DatasetReport, FileContent, FileReport, Finding, FrameReport, Inspection, Severity,
    SubjectContent, SubjectReport,
};

use super::dataset::{Dataset, LoadedSubject};
use super::diagnostics::Diagnostics;
use super::intensities::{range, unusable};
use super::nifti;
use super::open::open_all;
use super::orient::StackMapping;
use super::subject::Label;

/// Inspects a file or folder. Everything that is wrong becomes a finding.
pub fn inspect(path: impl AsRef<Path>) -> Inspection {
    let path = path.as_ref();
    let (mut sets, mut files, mut findings) = (Vec::new(), Vec::new(), Vec::new());
    if path.is_file() {
        files.push(inspect_file(path));
    } else {
        match open_all(path) {
            Ok(found) => sets = found.iter().map(inspect_set).collect(),
            Err(error) => {
                let loose = nifti::volumes_in(path).unwrap_or_default();
                let finding = if loose.is_empty() { Finding::error } else { Finding::note };
                findings.push(finding(error.to_string()));
                files = loose.par_iter().map(|path| inspect_file(path)).collect();
            }
        }
    }
    Inspection { path: path.to_path_buf(), sets, files, findings }
}

fn inspect_set(set: &Dataset) -> DatasetReport {
    let subjects: Vec<SubjectReport> = (0..set.subjects().len())
        .into_par_iter()
        .map(|index| {
            let (content, findings) = match set.load(index) {
                Ok(loaded) => {
                    let (content, findings) = describe(loaded);
                    (Some(content), findings)
                }
                Err(error) => (None, vec![Finding::error(error.to_string())]),
            };
            SubjectReport { entry: set.subjects()[index].clone(), content, findings }
        })
        .collect();
    let findings = set.warnings().iter().map(Finding::warning).collect();
    DatasetReport { layout: set.layout(), subjects, findings }
}

fn describe(loaded: LoadedSubject) -> (SubjectContent, Vec<Finding>) {
    let stack = &loaded.subject.stack;
    let millilitres_per_voxel = f64::from(stack.spacing.iter().product::<f32>()) / 1000.0;
    let frames: Vec<FrameReport> = loaded
        .subject
        .frames
        .iter()
        .map(|frame| {
            let volume = |label| frame.count(label) as f64 * millilitres_per_voxel;
            let millilitres = Label::STRUCTURES.map(volume);
            FrameReport { phase: frame.phase, cardiac_phase: frame.cardiac_phase, millilitres }
        })
        .collect();
    let Diagnostics { notes, warnings } = &loaded.diagnostics;
    let warnings = warnings.iter().map(Finding::warning);
    let findings = notes.iter().map(Finding::note).chain(warnings).collect();
    let content = SubjectContent {
        shape: [stack.slices, stack.rows, stack.columns, stack.phases],
        spacing: stack.spacing,
        slice_order: loaded.slice_order,
        range: range(&stack.voxels).unwrap_or_default(),
        header: loaded.header,
        frames,
    };
    (content, findings)
}

fn inspect_file(path: &Path) -> FileReport {
    let path_buf = path.to_path_buf();
    let volume = match nifti::read(path) {
        Ok(volume) => volume,
        Err(error) => {
            let findings = vec![Finding::error(error.to_string())];
            return FileReport { path: path_buf, content: None, findings };
        }
    };
    let Diagnostics { notes, warnings } = &volume.header.diagnostics;
    let mut findings: Vec<Finding> = notes.iter().map(Finding::note).collect();
    findings.extend(warnings.iter().map(Finding::warning));
    let [i, j, k, _] = volume.header.dims;
    let labels = label_counts(&volume.voxels);
    // A label map may be empty.
    if let Some(what) = unusable(&volume.voxels, [i, j, k]).filter(|_| labels.is_none()) {
        findings.push(Finding::error(format!("as a subject it would be refused: {what}")));
    }
    if volume.header.geometry.affine.is_none() {
        findings.push(Finding::note("has no orientation (neither sform nor qform)"));
    }
    let (mapping, slice_order) = StackMapping::of(&volume.header);
    let content = FileContent {
        axes: mapping.axes(),
        slice_order,
        range: range(&volume.voxels).unwrap_or_default(),
        labels,
        header: volume.header,
    };
    FileReport { path: path_buf, content: Some(content), findings }
}

/// See [`FileContent::labels`].
fn label_counts(voxels: &[f32]) -> Option<BTreeMap<u8, usize>> {
    let mut counts = [0usize; 16];
    for &voxel in voxels {
        if !(0.0..16.0).contains(&voxel) || voxel.fract() != 0.0 {
            return None;
        }
        counts[voxel as usize] += 1;
    }
    let counts = (0..).zip(counts).filter(|(_, count)| *count > 0);
    let counts: BTreeMap<u8, usize> = counts.collect();
    counts.keys().any(|&label| label != 0).then_some(counts)
}
