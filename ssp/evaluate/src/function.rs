//! What segmentations of end-diastole and end-systole say of the heart: volumes, ejection fractions, mass;
//! and how predictions agree with the truth.

use std::collections::BTreeMap;

use serde::Serialize;

use super::FrameRow;
use data::CardiacPhase;

/// Volumes of a heart. Myocardium counts at end-diastole, papillary muscles as the labels have them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Function {
    /// ml of LV, MYO and RV at end-diastole.
    pub end_diastole: [f64; 3],
    /// The same at end-systole.
    pub end_systole: [f64; 3],
}

/// g/ml of myocardium.
pub const MYOCARDIAL_DENSITY: f64 = 1.05;

/// A number that is read off a heart.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Its name, as tables have it.
    pub name: &'static str,
    /// Its column in files.
    pub column: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Its value; none where it is not defined.
    pub of: fn(&Function) -> Option<f64>,
}

/// All of them. An ejection fraction is (EDV - ESV) / EDV.
pub const READINGS: [Reading; 7] = [
    reading("LV EDV", "lv_edv_ml", "ml", |f| Some(f.end_diastole[0])),
    reading("LV ESV", "lv_esv_ml", "ml", |f| Some(f.end_systole[0])),
    reading("LV EF", "lv_ef_percent", "%", |f| f.ejection_fraction(0)),
    reading("LV mass", "lv_mass_g", "g", |f| Some(MYOCARDIAL_DENSITY * f.end_diastole[1])),
    reading("RV EDV", "rv_edv_ml", "ml", |f| Some(f.end_diastole[2])),
    reading("RV ESV", "rv_esv_ml", "ml", |f| Some(f.end_systole[2])),
    reading("RV EF", "rv_ef_percent", "%", |f| f.ejection_fraction(2)),
];

const fn reading(
    name: &'static str,
    column: &'static str,
    unit: &'static str,
    of: fn(&Function) -> Option<f64>,
) -> Reading {
    Reading { name, column, unit, of }
}

impl Function {
    /// In per cent, of a ventricle by its place among the structures; none where there is no
    /// end-diastolic volume.
    fn ejection_fraction(&self, ventricle: usize) -> Option<f64> {
        let (full, rest) = (self.end_diastole[ventricle], self.end_systole[ventricle]);
        (full > 0.0).then(|| 100.0 * (full - rest) / full)
    }
}

/// A subject with both moments.
#[derive(Clone, Debug, PartialEq)]
pub struct SubjectRow {
    /// Its identifier.
    pub subject: String,
    /// As predicted.
    pub predicted: Function,
    /// As labelled.
    pub truth: Function,
}

/// The subjects that have frames of both moments, with known volumes, in order of their names.
pub fn functions(frames: &[FrameRow]) -> Vec<SubjectRow> {
    let mut subjects: BTreeMap<&str, [Option<[[f64; 3]; 2]>; 2]> = BTreeMap::new();
    for frame in frames {
        let moment = match frame.moment {
            CardiacPhase::EndDiastole => 0,
            CardiacPhase::EndSystole => 1,
            CardiacPhase::Other => continue,
        };
        if let Some(measured) = &frame.measured {
            let volumes = [measured.predicted_ml, measured.true_ml];
            subjects.entry(&frame.subject).or_default()[moment] = Some(volumes);
        }
    }
    let row = |(subject, moments): (&str, [Option<[[f64; 3]; 2]>; 2])| {
        let [Some(diastole), Some(systole)] = moments else { return None };
        let of =
            |side: usize| Function { end_diastole: diastole[side], end_systole: systole[side] };
        Some(SubjectRow { subject: subject.to_owned(), predicted: of(0), truth: of(1) })
    };
    subjects.into_iter().filter_map(row).collect()
}

/// How predictions of a number agree with the truth, over subjects (Bland and Altman, *Lancet* 327, 1986).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Subjects.
    pub subjects: usize,
    /// Mean of predicted less true.
    pub bias: f64,
    /// Standard deviation of the same, divisor n - 1; 0 of one subject.
    pub sd: f64,
    /// Limits of agreement: bias ± 1.96 SD.
    pub limits: [f64; 2],
    /// Mean absolute difference.
    pub mean_absolute: f64,
}

impl Agreement {
    /// Of a reading over subjects; none where nobody has it.
    pub fn of(subjects: &[SubjectRow], reading: &Reading) -> Option<Self> {
        let difference =
            |row: &SubjectRow| Some((reading.of)(&row.predicted)? - (reading.of)(&row.truth)?);
        let all: Vec<f64> = subjects.iter().filter_map(difference).collect();
        let n = all.len() as f64;
        let bias = all.iter().sum::<f64>() / n;
        let squares: f64 = all.iter().map(|d| (d - bias).powi(2)).sum();
        let sd = (squares / (n - 1.0).max(1.0)).sqrt();
        (!all.is_empty()).then(|| Agreement {
            subjects: all.len(),
            bias,
            sd,
            limits: [bias - 1.96 * sd, bias + 1.96 * sd],
            mean_absolute: all.iter().map(|d| d.abs()).sum::<f64>() / n,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dice, Measured};

    fn frame(
        subject: &str,
        moment: CardiacPhase,
        predicted: [f64; 3],
        truth: [f64; 3],
    ) -> FrameRow {
        FrameRow {
            subject: subject.into(),
            moment,
            phase: 0,
            dice: Dice::from_values([1.0; 3]),
            measured: Some(Measured {
                distances: [None; 3],
                predicted_ml: predicted,
                true_ml: truth,
            }),
            vendor: None,
            pathology: None,
        }
    }

    #[test]
    fn ejection_fractions_are_of_both_moments() {
        let (ed, es) = (CardiacPhase::EndDiastole, CardiacPhase::EndSystole);
        let frames = [
            frame("b", ed, [100.0, 90.0, 0.0], [100.0, 100.0, 0.0]),
            frame("a", es, [60.0, 0.0, 50.0], [40.0, 0.0, 50.0]),
            frame("b", es, [50.0, 0.0, 0.0], [30.0, 0.0, 0.0]),
            frame("a", ed, [120.0, 110.0, 100.0], [100.0, 100.0, 100.0]),
            frame("alone", ed, [1.0; 3], [1.0; 3]),
        ];
        let found = functions(&frames);
        let names: Vec<_> = found.iter().map(|row| row.subject.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let by_name = |name: &str| READINGS.iter().find(|r| r.name == name).unwrap();
        let of = |name: &str| Agreement::of(&found, by_name(name)).unwrap();
        // a: 50 % for 60 %; b: 50 % for 70 %.
        let fraction = of("LV EF");
        assert!(
            (fraction.bias + 15.0).abs() < 1e-12 && (fraction.mean_absolute - 15.0).abs() < 1e-12
        );
        assert!((fraction.sd - 50f64.sqrt()).abs() < 1e-12);
        assert!((fraction.limits[0] - (-15.0 - 1.96 * 50f64.sqrt())).abs() < 1e-12);
        let mass = of("LV mass");
        assert!(mass.bias.abs() < 1e-12 && (mass.mean_absolute - 10.5).abs() < 1e-12);
        assert_eq!(of("RV EF").subjects, 1, "nobody ejects from nothing");
        assert_eq!(Agreement::of(&[], by_name("LV EF")), None);
    }
}
