//! Comparison of two folders of label maps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{FrameMeasurements, FrameRow, Results, dice};
use crate::{Error, Result};
use data::anatomy::{BorderCounts, ventricles_look_swapped};
use data::nifti::LabelVolume;
use data::phase_suffix::{self, PhaseSuffix};
use data::{ACDC_LABELS, CLASSES, CardiacPhase, Label, cardiac_phases_by_size, nifti};

/// The numbering of the ventricles in a folder of label maps; 2 is myocardium in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// 1 LV, 3 RV: the numbering of the study, of M&Ms and of this program's output.
    Study,
    /// 1 RV, 3 LV.
    Acdc,
}

impl Numbering {
    /// Determined by anatomy from all label maps of a folder: the ventricle that is surrounded by myocardium is
    /// the left one.
    fn of(maps: &[LabelVolume]) -> Self {
        let edges = |ventricle| {
            let of_map = |map: &LabelVolume| {
                let [columns, rows, ..] = map.header.dims;
                BorderCounts::of(&map.labels, [rows, columns], ventricle)
            };
            maps.iter().map(of_map).fold(BorderCounts::default(), BorderCounts::and)
        };
        match ventricles_look_swapped(edges(Label::LeftVentricle), edges(Label::RightVentricle)) {
            true => Numbering::Acdc,
            false => Numbering::Study,
        }
    }

    fn to_study_numbering(self, maps: &mut [LabelVolume]) {
        if self == Numbering::Acdc {
            for label in maps.iter_mut().flat_map(|map| &mut map.labels) {
                *label = ACDC_LABELS[usize::from(*label)] as u8;
            }
        }
    }
}

const HIGHEST: u8 = CLASSES as u8 - 1;

/// Results of [`compare_folders`].
pub struct FolderComparison {
    /// The results of every frame.
    pub results: Results,
    /// Numbering of the predictions.
    pub predictions: Numbering,
    /// Numbering of the true labels.
    pub labels: Numbering,
    /// Messages about pairs of files with different orientations, whose voxels were compared as stored.
    pub misoriented: Vec<String>,
}

/// Compares every label map in `labels` with the map of the same name (with or without `_gt`) in `predictions`,
/// in 3D and phase by phase. Phases without true labels are left out. A numbering that is not given is determined
/// by anatomy for the labels, and for the predictions as the one that agrees better with the labels.
///
/// Names that end in `_ED` and `_ES` identify end-diastole and end-systole. In maps of several phases, and in
/// files of one subject that end in `_frame01` and so on, the phase with the largest true volume is end-diastole
/// and the one with the smallest end-systole.
///
/// # Errors
/// When a file cannot be read, a prediction is missing, or two maps differ in shape.
pub fn compare_folders(
    (predictions, predictions_numbering): (&Path, Option<Numbering>),
    (labels, labels_numbering): (&Path, Option<Numbering>),
) -> Result<FolderComparison> {
    let mut pairs = Pairs::read(predictions, labels)?;
    let labels = labels_numbering.unwrap_or_else(|| Numbering::of(&pairs.labels));
    labels.to_study_numbering(&mut pairs.labels);
    let given = predictions_numbering.unwrap_or(Numbering::Study);
    given.to_study_numbering(&mut pairs.predictions);
    let results = pairs.compare()?;
    if predictions_numbering.is_none() && mean_of_ventricles(&results) < 0.1 {
        Numbering::Acdc.to_study_numbering(&mut pairs.predictions);
        let results = pairs.compare()?;
        if mean_of_ventricles(&results) > 0.5 {
            let misoriented = pairs.misoriented;
            return Ok(FolderComparison {
                results,
                predictions: Numbering::Acdc,
                labels,
                misoriented,
            });
        }
    }
    Ok(FolderComparison { results, predictions: given, labels, misoriented: pairs.misoriented })
}

/// The label maps of two folders, one pair for each name.
struct Pairs {
    /// Names without `_gt`.
    names: Vec<String>,
    labels: Vec<LabelVolume>,
    predictions: Vec<LabelVolume>,
    misoriented: Vec<String>,
}

impl Pairs {
    fn read(predictions: &Path, labels: &Path) -> Result<Self> {
        let label_files = nifti::distinct_volumes_in(labels)?;
        if label_files.is_empty() {
            let what = "contains no NIfTI file (.nii, .nii.gz); name the folder that contains the label maps, or \
                        use --weights and --data for a data set as it was distributed";
            return Err(Error::file(labels, what));
        }
        let prediction_files = nifti::distinct_volumes_in(predictions)?;
        let mut pairs =
            Pairs { names: vec![], labels: vec![], predictions: vec![], misoriented: vec![] };
        for path in &label_files {
            let name = nifti::stem(path);
            // In M&Ms and ACDC, the labels of an image have its name with `_gt`.
            let image = name.strip_suffix("_gt").unwrap_or(&name);
            let same = |file: &&PathBuf| [image, &name].contains(&nifti::stem(file).as_str());
            let Some(found) = prediction_files.iter().find(same) else {
                let what =
                    format!("there is no prediction {image}.nii.gz in {}", predictions.display());
                return Err(Error::file(path, what));
            };
            let ground_truth = nifti::read_labels(path, HIGHEST)?;
            let prediction = nifti::read_labels(found, HIGHEST)?;
            let (wanted, given) = (ground_truth.header.dims, prediction.header.dims);
            if wanted != given {
                let what = format!("is {given:?} where {} is {wanted:?}", path.display());
                return Err(Error::file(found, what));
            }
            let axes = prediction.header.geometry.differing_axes(&ground_truth.header.geometry);
            pairs.misoriented.extend(axes.map(|[own, other]| {
                let name = found.display();
                format!("{name}: its axes run {own}, those of the true labels {other}")
            }));
            pairs.names.push(image.to_owned());
            pairs.labels.push(ground_truth);
            pairs.predictions.push(prediction);
        }
        Ok(pairs)
    }

    fn compare(&self) -> Result<Results> {
        let mut results = Results::default();
        let volumes = self.labels.iter().zip(&self.predictions);
        for (file, (ground_truth, prediction)) in identify(&self.names).iter().zip(volumes) {
            results.frames.extend(frames(file, ground_truth, prediction)?);
        }
        name_moments(&mut results.frames);
        Ok(results)
    }
}

/// Mean Dice of the two ventricles, whose numbers differ between data sets.
fn mean_of_ventricles(results: &Results) -> f64 {
    let [lv, _, rv] = results.dice().values();
    (lv + rv) / 2.0
}

/// What the name of a file says about its contents.
struct FileIdentity {
    subject: String,
    moment: CardiacPhase,
    /// Index of its first phase.
    first_phase: usize,
}

/// Subject and phase of files by their names. As in a data folder, several files with one phase each can belong to
/// one subject.
fn identify(names: &[String]) -> Vec<FileIdentity> {
    let alone = |name: &String| FileIdentity {
        subject: name.clone(),
        moment: PhaseSuffix::split(name)
            .map_or(CardiacPhase::Other, |(_, phase)| phase.cardiac_phase()),
        first_phase: 0,
    };
    let mut files: Vec<FileIdentity> = names.iter().map(alone).collect();
    for group in phase_suffix::group_by_subject(names) {
        for (phase, index) in phase_suffix::phases_of_subject(names, &group).into_iter().flatten() {
            if let Some((id, _)) = PhaseSuffix::split(&names[index]) {
                files[index].subject = id.to_owned();
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
) -> Result<Vec<FrameRow>> {
    let [columns, rows, slices, phases] = ground_truth.header.dims;
    let [along, down, between] = ground_truth.header.geometry.spacing;
    let volume = (slices * rows * columns).max(1);
    let FileIdentity { subject, moment, first_phase } = file;
    // The name of one phase does not apply to several.
    let moment = if phases == 1 { *moment } else { CardiacPhase::Other };
    let mut found = Vec::new();
    let pairs = ground_truth.labels.chunks(volume).zip(prediction.labels.chunks(volume));
    for (phase, (ground_truth, prediction)) in pairs.enumerate() {
        if phases > 1 && ground_truth.iter().all(|&label| label == 0) {
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
mod tests {
    use super::*;

    #[test]
    fn files_with_one_phase_each_can_belong_to_one_subject() {
        let names = ["p1_ED", "p1_ES", "p2_frame01", "p2_frame12", "p3_frame05", "p4"];
        let names = names.map(str::to_owned);
        let found: Vec<_> =
            identify(&names).into_iter().map(|p| (p.subject, p.moment, p.first_phase)).collect();
        let wanted = [
            ("p1", CardiacPhase::EndDiastole, 0),
            ("p1", CardiacPhase::EndSystole, 0),
            ("p2", CardiacPhase::Other, 0),
            ("p2", CardiacPhase::Other, 11),
            ("p3_frame05", CardiacPhase::Other, 0),
            ("p4", CardiacPhase::Other, 0),
        ];
        assert_eq!(found, wanted.map(|(name, moment, first)| (name.to_owned(), moment, first)));
    }
}
