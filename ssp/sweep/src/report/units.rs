//! What has a unit: distances between surfaces, and how far ejection fractions are off.

use super::compare::{Comparisons, Group};
use super::statistics::{Spread, mean};
use crate::{Done, Table};
use evaluate::{Agreement, READINGS, functions};
use settings::Method;

/// What the tables hold, for readers of the report.
pub const WHAT: &str = "Mean over structures, frames and test subjects of the distance between predicted and \
    true surfaces (HD95: 95th percentile of the Hausdorff distance; ASSD: average symmetric surface distance), \
    and mean absolute difference between predicted and true ejection fractions. ± is the standard deviation \
    over seeds. A structure that only one of prediction and truth has is at no distance, and a \
    ventricle that was not found at end-diastole has no ejection fraction: what fails so does not count here, and \
    does in Dice.";

/// A number that a cell comes to.
pub struct Measure {
    /// Its name and unit.
    pub name: &'static str,
    /// Its value; none where nothing was measured.
    pub of: fn(&Done) -> Option<f64>,
}

/// Those of the report. A structure that is missing in prediction or truth has no distance.
pub const MEASURES: [Measure; 4] = [
    Measure { name: "HD95, mm", of: |done| distance(done, |d| d.hd95) },
    Measure { name: "ASSD, mm", of: |done| distance(done, |d| d.assd) },
    Measure { name: "LV EF, % points off", of: |done| off(done, "lv_ef_percent") },
    Measure { name: "RV EF, % points off", of: |done| off(done, "rv_ef_percent") },
];

fn distance(done: &Done, of: fn(&evaluate::SurfaceDistance) -> f64) -> Option<f64> {
    let measured = done.frames.iter().filter_map(|row| row.measured.as_ref());
    let found = measured.flat_map(|measured| measured.distances.iter().flatten());
    mean(&found.map(of).collect::<Vec<_>>())
}

/// Mean absolute difference.
fn off(done: &Done, column: &str) -> Option<f64> {
    let reading = READINGS.iter().find(|reading| reading.column == column)?;
    Agreement::of(&functions(&done.frames), reading).map(|agreement| agreement.mean_absolute)
}

/// A count, and each method's mean over its seeds.
pub type Row = (String, Vec<Option<Spread>>);

/// A row for each count, a value for each method; empty where no cell has any.
pub fn rows(comparisons: &Comparisons, measure: &Measure) -> Vec<Row> {
    let of = |group: &Group, method: &Method| {
        let cells = group.side(*method).map_or(&[][..], |side| &side.cells);
        Spread::of(&cells.iter().filter_map(|done| (measure.of)(done)).collect::<Vec<_>>())
    };
    let row = |group: &Group| {
        let values: Vec<_> = comparisons.methods.iter().map(|method| of(group, method)).collect();
        values.iter().any(Option::is_some).then(|| (group.count_in_words(), values))
    };
    comparisons.table(Table::Subjects).filter_map(row).collect()
}

/// `4.2 ± 0.3`.
pub fn line(spread: &Option<Spread>) -> String {
    match spread {
        None => "–".into(),
        Some(Spread { mean, deviation: None }) => format!("{mean:.1}"),
        Some(Spread { mean, deviation: Some(deviation) }) => format!("{mean:.1} ± {deviation:.1}"),
    }
}
