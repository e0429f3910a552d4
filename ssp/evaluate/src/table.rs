//! Results of frames, slices and subjects, and their CSV files. Names come from files: those that a
//! spreadsheet would run are written with an apostrophe, and read without it.

use std::fmt::Display;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{
    CARDIAC_MEASURES, CardiacMeasure, Dice, FrameMeasurements, Remarks, SliceDice, SubjectRow,
    SurfaceDistance,
};
use crate::{Error, Result};
use common::files::write_atomically;
use common::text::{from_cell, to_cell};
use data::CardiacPhase;

/// The result of one labelled frame of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameRow {
    /// Identifier of the subject within its source.
    pub subject: String,
    /// Cardiac phase.
    pub moment: CardiacPhase,
    /// Index of the phase in the stack, from 0.
    pub phase: usize,
    /// Dice in 3D on the source grid.
    pub dice: Dice,
    /// Distances and volumes; none in files that older versions wrote.
    pub measurements: Option<FrameMeasurements>,
    /// Scanner vendor, where known.
    pub vendor: Option<String>,
    /// Diagnosis or group, where known.
    pub pathology: Option<String>,
}

/// The result of one slice of one labelled frame.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceRow {
    /// Identifier of the subject within its source.
    pub subject: String,
    /// Cardiac phase.
    pub moment: CardiacPhase,
    /// Index of the phase in the stack, from 0.
    pub phase: usize,
    /// The slice, its position between base and apex, and its Dice.
    pub slice: SliceDice,
}

/// A row of the file of frames. The mean is written for other programs and not read back.
#[derive(Serialize, Deserialize)]
struct FrameLine {
    subject: String,
    moment: String,
    phase: usize,
    dice_lv: f64,
    dice_myo: f64,
    dice_rv: f64,
    dice_mean: f64,
    hd95_lv_mm: Option<f64>,
    hd95_myo_mm: Option<f64>,
    hd95_rv_mm: Option<f64>,
    assd_lv_mm: Option<f64>,
    assd_myo_mm: Option<f64>,
    assd_rv_mm: Option<f64>,
    lv_ml: Option<f64>,
    myo_ml: Option<f64>,
    rv_ml: Option<f64>,
    lv_true_ml: Option<f64>,
    myo_true_ml: Option<f64>,
    rv_true_ml: Option<f64>,
    vendor: Option<String>,
    pathology: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remarks: Option<String>,
}

impl FrameLine {
    fn of(row: &FrameRow) -> Self {
        let distances = row.measurements.map_or([None; 3], |m| m.distances);
        let [hd95_lv_mm, hd95_myo_mm, hd95_rv_mm] = distances.map(|d| d.map(|d| d.hd95));
        let [assd_lv_mm, assd_myo_mm, assd_rv_mm] = distances.map(|d| d.map(|d| d.assd));
        let volumes = |of: fn(FrameMeasurements) -> [f64; 3]| {
            row.measurements.map_or([None; 3], |m| of(m).map(Some))
        };
        let [lv_ml, myo_ml, rv_ml] = volumes(|m| m.predicted_ml);
        let [lv_true_ml, myo_true_ml, rv_true_ml] = volumes(|m| m.true_ml);
        FrameLine {
            subject: to_cell(&row.subject).into(),
            moment: row.moment.name().to_string(),
            phase: row.phase,
            dice_lv: row.dice.left_ventricle,
            dice_myo: row.dice.myocardium,
            dice_rv: row.dice.right_ventricle,
            dice_mean: row.dice.mean(),
            hd95_lv_mm,
            hd95_myo_mm,
            hd95_rv_mm,
            assd_lv_mm,
            assd_myo_mm,
            assd_rv_mm,
            lv_ml,
            myo_ml,
            rv_ml,
            lv_true_ml,
            myo_true_ml,
            rv_true_ml,
            vendor: row.vendor.as_deref().map(|vendor| to_cell(vendor).into()),
            pathology: row.pathology.as_deref().map(|group| to_cell(group).into()),
            remarks: None,
        }
    }

    fn measurements(&self) -> Option<FrameMeasurements> {
        let all = |[lv, myo, rv]: [Option<f64>; 3]| Some([lv?, myo?, rv?]);
        let distances = [
            (self.hd95_lv_mm, self.assd_lv_mm),
            (self.hd95_myo_mm, self.assd_myo_mm),
            (self.hd95_rv_mm, self.assd_rv_mm),
        ];
        Some(FrameMeasurements {
            distances: distances
                .map(|(hd95, assd)| Some(SurfaceDistance { hd95: hd95?, assd: assd? })),
            predicted_ml: all([self.lv_ml, self.myo_ml, self.rv_ml])?,
            true_ml: all([self.lv_true_ml, self.myo_true_ml, self.rv_true_ml])?,
        })
    }
}

/// A row of the file of slices.
#[derive(Serialize, Deserialize)]
struct SliceLine {
    subject: String,
    moment: String,
    phase: usize,
    slice: usize,
    position: f64,
    dice_lv: f64,
    dice_myo: f64,
    dice_rv: f64,
    dice_mean: f64,
}

/// Writes one row per frame to the CSV file `path`, replacing the file atomically.
///
/// Columns: `subject`, `moment` (`ED`, `ES` or `-`), `phase` (from 0), `dice_lv`, `dice_myo`,
/// `dice_rv`, `dice_mean`; `hd95_*_mm` and `assd_*_mm` of the three structures (empty for a missing
/// structure), predicted volumes `*_ml` and true ones `*_true_ml`; `vendor`, `pathology` (empty if unknown).
///
/// # Errors
/// When the file cannot be written.
pub fn write_frames(path: impl AsRef<Path>, rows: &[FrameRow]) -> Result<()> {
    write_lines(path.as_ref(), &FRAME_COLUMNS, rows.iter().map(FrameLine::of))
}

/// The same with a last column `remarks`: what is doubtful about the frame's subject.
///
/// # Errors
/// As [`write_frames`].
pub fn write_frames_with_remarks(
    path: impl AsRef<Path>,
    rows: &[FrameRow],
    remarks: &Remarks,
) -> Result<()> {
    let columns = [&FRAME_COLUMNS[..], &["remarks"]].concat();
    let line = |row: &FrameRow| FrameLine {
        remarks: Some(remarks.cell(&row.subject)),
        ..FrameLine::of(row)
    };
    write_lines(path.as_ref(), &columns, rows.iter().map(line))
}

/// The columns of the file of frames, without remarks.
const FRAME_COLUMNS: [&str; 21] = [
    "subject",
    "moment",
    "phase",
    "dice_lv",
    "dice_myo",
    "dice_rv",
    "dice_mean",
    "hd95_lv_mm",
    "hd95_myo_mm",
    "hd95_rv_mm",
    "assd_lv_mm",
    "assd_myo_mm",
    "assd_rv_mm",
    "lv_ml",
    "myo_ml",
    "rv_ml",
    "lv_true_ml",
    "myo_true_ml",
    "rv_true_ml",
    "vendor",
    "pathology",
];

/// Reads a file of [`write_frames`].
///
/// # Errors
/// When the file cannot be read, with the row that is invalid.
pub fn read_frames(path: impl AsRef<Path>) -> Result<Vec<FrameRow>> {
    read_lines(path.as_ref(), |line: FrameLine| {
        let measurements = line.measurements();
        let lengths = measurements.iter().flat_map(|m| {
            let distances = m.distances.iter().flatten().flat_map(|d| [d.hd95, d.assd]);
            distances.chain(m.predicted_ml).chain(m.true_ml)
        });
        if let Some(wrong) = lengths.into_iter().find(|v| !(v.is_finite() && *v >= 0.0)) {
            return Err(format!("{wrong} is no distance or volume"));
        }
        Ok(FrameRow {
            moment: moment(&line.moment)?,
            phase: line.phase,
            dice: checked_dice([line.dice_lv, line.dice_myo, line.dice_rv])?,
            measurements,
            subject: from_cell(&line.subject).to_owned(),
            vendor: line.vendor.as_deref().map(|vendor| from_cell(vendor).to_owned()),
            pathology: line.pathology.as_deref().map(|group| from_cell(group).to_owned()),
        })
    })
}

/// Writes one row per subject to the CSV file `path`, replacing the file atomically.
///
/// Columns: `subject`, then each of [`CARDIAC_MEASURES`] as predicted and, with `_true` after its name, from the
/// ground truth; empty where it is not defined. At the end `remarks`: what is doubtful.
///
/// # Errors
/// When the file cannot be written.
pub fn write_subjects(
    path: impl AsRef<Path>,
    rows: &[SubjectRow],
    remarks: &Remarks,
) -> Result<()> {
    let mut columns = vec!["subject".to_owned()];
    for CardiacMeasure { column, .. } in &CARDIAC_MEASURES {
        let (name, unit) = column.rsplit_once('_').unwrap_or((column, ""));
        columns.extend([(*column).to_owned(), format!("{name}_true_{unit}")]);
    }
    columns.push("remarks".to_owned());
    let lines = rows.iter().map(|row| {
        let text = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let mut line = vec![to_cell(&row.subject).into_owned()];
        for CardiacMeasure { of, .. } in &CARDIAC_MEASURES {
            line.extend([text(of(&row.predicted)), text(of(&row.ground_truth))]);
        }
        line.push(remarks.cell(&row.subject));
        line
    });
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    write_lines(path.as_ref(), &columns, lines)
}

/// Writes one row per slice to the CSV file `path`, replacing the file atomically.
///
/// Columns: `subject`, `moment`, `phase`, `slice` (from 0 at the base), `position` (0 most basal
/// to 1 most apical labelled slice), `dice_lv`, `dice_myo`, `dice_rv`, `dice_mean`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_slices(path: impl AsRef<Path>, rows: &[SliceRow]) -> Result<()> {
    const COLUMNS: [&str; 9] = [
        "subject",
        "moment",
        "phase",
        "slice",
        "position",
        "dice_lv",
        "dice_myo",
        "dice_rv",
        "dice_mean",
    ];
    let lines = rows.iter().map(|row| SliceLine {
        subject: to_cell(&row.subject).into(),
        moment: row.moment.name().to_string(),
        phase: row.phase,
        slice: row.slice.slice,
        position: row.slice.position,
        dice_lv: row.slice.dice.left_ventricle,
        dice_myo: row.slice.dice.myocardium,
        dice_rv: row.slice.dice.right_ventricle,
        dice_mean: row.slice.dice.mean(),
    });
    write_lines(path.as_ref(), &COLUMNS, lines)
}

/// Reads a file of [`write_slices`].
///
/// # Errors
/// As [`read_frames`].
pub fn read_slices(path: impl AsRef<Path>) -> Result<Vec<SliceRow>> {
    read_lines(path.as_ref(), |line: SliceLine| {
        Ok(SliceRow {
            subject: from_cell(&line.subject).to_owned(),
            moment: moment(&line.moment)?,
            phase: line.phase,
            slice: SliceDice {
                slice: line.slice,
                position: line.position,
                dice: checked_dice([line.dice_lv, line.dice_myo, line.dice_rv])?,
            },
        })
    })
}

/// Dice as read from a file, which somebody may have edited.
fn checked_dice(values: [f64; 3]) -> std::result::Result<Dice, String> {
    match values.into_iter().find(|value| !(0.0..=1.0).contains(value)) {
        Some(wrong) => Err(format!("{wrong} is no Dice, which is from 0 to 1")),
        None => Ok(Dice::from_values(values)),
    }
}

/// The inverse of [`CardiacPhase::name`].
fn moment(name: &str) -> std::result::Result<CardiacPhase, String> {
    [CardiacPhase::EndDiastole, CardiacPhase::EndSystole, CardiacPhase::Other]
        .into_iter()
        .find(|moment| moment.name() == name)
        .ok_or_else(|| format!("moment \"{name}\" is not one of ED, ES, -"))
}

/// Writes `lines` below a header, which a file without rows has too.
fn write_lines<L: Serialize>(
    path: &Path,
    columns: &[&str],
    lines: impl Iterator<Item = L>,
) -> Result<()> {
    let fail = |what: &dyn Display| Error::file(path, format!("cannot be written as CSV: {what}"));
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(columns).map_err(|error| fail(&error))?;
    for line in lines {
        writer.serialize(line).map_err(|error| fail(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| fail(&error))?;
    write_atomically(path, &bytes)
}

/// Reads every row of the CSV file `path`. Columns are found by name, in any order.
fn read_lines<L: DeserializeOwned, R>(
    path: &Path,
    row: impl Fn(L) -> std::result::Result<R, String>,
) -> Result<Vec<R>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
    csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .enumerate()
        .map(|(index, line)| {
            let line = line.map_err(|error| Error::file(path, error.to_string()))?;
            row(line).map_err(|what| Error::file(path, format!("row {}: {what}", index + 1)))
        })
        .collect()
}

#[cfg(test)]
mod tests;
