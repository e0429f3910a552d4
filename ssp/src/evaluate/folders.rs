//! Label maps in files against label maps in files.

use std::path::Path;

use super::{FrameRow, Results, dice};
use crate::data::nifti::LabelVolume;
use crate::data::{ACDC_LABELS, CLASSES, Moment, folder, nifti};
use crate::{Error, Result};

/// A label map in the study's numbering. ACDC's files, known by their names, have their own.
fn in_our_numbering(path: &Path) -> Result<LabelVolume> {
    let mut volume = nifti::read_labels(path, HIGHEST)?;
    let name = nifti::stem(path);
    if name.starts_with("patient") && name.contains("_frame") && name.ends_with("_gt") {
        volume.labels.iter_mut().for_each(|label| *label = ACDC_LABELS[usize::from(*label)] as u8);
    }
    Ok(volume)
}

const HIGHEST: u8 = CLASSES as u8 - 1;

/// Compares every label map in `labels` with that of the same name in `predictions`, in 3D and
/// phase by phase; phases without any true label are left out. Truth named as ACDC names it
/// (`patient001_frame01_gt`) is taken to be numbered as ACDC numbers it.
///
/// # Errors
/// When a prediction is missing, or two maps differ in shape.
pub fn compare_folders(predictions: &Path, labels: &Path) -> Result<Results> {
    let truths = folder::volumes_in(labels)?;
    if truths.is_empty() {
        return Err(Error::file(labels, "holds no NIfTI file (.nii, .nii.gz)"));
    }
    let predicted = folder::volumes_in(predictions)?;
    let mut results = Results::default();
    let mut exchanged = Results::default();
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
        let (truth, prediction) = (in_our_numbering(path)?, nifti::read_labels(found, HIGHEST)?);
        let (wanted, given) = (truth.header.dims, prediction.header.dims);
        if wanted != given {
            let what = format!("is {given:?} where {} is {wanted:?}", path.display());
            return Err(Error::file(found, what));
        }
        let volume = wanted[..3].iter().product::<usize>().max(1);
        let phases = truth.labels.chunks(volume).zip(prediction.labels.chunks(volume));
        let several = wanted[3] > 1;
        for (phase, (truth, prediction)) in phases.enumerate() {
            if several && truth.iter().all(|&label| label == 0) {
                continue;
            }
            let row = FrameRow {
                subject: image.to_owned(),
                moment: Moment::Other,
                phase,
                dice: dice(prediction, truth)?,
                vendor: None,
                pathology: None,
            };
            let acdc: Vec<u8> = truth.iter().map(|&label| renumbered(label)).collect();
            exchanged.frames.push(FrameRow { dice: dice(prediction, &acdc)?, ..row.clone() });
            results.frames.push(row);
        }
    }
    let (plain, exchanged) = (ventricles(&results), ventricles(&exchanged));
    if plain < 0.1 && exchanged > 0.5 {
        return Err(Error::file(
            labels,
            format!(
                "numbers LV and RV the other way round (Dice {plain:.2}, and {exchanged:.2} with 1 \
                 and 3 exchanged); renumber them to 1 LV, 2 myocardium, 3 RV, or compare with a \
                 data set as it was distributed by --weights and --data"
            ),
        ));
    }
    Ok(results)
}

/// A label of ACDC's numbering in ours, and the other way round.
fn renumbered(label: u8) -> u8 {
    match label {
        1 => 3,
        3 => 1,
        other => other,
    }
}

/// Mean Dice of the two ventricles, whose numbers differ between data sets.
fn ventricles(results: &Results) -> f64 {
    let [lv, _, rv] = results.dice().values();
    (lv + rv) / 2.0
}
