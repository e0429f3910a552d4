//! Label maps in files against label maps in files.

use std::collections::BTreeMap;
use std::path::Path;

use super::{FrameRow, Measured, Results, dice};
use crate::{Error, Result};
use data::anatomy::{BorderCounts, ventricles_look_swapped};
use data::nifti::LabelVolume;
use data::phase_suffix::{self, PhaseSuffix};
use data::{ACDC_LABELS, CLASSES, CardiacPhase, Label, cardiac_phases_by_size, nifti};

/// How a folder of label maps numbers the ventricles; 2 is myocardium in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// 1 LV, 3 RV: the study's, that of M&Ms, and what this program writes.
    Study,
    /// 1 RV, 3 LV.
    Acdc,
}

impl Numbering {
    /// By anatomy: of label maps of a folder together, the ventricle that lies within myocardium is the
    /// left one.
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

    fn bring_to_ours(self, map: &mut LabelVolume) {
        if self == Numbering::Acdc {
            map.labels.iter_mut().for_each(|label| *label = ACDC_LABELS[usize::from(*label)] as u8);
        }
    }
}

const HIGHEST: u8 = CLASSES as u8 - 1;

/// Results of [`compare_folders`].
pub struct Compared {
    /// Of every frame.
    pub results: Results,
    /// How the predictions are numbered.
    pub predictions: Numbering,
    /// How the true labels are.
    pub labels: Numbering,
    /// Pairs whose files tell of different orientations, and in what; they were compared as stored.
    pub turned: Vec<String>,
}

/// Compares every label map in `labels` with that of the same name (or the same but for `_gt`) in
/// `predictions`, in 3D and phase by phase; phases without any true label are left out. Where it is not
/// given, the numbering of the labels is told by anatomy, and that of the predictions by which one agrees
/// with them.
///
/// End-diastole and end-systole are told by names that end in `_ED` and `_ES`; of several phases, and of
/// files of one subject that end in `_frame01` and so on, by the true labels: most of them are
/// end-diastole, fewest end-systole.
///
/// # Errors
/// When a prediction is missing, or two maps differ in shape.
pub fn compare_folders(
    (predictions, their_numbering): (&Path, Option<Numbering>),
    (labels, numbering): (&Path, Option<Numbering>),
) -> Result<Compared> {
    let truths = nifti::volumes_in(labels)?;
    if truths.is_empty() {
        let what = "holds no NIfTI file (.nii, .nii.gz) itself; name the folder that label maps lie in, \
                    or compare with a data set as it was distributed by --weights and --data";
        return Err(Error::file(labels, what));
    }
    let predicted = nifti::volumes_in(predictions)?;
    let (mut names, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let mut turned = Vec::new();
    for path in &truths {
        let name = nifti::stem(path);
        // M&Ms and ACDC call the labels of an image by its name and `_gt`.
        let image = name.strip_suffix("_gt").unwrap_or(&name);
        let found = predicted.iter().find(|p| [image, &name].contains(&nifti::stem(p).as_str()));
        let Some(found) = found else {
            let what =
                format!("there is no prediction {image}.nii.gz in {}", predictions.display());
            return Err(Error::file(path, what));
        };
        let [truth, prediction] = [path, found].map(|path| nifti::read_labels(path, HIGHEST));
        let (truth, prediction) = (truth?, prediction?);
        let (wanted, given) = (truth.header.dims, prediction.header.dims);
        if wanted != given {
            let what = format!("is {given:?} where {} is {wanted:?}", path.display());
            return Err(Error::file(found, what));
        }
        if let Some([own, other]) =
            prediction.header.geometry.differing_axes(&truth.header.geometry)
        {
            let name = found.display();
            turned.push(format!("{name}: its axes run {own}, those of the true labels {other}"));
        }
        names.push(image.to_owned());
        ours.push(truth);
        theirs.push(prediction);
    }
    let numbering = numbering.unwrap_or_else(|| Numbering::of(&ours));
    ours.iter_mut().for_each(|map| numbering.bring_to_ours(map));
    theirs
        .iter_mut()
        .for_each(|map| their_numbering.unwrap_or(Numbering::Study).bring_to_ours(map));
    let places = places(&names);
    let compare = |theirs: &[LabelVolume]| -> Result<Results> {
        let mut results = Results::default();
        for ((place, truth), prediction) in places.iter().zip(&ours).zip(theirs) {
            results.frames.extend(frames(place, truth, prediction)?);
        }
        name_moments(&mut results.frames);
        Ok(results)
    };
    let results = compare(&theirs)?;
    if their_numbering.is_none() && ventricles(&results) < 0.1 {
        theirs.iter_mut().for_each(|map| Numbering::Acdc.bring_to_ours(map));
        let exchanged = compare(&theirs)?;
        if ventricles(&exchanged) > 0.5 {
            return Ok(Compared {
                results: exchanged,
                predictions: Numbering::Acdc,
                labels: numbering,
                turned,
            });
        }
    }
    let predictions = their_numbering.unwrap_or(Numbering::Study);
    Ok(Compared { results, predictions, labels: numbering, turned })
}

/// Mean Dice of the two ventricles, whose numbers differ between data sets.
fn ventricles(results: &Results) -> f64 {
    let [lv, _, rv] = results.dice().values();
    (lv + rv) / 2.0
}

/// Whose a file is, and what of them.
struct Place {
    subject: String,
    moment: CardiacPhase,
    /// The phase of what comes first in it.
    first: usize,
}

/// Of files by their names: as in a plain folder, files of one phase each may be of one subject.
fn places(names: &[String]) -> Vec<Place> {
    let alone = |name: &String| Place {
        subject: name.clone(),
        moment: PhaseSuffix::split(name)
            .map_or(CardiacPhase::Other, |(_, phase)| phase.cardiac_phase()),
        first: 0,
    };
    let mut places: Vec<Place> = names.iter().map(alone).collect();
    for group in phase_suffix::group_by_subject(names) {
        for (phase, index) in phase_suffix::phases_of_subject(names, &group).into_iter().flatten() {
            if let Some((id, _)) = PhaseSuffix::split(&names[index]) {
                places[index].subject = id.to_owned();
            }
            if let PhaseSuffix::Frame(number) = phase {
                places[index].first = number.saturating_sub(1) as usize;
            }
        }
    }
    places
}

/// Names the moments of subjects of which several phases are there and no name tells.
fn name_moments(frames: &mut [FrameRow]) {
    let mut subjects: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, frame) in frames.iter().enumerate() {
        subjects.entry(frame.subject.clone()).or_default().push(index);
    }
    for places in subjects.into_values() {
        if places.iter().any(|&at| frames[at].moment != CardiacPhase::Other) {
            continue;
        }
        // In voxels of one size, volumes are as numbers of voxels.
        let size = |&at: &usize| {
            let volumes = frames[at].measured.map(|measured| measured.true_ml);
            volumes.map_or(0, |ml| (1e6 * ml.iter().sum::<f64>()).round() as usize)
        };
        let sizes: Vec<usize> = places.iter().map(size).collect();
        for (at, moment) in places.into_iter().zip(cardiac_phases_by_size(&sizes)) {
            frames[at].moment = moment;
        }
    }
}

/// A row for each labelled phase.
fn frames(place: &Place, truth: &LabelVolume, prediction: &LabelVolume) -> Result<Vec<FrameRow>> {
    let [columns, rows, slices, phases] = truth.header.dims;
    let [along, down, between] = truth.header.geometry.spacing;
    let volume = (slices * rows * columns).max(1);
    let Place { subject, moment, first } = place;
    // A name of one phase says nothing of several.
    let moment = if phases == 1 { *moment } else { CardiacPhase::Other };
    let mut found = Vec::new();
    let pairs = truth.labels.chunks(volume).zip(prediction.labels.chunks(volume));
    for (phase, (truth, prediction)) in pairs.enumerate() {
        if phases > 1 && truth.iter().all(|&label| label == 0) {
            continue;
        }
        let (size, spacing) = ([slices, rows, columns], [between, down, along]);
        found.push(FrameRow {
            subject: subject.clone(),
            moment,
            phase: first + phase,
            dice: dice(prediction, truth)?,
            measured: Some(Measured::of(prediction, truth, size, spacing)),
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
    fn files_of_a_phase_each_are_of_one_subject() {
        let names = ["p1_ED", "p1_ES", "p2_frame01", "p2_frame12", "p3_frame05", "p4"];
        let names = names.map(str::to_owned);
        let found: Vec<_> =
            places(&names).into_iter().map(|p| (p.subject, p.moment, p.first)).collect();
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
