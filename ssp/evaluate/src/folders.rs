//! Comparison of two folders of label maps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::doubts::{missing_structures, size_doubt};
use super::{FrameMeasurements, FrameRow, Numbering, Results, dice};
use crate::{Error, Result};
use data::anatomy::odd_ring;
use data::nifti::{Alignment, Geometry, LabelVolume};
use data::phase_suffix::{self, PhaseSuffix};
use data::{CLASSES, CardiacPhase, by_line, cardiac_phases_by_size, nifti};

const HIGHEST: u8 = CLASSES as u8 - 1;

/// Results of [`compare_folders`].
pub struct FolderComparison {
    /// The results of every frame.
    pub results: Results,
    /// Numbering of the predictions.
    pub predictions: Numbering,
    /// Numbering of the true labels.
    pub labels: Numbering,
    /// Whether the numbering of the true labels was neither given nor shown by their anatomy.
    pub labels_assumed: bool,
    /// What may make a result wrong: the subject, and a line. The subject is empty for all of them.
    pub doubts: Vec<(String, String)>,
    /// What was resolved, and how; a line that several files share is listed once.
    pub notes: Vec<String>,
}

impl FolderComparison {
    /// What may make a result wrong; a line that several subjects share is listed once.
    pub fn warnings(&self) -> Vec<String> {
        by_line(self.doubts.iter().map(|(subject, line)| (subject.as_str(), line.as_str())))
    }
}

/// Compares every label map in `labels` with the map of the same name (with or without `_gt`) in `predictions`,
/// in 3D and phase by phase. Predictions are put where they lie in space; see [`data::nifti::Alignment`]. Phases
/// without any true label are left out. A numbering that is not given is determined by anatomy for the labels, and
/// for the predictions as the one that agrees with the labels.
///
/// Names that end in `_ED` and `_ES` identify end-diastole and end-systole. In maps of several phases, and in
/// files of one subject that end in `_frame01` and so on, the phase with the largest true volume is end-diastole
/// and the one with the smallest end-systole.
///
/// # Errors
/// When a file cannot be read, a prediction is missing, two maps do not lie in the same place, or there is no true
/// label at all.
pub fn compare_folders(
    (predictions, predictions_numbering): (&Path, Option<Numbering>),
    (labels, labels_numbering): (&Path, Option<Numbering>),
) -> Result<FolderComparison> {
    let folder = labels;
    let mut pairs = Pairs::read(predictions, labels)?;
    let shown = labels_numbering.or_else(|| Numbering::by_anatomy(&pairs.labels));
    let labels = shown.unwrap_or(Numbering::Study);
    labels.to_study_numbering(&mut pairs.labels);
    let predictions = predictions_numbering
        .unwrap_or_else(|| Numbering::by_agreement(&pairs.predictions, &pairs.labels));
    predictions.to_study_numbering(&mut pairs.predictions);
    let results = pairs.compare()?;
    if results.frames.is_empty() {
        return Err(Error::file(folder, "no label map has any label; there is nothing to compare"));
    }
    Ok(FolderComparison {
        results,
        predictions,
        labels,
        labels_assumed: shown.is_none(),
        notes: by_line(pairs.notes.iter().map(|(file, line)| (file.as_str(), line.as_str()))),
        doubts: pairs.doubts,
    })
}

/// The label maps of two folders, one pair for each name, on the grid of the true labels.
#[derive(Default)]
struct Pairs {
    /// Names without `_gt`.
    names: Vec<String>,
    labels: Vec<LabelVolume>,
    predictions: Vec<LabelVolume>,
    /// Voxel spacing along i, j, k in millimetres.
    spacing: Vec<[f64; 3]>,
    /// Doubts by subject, as [`FolderComparison::doubts`].
    doubts: Vec<(String, String)>,
    /// Doubts by the name of a file, until its subject is known.
    file_doubts: Vec<(String, String)>,
    notes: Vec<(String, String)>,
}

impl Pairs {
    fn read(predictions: &Path, labels: &Path) -> Result<Self> {
        let label_files = nifti::distinct_volumes_in(labels)?;
        if label_files.is_empty() {
            let what = "contains no NIfTI file (.nii, .nii.gz); name the folder that contains the label maps, or \
                        use --weights and --data for a data set as it was distributed";
            return Err(Error::file(labels, what));
        }
        let mut prediction_files = by_name(nifti::distinct_volumes_in(predictions)?)?;
        let mut pairs = Pairs::default();
        for (name, path) in by_name(label_files)? {
            let Some(prediction) = prediction_files.remove(&name) else {
                let what =
                    format!("there is no prediction {name}.nii.gz in {}", predictions.display());
                return Err(Error::file(path, what));
            };
            pairs.push(&name, &path, &prediction)?;
        }
        if !prediction_files.is_empty() {
            let files: Vec<String> = prediction_files.into_keys().collect();
            let line = format!(
                "{}: not compared, as {} has no labels for them: {}",
                predictions.display(),
                labels.display(),
                files.join(", ")
            );
            pairs.doubts.push((String::new(), line));
        }
        Ok(pairs)
    }

    fn push(&mut self, name: &str, labels: &Path, prediction: &Path) -> Result<()> {
        let ground_truth = nifti::read_labels(labels, HIGHEST)?;
        let read = nifti::read_labels(prediction, HIGHEST)?;
        let phases = [&ground_truth, &read].map(|volume| volume.header.dims[3]);
        if phases[0] != phases[1] {
            let [wanted, given] = [&ground_truth, &read].map(|volume| volume.header.shape());
            let what = format!("is {given} voxels where {} is {wanted}", labels.display());
            return Err(Error::file(prediction, what));
        }
        let own = read.header.diagnostics.clone();
        let aligned = read.on_grid_of(&ground_truth.header, ["predictions", "true labels"]);
        let (moved, alignment) = aligned.map_err(|what| Error::file(prediction, what))?;
        let of_labels = &ground_truth.header.diagnostics;
        for (what, found) in
            [("true labels: ", of_labels), ("predictions: ", &own), ("", &alignment.diagnostics)]
        {
            let line = |text: &String| (name.to_owned(), format!("{what}{text}"));
            self.file_doubts.extend(found.warnings.iter().map(line));
            self.notes.extend(found.notes.iter().map(line));
        }
        if ground_truth.labels.iter().all(|&label| label == 0) {
            let what = "the true labels have no label other than 0; left out";
            self.doubts.push((name.to_owned(), what.to_owned()));
            return Ok(());
        }
        let usual = Geometry { spacing: alignment.spacing, ..ground_truth.header.geometry }
            .is_usual_for_cine(&ground_truth.header.dims);
        if !usual {
            let [i, j, k] = alignment.spacing.map(|step| (step * 1000.0).round() / 1000.0);
            let what = format!("spacing {i} x {j} x {k} mm is unusual for cine");
            self.file_doubts.push((name.to_owned(), what));
        }
        let covered = alignment.covered();
        let voxels = ground_truth.labels.chunks(covered.len());
        let missed: usize = voxels
            .map(|phase| phase.iter().zip(&covered).filter(|&(&l, &covered)| l != 0 && !covered))
            .map(Iterator::count)
            .sum();
        if missed > 0 {
            let what = format!(
                "{missed} labelled voxels lie outside the predictions, which cover only a part of the true labels; \
                 they count as not predicted"
            );
            self.file_doubts.push((name.to_owned(), what));
        }
        self.names.push(name.to_owned());
        self.labels.push(ground_truth);
        self.predictions.push(moved);
        self.spacing.push(alignment.spacing);
        Ok(())
    }

    /// Compares, and adds what is doubtful about the subjects.
    fn compare(&mut self) -> Result<Results> {
        let files = identify(&self.names);
        let subject_of = |name: &String| self.names.iter().position(|known| known == name);
        let with_subject = |(name, line): (String, String)| match subject_of(&name) {
            Some(at) => (files[at].subject.clone(), line),
            None => (name, line),
        };
        self.doubts.extend(self.file_doubts.drain(..).map(with_subject));
        self.doubts.extend(self.differing_grids(&files));
        let mut results = Results::default();
        let volumes = self.labels.iter().zip(&self.predictions).zip(&self.spacing);
        for (at, ((ground_truth, prediction), spacing)) in volumes.enumerate() {
            let file = &files[at];
            if ground_truth.header.dims[3] > 1 && file.is_one_phase {
                let what = format!(
                    "the labels {} have {} phases; the name says that they are a single frame",
                    self.names[at], ground_truth.header.dims[3]
                );
                return Err(Error::Data(what));
            }
            results.frames.extend(frames(file, ground_truth, prediction, *spacing)?);
        }
        name_moments(&mut results.frames);
        for row in &results.frames {
            let lines = size_doubt(row).into_iter().chain(missing_structures(row));
            self.doubts.extend(lines.map(|line| (row.subject.clone(), line)));
        }
        let rings = self.labels.iter().zip(&files).filter_map(|(labels, file)| {
            let [columns, rows, ..] = labels.header.dims;
            Some((file.subject.clone(), odd_ring(&labels.labels, [rows, columns])?))
        });
        self.doubts.extend(rings);
        Ok(results)
    }

    /// Files of one subject whose grids are not the same in space: a volume at end-systole is compared with
    /// one at end-diastole.
    fn differing_grids(&self, files: &[FileIdentity]) -> Vec<(String, String)> {
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        let mut found = Vec::new();
        for (at, file) in files.iter().enumerate() {
            let known = *first.entry(file.subject.as_str()).or_insert(at);
            if known == at {
                continue;
            }
            let headers = [at, known].map(|at| &self.labels[at].header);
            let line = match Alignment::of(headers[0], headers[1], ["frame", "first frame"]) {
                Err(line) => line,
                Ok(aligned) if !aligned.covers() => {
                    let [own, other] = headers.map(|header| header.shape());
                    format!("frames cover different space: {own} and {other} voxels")
                }
                Ok(_) => continue,
            };
            let line = format!("{line}: is one of the headers wrong?");
            found.push((file.subject.clone(), line));
        }
        found
    }
}

/// Files by their stem without `_gt`: in M&Ms and ACDC, the labels of an image have its name with `_gt`.
///
/// # Errors
/// If a folder has a map both with and without it: the choice would decide the result.
fn by_name(files: Vec<PathBuf>) -> Result<BTreeMap<String, PathBuf>> {
    let mut named: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in files {
        let stem = nifti::stem(&path);
        let name = stem.strip_suffix("_gt").unwrap_or(&stem).to_owned();
        if let Some(first) = named.get(&name) {
            let what = format!(
                "is there beside {}, which has the same name but for _gt; keep only one of the two in this folder",
                first.display()
            );
            return Err(Error::file(path, what));
        }
        named.insert(name, path);
    }
    Ok(named)
}

/// What the name of a file says about its contents.
struct FileIdentity {
    subject: String,
    moment: CardiacPhase,
    /// Index of its first phase.
    first_phase: usize,
    /// Whether it is one of several files of its subject, with one phase each.
    is_one_phase: bool,
}

/// Subject and phase of files by their names. As in a data folder, several files with one phase each can belong to
/// one subject.
fn identify(names: &[String]) -> Vec<FileIdentity> {
    let alone = |name: &String| FileIdentity {
        subject: name.clone(),
        moment: PhaseSuffix::split(name)
            .map_or(CardiacPhase::Other, |(_, phase)| phase.cardiac_phase()),
        first_phase: 0,
        is_one_phase: false,
    };
    let mut files: Vec<FileIdentity> = names.iter().map(alone).collect();
    for group in phase_suffix::group_by_subject(names) {
        for (phase, index) in phase_suffix::phases_of_subject(names, &group).into_iter().flatten() {
            if let Some((id, _)) = PhaseSuffix::split(&names[index]) {
                files[index].subject = id.to_owned();
                files[index].is_one_phase = true;
            }
            if let PhaseSuffix::Frame(number) = phase {
                files[index].first_phase = number.saturating_sub(1) as usize;
            }
        }
    }
    files
}

/// Assigns end-diastole and end-systole in subjects with several phases whose names do not say so.
fn name_moments(frames: &mut [FrameRow]) {
    let mut subjects: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, frame) in frames.iter().enumerate() {
        subjects.entry(frame.subject.clone()).or_default().push(index);
    }
    for rows in subjects.into_values() {
        if rows.iter().any(|&at| frames[at].moment != CardiacPhase::Other) {
            continue;
        }
        // A whole number of 1e-6 ml, as `cardiac_phases_by_size` takes numbers of voxels.
        let size = |&at: &usize| {
            let volumes = frames[at].measurements.map(|measured| measured.true_ml);
            volumes.map_or(0, |ml| (1e6 * ml.iter().sum::<f64>()).round() as usize)
        };
        let sizes: Vec<usize> = rows.iter().map(size).collect();
        for (at, moment) in rows.into_iter().zip(cardiac_phases_by_size(&sizes)) {
            frames[at].moment = moment;
        }
    }
}

/// A row for each labelled phase.
fn frames(
    file: &FileIdentity,
    ground_truth: &LabelVolume,
    prediction: &LabelVolume,
    [along, down, between]: [f64; 3],
) -> Result<Vec<FrameRow>> {
    let [columns, rows, slices, phases] = ground_truth.header.dims;
    let volume = (slices * rows * columns).max(1);
    let FileIdentity { subject, moment, first_phase, .. } = file;
    // The name of one phase does not apply to several.
    let moment = if phases == 1 { *moment } else { CardiacPhase::Other };
    let mut found = Vec::new();
    let pairs = ground_truth.labels.chunks(volume).zip(prediction.labels.chunks(volume));
    for (phase, (ground_truth, prediction)) in pairs.enumerate() {
        if ground_truth.iter().all(|&label| label == 0) {
            continue;
        }
        let (size, spacing) = ([slices, rows, columns], [between, down, along]);
        found.push(FrameRow {
            subject: subject.clone(),
            moment,
            phase: first_phase + phase,
            dice: dice(prediction, ground_truth)?,
            measurements: Some(FrameMeasurements::of(prediction, ground_truth, size, spacing)),
            vendor: None,
            pathology: None,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
