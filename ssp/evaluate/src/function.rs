//! Cardiac function from segmentations of end-diastole and end-systole (volumes, ejection fractions, mass), and
//! the agreement of predictions with the ground truth.

use std::collections::BTreeMap;

use serde::Serialize;

use super::FrameRow;
use data::CardiacPhase;

/// The volumes of a heart. Papillary muscles belong to the structure whose label they have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CardiacFunction {
    /// Volumes of LV, MYO and RV at end-diastole, ml.
    pub end_diastole: [f64; 3],
    /// The same at end-systole.
    pub end_systole: [f64; 3],
}

/// Density of the myocardium, g/ml.
pub const MYOCARDIAL_DENSITY: f64 = 1.05;

/// A measure of cardiac function.
#[derive(Clone, Copy, Debug)]
pub struct CardiacMeasure {
    /// Its name in tables.
    pub name: &'static str,
    /// Its column in CSV files and key in JSON.
    pub column: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Its value; none where it is not defined.
    pub of: fn(&CardiacFunction) -> Option<f64>,
}

/// Every measure: end-diastolic and end-systolic volumes (EDV, ESV), ejection fraction EF = (EDV - ESV) / EDV,
/// and the mass of the myocardium at end-diastole.
pub const CARDIAC_MEASURES: [CardiacMeasure; 7] = [
    measure("LV EDV", "lv_edv_ml", "ml", |f| Some(f.end_diastole[0])),
    measure("LV ESV", "lv_esv_ml", "ml", |f| Some(f.end_systole[0])),
    measure("LV EF", "lv_ef_percent", "%", |f| f.ejection_fraction(0)),
    measure("LV mass", "lv_mass_g", "g", |f| Some(MYOCARDIAL_DENSITY * f.end_diastole[1])),
    measure("RV EDV", "rv_edv_ml", "ml", |f| Some(f.end_diastole[2])),
    measure("RV ESV", "rv_esv_ml", "ml", |f| Some(f.end_systole[2])),
    measure("RV EF", "rv_ef_percent", "%", |f| f.ejection_fraction(2)),
];

const fn measure(
    name: &'static str,
    column: &'static str,
    unit: &'static str,
    of: fn(&CardiacFunction) -> Option<f64>,
) -> CardiacMeasure {
    CardiacMeasure { name, column, unit, of }
}

impl CardiacFunction {
    /// Ejection fraction in per cent of a ventricle (index of the structure); none if its end-diastolic volume is
    /// 0.
    pub(crate) fn ejection_fraction(&self, ventricle: usize) -> Option<f64> {
        let (edv, esv) = (self.end_diastole[ventricle], self.end_systole[ventricle]);
        (edv > 0.0).then(|| 100.0 * (edv - esv) / edv)
    }
}

/// A subject with labels at end-diastole and end-systole.
#[derive(Clone, Debug, PartialEq)]
pub struct SubjectRow {
    /// Its identifier.
    pub subject: String,
    /// From the prediction.
    pub predicted: CardiacFunction,
    /// From the ground truth.
    pub ground_truth: CardiacFunction,
}

/// The cardiac function of the subjects with frames of end-diastole and end-systole with known volumes, sorted by
/// name.
pub fn cardiac_functions(frames: &[FrameRow]) -> Vec<SubjectRow> {
    let mut subjects: BTreeMap<&str, [Option<[[f64; 3]; 2]>; 2]> = BTreeMap::new();
    for frame in frames {
        let moment = match frame.moment {
            CardiacPhase::EndDiastole => 0,
            CardiacPhase::EndSystole => 1,
            CardiacPhase::Other => continue,
        };
        if let Some(measured) = &frame.measurements {
            let volumes = [measured.predicted_ml, measured.true_ml];
            subjects.entry(&frame.subject).or_default()[moment] = Some(volumes);
        }
    }
    let row = |(subject, moments): (&str, [Option<[[f64; 3]; 2]>; 2])| {
        let [Some(diastole), Some(systole)] = moments else { return None };
        let of = |side: usize| CardiacFunction {
            end_diastole: diastole[side],
            end_systole: systole[side],
        };
        Some(SubjectRow { subject: subject.to_owned(), predicted: of(0), ground_truth: of(1) })
    };
    subjects.into_iter().filter_map(row).collect()
}

/// Agreement of a predicted measure with the ground truth over subjects (Bland and Altman, *Lancet* 327, 1986).
/// With differences d = predicted - true, about 95 % of normally distributed d are within the limits of
/// agreement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Number of subjects with a value.
    pub subjects: usize,
    /// Mean of d.
    pub bias: f64,
    /// Standard deviation of d with divisor n - 1; 0 for one subject.
    pub sd: f64,
    /// Limits of agreement: bias ± 1.96 SD.
    pub limits: [f64; 2],
    /// Mean of |d|.
    pub mean_absolute: f64,
}

impl Agreement {
    /// Agreement of a measure; none if no subject has it.
    pub fn of(subjects: &[SubjectRow], measure: &CardiacMeasure) -> Option<Self> {
        let difference = |row: &SubjectRow| {
            Some((measure.of)(&row.predicted)? - (measure.of)(&row.ground_truth)?)
        };
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
pub(crate) mod tests {
    use super::*;
    use crate::{Dice, FrameMeasurements};

    /// A frame with these volumes, in millilitres.
    pub(crate) fn frame(
        subject: &str,
        moment: CardiacPhase,
        predicted: [f64; 3],
        ground_truth: [f64; 3],
    ) -> FrameRow {
        FrameRow {
            subject: subject.into(),
            moment,
            phase: 0,
            dice: Dice::from_values([1.0; 3]),
            measurements: Some(FrameMeasurements {
                distances: [None; 3],
                predicted_ml: predicted,
                true_ml: ground_truth,
            }),
            vendor: None,
            pathology: None,
        }
    }

    #[test]
    fn ejection_fractions_need_both_phases() {
        let (ed, es) = (CardiacPhase::EndDiastole, CardiacPhase::EndSystole);
        let frames = [
            frame("b", ed, [100.0, 90.0, 0.0], [100.0, 100.0, 0.0]),
            frame("a", es, [60.0, 0.0, 50.0], [40.0, 0.0, 50.0]),
            frame("b", es, [50.0, 0.0, 0.0], [30.0, 0.0, 0.0]),
            frame("a", ed, [120.0, 110.0, 100.0], [100.0, 100.0, 100.0]),
            frame("alone", ed, [1.0; 3], [1.0; 3]),
        ];
        let found = cardiac_functions(&frames);
        let names: Vec<_> = found.iter().map(|row| row.subject.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let by_name = |name: &str| CARDIAC_MEASURES.iter().find(|r| r.name == name).unwrap();
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
        assert_eq!(
            of("RV EF").subjects,
            1,
            "without an end-diastolic volume there is no ejection fraction"
        );
        assert_eq!(Agreement::of(&[], by_name("LV EF")), None);
    }
}
