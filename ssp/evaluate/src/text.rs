//! Results as aligned plain text, for terminal and log.

use super::{
    Agreement, CARDIAC_MEASURES, FrameMeasurements, FrameRow, SubjectRow, Summary, SurfaceDistance,
    cardiac_functions,
};
use data::{CardiacPhase, Label};

/// Heading of the three structures and their mean.
const SCORES: [&str; 4] = ["LV", "MYO", "RV", "mean"];

/// One line per frame: subject, cardiac phase (ED, ES), index of the frame, Dice of LV, MYO, RV and their mean, and
/// vendor and pathology if any row has them.
pub fn frame_table(rows: &[FrameRow]) -> String {
    let vendors = rows.iter().any(|row| row.vendor.is_some());
    let pathologies = rows.iter().any(|row| row.pathology.is_some());
    let mut table = TextTable::new(&["subject", "moment", "phase"], 2);
    table.head(&SCORES);
    table.head(if vendors { &["vendor"][..] } else { &[] });
    table.head(if pathologies { &["pathology"][..] } else { &[] });
    for row in rows {
        let mut cells =
            vec![row.subject.clone(), row.moment.name().to_string(), row.phase.to_string()];
        cells.extend(scores(row).map(|score| format!("{score:.3}")));
        for (shown, value) in [(vendors, &row.vendor), (pathologies, &row.pathology)] {
            if shown {
                cells.push(value.clone().unwrap_or_else(|| "-".to_string()));
            }
        }
        table.line(cells);
    }
    table.to_string()
}

/// [`mean_table`], [`distance_table`] and [`agreement_table`] below each other, without empty ones.
pub fn summary_tables(rows: &[FrameRow]) -> String {
    let more = [distance_table(rows), agreement_table(&cardiac_functions(rows))];
    let tables = std::iter::once(mean_table(rows)).chain(more.into_iter().flatten());
    tables.collect::<Vec<_>>().join("\n")
}

/// Mean ± standard deviation (divisor n) of the Dice of each structure: for each cardiac phase, for all frames,
/// and for each vendor if there are several.
pub fn mean_table(rows: &[FrameRow]) -> String {
    let mut table = TextTable::new(&["Dice", "frames"], 1);
    table.head(&SCORES);
    for (name, group) in groups(rows) {
        let mut cells = vec![name, group.len().to_string()];
        cells.extend(columns(&group).map(|values| match Summary::of(&values) {
            Some(summary) => format!("{:.3} ± {:.3}", summary.mean, summary.deviation),
            None => "-".to_string(),
        }));
        table.line(cells);
    }
    table.to_string()
}

/// Mean ± standard deviation over frames of HD95 and ASSD of each structure in mm, for each cardiac phase and for
/// all frames; none if no frame has any. Missing structures are left out.
pub fn distance_table(rows: &[FrameRow]) -> Option<String> {
    let any = |m: &FrameMeasurements| m.distances.iter().any(Option::is_some);
    if !rows.iter().filter_map(|row| row.measurements.as_ref()).any(any) {
        return None;
    }
    let mut table = TextTable::new(&["mm"], 1);
    for (_, name) in MEASURES {
        table.head(&[0, 1, 2].map(|structure| format!("{name} {}", SCORES[structure])));
    }
    for (name, group) in moments(rows) {
        let mut cells = vec![name];
        for (of, _) in MEASURES {
            for structure in 0..3 {
                let value =
                    |row: &&FrameRow| row.measurements?.distances[structure].map(|d| of(&d));
                let values: Vec<f64> = group.iter().filter_map(value).collect();
                cells.push(match Summary::of(&values) {
                    Some(s) => format!("{:.1} ± {:.1}", s.mean, s.deviation),
                    None => "-".to_string(),
                });
            }
        }
        table.line(cells);
    }
    Some(format!("{table}{}", missing(rows)))
}

/// A line with the numbers of frames in which a structure has no distance; empty if there are none.
fn missing(rows: &[FrameRow]) -> String {
    let frames: Vec<&FrameMeasurements> =
        rows.iter().filter_map(|row| row.measurements.as_ref()).collect();
    let lacking = (0..3).filter_map(|structure| {
        let count = frames.iter().filter(|m| m.distances[structure].is_none()).count();
        (count > 0).then(|| format!("{} in {count}", SCORES[structure]))
    });
    let lacking: Vec<String> = lacking.collect();
    if lacking.is_empty() {
        return String::new();
    }
    format!(
        "no distance where a structure is missing: {} of {} frames\n",
        lacking.join(", "),
        frames.len()
    )
}

type OfDistance = fn(&SurfaceDistance) -> f64;
const MEASURES: [(OfDistance, &str); 2] = [(|d| d.hd95, "HD95"), (|d| d.assd, "ASSD")];

/// Agreement of predicted and true volumes, ejection fractions and mass, a line for each; none without
/// subjects.
pub fn agreement_table(subjects: &[SubjectRow]) -> Option<String> {
    let mut table = TextTable::new(&["predicted - true"], 1);
    table.head(&["subjects", "bias ± SD", "95% limits", "mean |difference|"]);
    let mut any = false;
    for measure in &CARDIAC_MEASURES {
        let Some(of) = Agreement::of(subjects, measure) else { continue };
        any = true;
        table.line(vec![
            format!("{}, {}", measure.name, measure.unit),
            of.subjects.to_string(),
            format!("{:.1} ± {:.1}", of.bias, of.sd),
            format!("{:.1} to {:.1}", of.limits[0], of.limits[1]),
            format!("{:.1}", of.mean_absolute),
        ]);
    }
    any.then(|| table.to_string())
}

/// The distribution of the Dice of each structure for each cardiac phase and for all frames: every number of
/// [`Summary`].
pub fn distribution_table(rows: &[FrameRow]) -> String {
    let mut table = TextTable::new(&["frames", "structure"], 2);
    table.head(&["mean", "sd", "min", "5%", "25%", "50%", "75%", "95%", "max", "skew", "kurtosis"]);
    for (name, group) in moments(rows) {
        for (structure, values) in SCORES.iter().zip(columns(&group)) {
            let Some(s) = Summary::of(&values) else { continue };
            let mut cells = vec![name.clone(), structure.to_string()];
            let numbers = [
                s.mean,
                s.deviation,
                s.minimum,
                s.quantile_05,
                s.quantile_25,
                s.median,
                s.quantile_75,
                s.quantile_95,
                s.maximum,
                s.skew,
                s.kurtosis,
            ];
            cells.extend(numbers.map(|number| match number.is_nan() {
                true => "-".to_string(),
                false => format!("{number:.3}"),
            }));
            table.line(cells);
        }
    }
    table.to_string()
}

/// Dice of the structures and their mean.
fn scores(row: &FrameRow) -> [f64; 4] {
    let [left, wall, right] = row.dice.values();
    [left, wall, right, row.dice.mean()]
}

/// The values of each of [`SCORES`] over `rows`.
fn columns(rows: &[&FrameRow]) -> [Vec<f64>; Label::STRUCTURES.len() + 1] {
    std::array::from_fn(|column| rows.iter().map(|row| scores(row)[column]).collect())
}

/// The rows of each cardiac phase that occurs, then all rows.
fn moments(rows: &[FrameRow]) -> Vec<(String, Vec<&FrameRow>)> {
    let mut found: Vec<_> =
        [CardiacPhase::EndDiastole, CardiacPhase::EndSystole, CardiacPhase::Other]
            .into_iter()
            .map(|moment| {
                let name = if moment == CardiacPhase::Other { "other" } else { moment.name() };
                (
                    name.to_string(),
                    rows.iter().filter(|row| row.moment == moment).collect::<Vec<_>>(),
                )
            })
            .filter(|(_, group)| !group.is_empty())
            .collect();
    found.push(("all".to_string(), rows.iter().collect()));
    found
}

/// [`moments`], then the rows of each vendor if there are several.
fn groups(rows: &[FrameRow]) -> Vec<(String, Vec<&FrameRow>)> {
    let mut found = moments(rows);
    let vendors: std::collections::BTreeSet<_> =
        rows.iter().filter_map(|row| row.vendor.as_deref()).collect();
    if vendors.len() > 1 {
        for vendor in vendors {
            let group = rows.iter().filter(|row| row.vendor.as_deref() == Some(vendor)).collect();
            found.push((format!("vendor {vendor}"), group));
        }
    }
    found
}

/// Cells in aligned columns: the first `left` columns to the left, the others to the right.
struct TextTable {
    lines: Vec<Vec<String>>,
    left: usize,
}

impl TextTable {
    /// A table with headings, without rows.
    fn new(heads: &[&str], left: usize) -> Self {
        let mut table = TextTable { lines: vec![Vec::new()], left };
        table.head(heads);
        table
    }

    fn head(&mut self, heads: &[impl AsRef<str>]) {
        self.lines[0].extend(heads.iter().map(|head| head.as_ref().to_string()));
    }

    fn line(&mut self, cells: Vec<String>) {
        let shown = cells.iter().map(|cell| common::text::line(cell).into_owned());
        self.lines.push(shown.collect());
    }
}

impl std::fmt::Display for TextTable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = |column: usize| {
            self.lines.iter().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max()
        };
        let widths: Vec<usize> =
            (0..self.lines[0].len()).map(|column| width(column).unwrap_or(0)).collect();
        for (index, line) in self.lines.iter().enumerate() {
            let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if column < self.left {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
            if index == 0 {
                let rule: Vec<_> = widths.iter().map(|&width| "─".repeat(width)).collect();
                writeln!(out, "{}", rule.join("  "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dice;

    fn rows() -> Vec<FrameRow> {
        let row = |subject: &str, moment, dice, vendor: &str| FrameRow {
            subject: subject.into(),
            moment,
            phase: 7,
            dice: Dice::from_values(dice),
            measurements: None,
            vendor: Some(vendor.into()),
            pathology: None,
        };
        vec![
            row("A0S9V9", CardiacPhase::EndDiastole, [0.9, 0.8, 0.7], "Siemens"),
            row("A0S9V9", CardiacPhase::EndSystole, [0.8, 0.7, 0.6], "Siemens"),
            row("B1", CardiacPhase::EndDiastole, [0.7, 0.6, 0.5], "GE"),
        ]
    }

    #[test]
    fn frames_are_listed_in_columns() {
        let text = frame_table(&rows());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "subject  moment  phase     LV    MYO     RV   mean   vendor");
        assert_eq!(lines[2], "A0S9V9   ED          7  0.900  0.800  0.700  0.800  Siemens");
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn a_name_cannot_break_the_table() {
        let mut rows = rows();
        rows[0].subject = "a\nb\u{1b}[2J".into();
        rows[0].vendor = Some("x\ry".into());
        let text = frame_table(&rows);
        assert!(text.contains("a\\nb\\u{1b}[2J  ED") && text.contains("x\\ry"), "{text}");
        assert_eq!(text.lines().count(), 5);
        assert!(mean_table(&rows).contains("vendor x\\ry"));
    }

    #[test]
    fn means_are_per_moment_and_vendor() {
        let text = mean_table(&rows());
        let lines: Vec<Vec<_>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[2][..5], ["ED", "2", "0.800", "±", "0.100"]);
        assert_eq!(lines[3][..5], ["ES", "1", "0.800", "±", "0.000"]);
        assert_eq!(lines[4][..5], ["all", "3", "0.800", "±", "0.082"]);
        assert_eq!(lines[5][..6], ["vendor", "GE", "1", "0.700", "±", "0.000"]);
        assert_eq!(lines[6][..3], ["vendor", "Siemens", "2"]);
        assert!(!mean_table(&rows()[..2]).contains("vendor"));
        assert!(mean_table(&[]).contains("all"));
    }

    #[test]
    fn distances_and_agreement_have_units() {
        assert_eq!(distance_table(&rows()), None);
        assert_eq!(agreement_table(&[]), None);
        let mut rows = rows();
        let near = |hd95: f64| Some(SurfaceDistance { hd95, assd: 1.0 });
        let ml = [[100.0, 100.0, 80.0], [50.0, 100.0, 40.0]];
        for (row, (hd95, ml)) in rows.iter_mut().zip([(3.0, ml[0]), (5.0, ml[1])]) {
            let distances = [near(hd95), None, near(10.0)];
            let true_ml = [ml[0], ml[1] - 10.0, 2.0 * ml[2]];
            row.measurements = Some(FrameMeasurements { distances, predicted_ml: ml, true_ml });
        }
        let text = distance_table(&rows).unwrap();
        let all = text.lines().find(|line| line.starts_with("all")).unwrap();
        let cells: Vec<_> = all.split_whitespace().collect();
        assert_eq!(cells[1..8], ["4.0", "±", "1.0", "-", "10.0", "±", "0.0"]);
        assert!(text.ends_with("no distance where a structure is missing: MYO in 2 of 2 frames\n"));
        let text = agreement_table(&crate::cardiac_functions(&rows)).unwrap();
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        let cells = |name| line(name).split_whitespace().skip(2).collect::<Vec<_>>();
        assert_eq!(cells("LV mass, g")[1..5], ["1", "10.5", "±", "0.0"]);
        assert_eq!(cells("RV EDV, ml")[1..5], ["1", "-80.0", "±", "0.0"]);
    }

    #[test]
    fn distributions_name_every_structure() {
        let text = distribution_table(&rows());
        assert_eq!(text.lines().count(), 2 + 3 * 4);
        let wall = text.lines().find(|line| line.starts_with("all     MYO")).unwrap();
        let numbers: Vec<_> = wall.split_whitespace().skip(2).collect();
        assert_eq!(numbers[..3], ["0.700", "0.082", "0.600"]);
        assert_eq!(numbers[9], "0.000");
    }
}
