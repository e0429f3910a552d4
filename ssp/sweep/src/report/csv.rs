//! `table.csv`: a line for each cell that is done.

use crate::{Done, Results};
use crate::{Error, Result};
use evaluate::Dice;

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

/// The cells that are done, one line each; Dice is the mean over frames.
///
/// # Errors
/// None that a user can cause.
pub fn csv(results: &Results) -> Result<String> {
    let fail = |what: &dyn std::fmt::Display| Error::Data(format!("table.csv: {what}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| fail(&error))?;
    for done in &results.cells {
        writer.write_record(line(done)).map_err(|error| fail(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| fail(&error))?;
    String::from_utf8(bytes).map_err(|error| fail(&error))
}

fn line(done: &Done) -> [String; 12] {
    let (record, cell) = (&done.record, &done.record.cell);
    let of = |score: &dyn Fn(&Dice) -> f64| {
        let values: Vec<f64> = done.frames.iter().map(|row| score(&row.dice)).collect();
        format!("{:.6}", mean(&values).unwrap_or(f64::NAN))
    };
    [
        cell.table.name().to_owned(),
        cell.variant.clone(),
        cell.method.name().to_owned(),
        cell.count(),
        cell.seed.to_string(),
        of(&|dice| dice.left_ventricle),
        of(&|dice| dice.myocardium),
        of(&|dice| dice.right_ventricle),
        of(&Dice::mean),
        record.train_subjects.to_string(),
        record.test_subjects.to_string(),
        format!("{:.1}", record.ending.seconds),
    ]
}
