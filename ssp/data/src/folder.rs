//! A plain folder: `images/` and optional `labels/`, with one NIfTI file per subject and the same stem
//! in both.
//!
//! An image of three axes is one phase. Labels are 0 background, 1 left ventricle, 2
//! myocardium, 3 right ventricle, unless anatomy shows ACDC's numbers; see
//! `folder_numbering`. They have as many phases as the image, and phases
//! that are all zero count as unlabelled. Labels of three axes beside an image of several phases are
//! refused, as their phase is unknown.
//!
//! Files of one phase each, such as `<id>_ED` and `<id>_ES`, are one subject `<id>` with as many
//! phases; see [`phase_suffix`](super::phase_suffix).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::assemble::{
    EMPTY_LABELS, assemble, assign_cardiac_phases, read_cine_labels, read_frame_labels, read_frames,
};
use super::dataset::{Dataset, DatasetLayout, LoadedSubject, SubjectEntry, SubjectFiles};
use super::diagnostics::Diagnostics;
use super::files::{check_name, subfolder};
use super::folder_numbering::FolderNumbering;
use super::nifti;
use super::phase_suffix::{PhaseSuffix, group_by_subject, phases_of_subject};
use super::subject::{CardiacPhase, LabelledFrame};
use crate::{Error, Result};

/// The files of a subject, and the numbering of its labels.
struct FolderSubject {
    files: Files,
    numbering: Arc<FolderNumbering>,
}

/// The files of a subject.
enum Files {
    /// One file with all phases.
    Cine(ImageAndLabels),
    /// One file per phase, in order.
    Frames(Vec<(PhaseSuffix, ImageAndLabels)>),
}

#[derive(Clone)]
struct ImageAndLabels {
    image: PathBuf,
    labels: Option<PathBuf>,
}

/// Lists the subjects of a folder that holds `images/` and perhaps `labels/`.
pub(super) fn list(folder: &Path) -> Result<Dataset> {
    let images_folder = subfolder(folder, "images")?.unwrap_or_else(|| folder.join("images"));
    let images = nifti::distinct_volumes_in(&images_folder)?;
    if images.is_empty() {
        return Err(Error::file(images_folder, "holds no NIfTI file (.nii, .nii.gz, .hdr)"));
    }
    let stems: Vec<String> = images.iter().map(|image| nifti::stem(image)).collect();
    let mut labels = labels_by_stem(folder)?;
    let numbering = Arc::new(FolderNumbering::of(labels.values().cloned().collect()));
    let subject = |files| FolderSubject { files, numbering: Arc::clone(&numbering) };
    let files: Vec<ImageAndLabels> = images
        .into_iter()
        .zip(&stems)
        .map(|(image, stem)| ImageAndLabels { image, labels: labels.get(stem).cloned() })
        .collect();
    labels.retain(|stem, _| !stems.contains(stem));
    if let Some((stem, path)) = labels.into_iter().min_by(|a, b| a.1.cmp(&b.1)) {
        let what = format!("labels without an image: there is no images/{stem}.nii.gz");
        return Err(Error::file(path, what));
    }
    check_one_naming(&stems, &files)?;
    let mut subjects = Vec::new();
    for group in group_by_subject(&stems) {
        check_phases(&stems, &files, &group)?;
        if let Some(phases) = phases_of_subject(&stems, &group) {
            let id = PhaseSuffix::split(&stems[group[0]]).map_or("", |(id, _)| id);
            let frames: Vec<_> =
                phases.into_iter().map(|(suffix, at)| (suffix, files[at].clone())).collect();
            let entry = entry(id, &frames.iter().map(|(_, files)| files).collect::<Vec<_>>());
            subjects.push((entry, subject(Files::Frames(frames))));
        } else {
            for index in group {
                let files = files[index].clone();
                subjects.push((entry(&stems[index], &[&files]), subject(Files::Cine(files))));
            }
        }
    }
    Dataset::new(DatasetLayout::Folder, subjects)
}

/// Label maps by stem; none if there is no folder of labels.
fn labels_by_stem(folder: &Path) -> Result<HashMap<String, PathBuf>> {
    let Some(folder) = subfolder(folder, "labels")? else { return Ok(HashMap::new()) };
    let labels = nifti::distinct_volumes_in(&folder)?;
    Ok(labels.into_iter().map(|path| (nifti::stem(&path), path)).collect())
}

/// Refuses files of one subject whose phases are named in two ways, such as `p1_ED` beside `p1_frame12`
/// or `p1`. They would be several subjects; see [`check_phases`].
fn check_one_naming(stems: &[String], files: &[ImageAndLabels]) -> Result<()> {
    let mut seen = HashMap::new();
    for (at, stem) in stems.iter().enumerate() {
        let (subject, way) = match PhaseSuffix::split(stem) {
            Some((subject, PhaseSuffix::Frame(_))) => (subject, "frame"),
            Some((subject, _)) => (subject, "ED and ES"),
            None => (stem.as_str(), "all phases"),
        };
        let (first, known) = *seen.entry(subject).or_insert((at, way));
        if known != way {
            let what = format!(
                "seems to be of the same subject as {}; name all files of a subject by _ED and _ES, or all by \
                 _frame and a number, or keep only one with all phases",
                files[first].image.display()
            );
            return Err(Error::file(&files[at].image, what));
        }
    }
    Ok(())
}

/// Refuses files of one subject with one phase each, of which two have the same: as several subjects, one
/// could be in the training set and another in the test set.
fn check_phases(stems: &[String], files: &[ImageAndLabels], group: &[usize]) -> Result<()> {
    let mut seen = HashMap::new();
    for &at in group {
        let suffix = PhaseSuffix::split(&stems[at]).map(|(_, suffix)| suffix);
        if let (Some(first), Some(_)) = (seen.insert(suffix, at), suffix) {
            return Err(nifti::same_name(&files[at].image, &files[first].image));
        }
    }
    Ok(())
}

fn entry(id: &str, files: &[&ImageAndLabels]) -> SubjectEntry {
    let images = files.iter().map(|files| &files.image);
    let labels = files.iter().filter_map(|files| files.labels.as_ref());
    SubjectEntry {
        id: id.to_owned(),
        vendor: None,
        pathology: None,
        labelled: labels.clone().next().is_some(),
        files: images.chain(labels).cloned().flat_map(nifti::files_of).collect(),
    }
}

/// Reads one image as a subject without labels, whose ID is the file's stem.
///
/// # Errors
/// As [`nifti::read`], if its name is not UTF-8, and if the image is not a stack of slices.
pub fn load_file(image: &Path) -> Result<LoadedSubject> {
    check_name(image)?;
    let files = ImageAndLabels { image: image.to_path_buf(), labels: None };
    let numbering = FolderNumbering::of(Vec::new());
    load_cine(&entry(&nifti::stem(image), &[&files]), &files, &numbering)
}

impl SubjectFiles for FolderSubject {
    fn load(&self, entry: &SubjectEntry) -> Result<LoadedSubject> {
        match &self.files {
            Files::Cine(files) => load_cine(entry, files, &self.numbering),
            Files::Frames(frames) => load_frames(entry, frames, &self.numbering),
        }
    }
}

fn load_cine(
    entry: &SubjectEntry,
    files: &ImageAndLabels,
    numbering: &FolderNumbering,
) -> Result<LoadedSubject> {
    let mut image = nifti::read(&files.image)?;
    let mut diagnostics = Diagnostics::default();
    let mut frames = Vec::new();
    if let Some(path) = &files.labels {
        let meaning = numbering.meaning(&mut diagnostics);
        frames = read_cine_labels(&mut image.header, path, meaning, &mut diagnostics)?;
        if let ([only], Some((_, suffix))) = (&mut frames[..], PhaseSuffix::split(&entry.id)) {
            only.cardiac_phase = suffix.cardiac_phase();
        }
    }
    assemble(entry, image, frames, diagnostics)
}

fn load_frames(
    entry: &SubjectEntry,
    files: &[(PhaseSuffix, ImageAndLabels)],
    numbering: &FolderNumbering,
) -> Result<LoadedSubject> {
    let images = files.iter().map(|(_, files)| &files.image);
    let mut image = read_frames(images, &files[files.len() - 1].1.image)?;
    let mut diagnostics = Diagnostics::default();
    let mut frames = Vec::new();
    for (phase, (suffix, files)) in files.iter().enumerate() {
        let Some(path) = &files.labels else { continue };
        let meaning = numbering.meaning(&mut diagnostics);
        let labels = read_frame_labels(&mut image.header, path, meaning, &mut diagnostics)?;
        match labels.iter().any(|&label| label != 0) {
            true => {
                frames.push(LabelledFrame { phase, cardiac_phase: suffix.cardiac_phase(), labels })
            }
            false => {
                diagnostics.warn(format!("phase {phase}: {EMPTY_LABELS}; it counts as unlabelled"))
            }
        }
    }
    if frames.iter().all(|frame| frame.cardiac_phase == CardiacPhase::Other) {
        assign_cardiac_phases(&mut frames, &mut diagnostics);
    }
    assemble(entry, image, frames, diagnostics)
}
