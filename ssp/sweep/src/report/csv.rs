//! `table.csv`: a row for each completed cell.

use crate::{CompletedCell, SweepResults};
use crate::{Error, Result};
use common::text::to_cell;
use evaluate::Dice;

use super::format::labelled;
use super::statistics::mean;

const COLUMNS: [&str; 12] = [
    "table",
    "variant",
    "method",
    "labelled",
    "seed",
    "dice_lv",
    "dice_myo",
    "dice_rv",
    "dice_mean",
    "train_subjects",
    "test_subjects",
    "seconds",
];

/// The completed cells, a row each; Dice is the mean over frames.
///
/// # Errors
/// When the text cannot be built, which no input can cause.
pub fn csv(results: &SweepResults) -> Result<String> {
    let fail = |what: &dyn std::fmt::Display| Error::Data(format!("table.csv: {what}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| fail(&error))?;
    for done in &results.cells {
        writer.write_record(row(done)).map_err(|error| fail(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| fail(&error))?;
    String::from_utf8(bytes).map_err(|error| fail(&error))
}

fn row(done: &CompletedCell) -> [String; 12] {
    let (record, cell) = (&done.record, &done.record.cell);
    let dice = |of: &dyn Fn(&Dice) -> f64| {
        let values: Vec<f64> = done.frames.iter().map(|row| of(&row.dice)).collect();
        format!("{:.6}", mean(&values).unwrap_or(f64::NAN))
    };
    [
        cell.table.name().to_owned(),
        to_cell(&cell.variant).into_owned(),
        cell.method.name().to_owned(),
        labelled(cell.labelled),
        cell.seed.to_string(),
        dice(&|dice| dice.left_ventricle),
        dice(&|dice| dice.myocardium),
        dice(&|dice| dice.right_ventricle),
        dice(&Dice::mean),
        record.train_subjects.to_string(),
        record.test_subjects.to_string(),
        format!("{:.1}", record.outcome.seconds),
    ]
}
