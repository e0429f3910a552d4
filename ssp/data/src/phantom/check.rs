//! Is the cohort what it says: the same for the same seed, different otherwise, and anatomy?

use std::collections::BTreeSet;

use super::{Pathology, PhantomCohort, PhantomSettings, Vendor};
use crate::{CardiacPhase, Label, LabelledFrame, Subject};

fn cohort(subjects: usize, seed: u64) -> PhantomCohort {
    PhantomCohort::new(subjects, seed, PhantomSettings::default()).expect("default settings")
}

/// A cohort of few phases: diastole, systole, and one between.
fn brief(subjects: usize, seed: u64) -> PhantomCohort {
    let settings = PhantomSettings { phases: 3, ..PhantomSettings::default() };
    PhantomCohort::new(subjects, seed, settings).expect("brief settings")
}

/// A cohort quick enough to draw often.
fn small(seed: u64) -> PhantomCohort {
    let settings =
        PhantomSettings { phases: 3, matrix: 64..=72, slices: 5..=6, ..Default::default() };
    PhantomCohort::new(8, seed, settings).expect("small settings")
}

/// Volume of a structure in millilitres.
fn volume(subject: &Subject, frame: &LabelledFrame, label: Label) -> f32 {
    let [rows, columns, slices] = subject.stack.spacing;
    let count = frame.labels.iter().filter(|&&l| l == label as u8).count();
    count as f32 * rows * columns * slices / 1000.0
}

/// Pairs of labels of pixels side by side in a slice.
fn neighbours(subject: &Subject, frame: &LabelledFrame) -> Vec<[u8; 2]> {
    let (rows, columns) = (subject.stack.rows, subject.stack.columns);
    let mut pairs = Vec::new();
    for slice in frame.labels.chunks(rows * columns) {
        for row in 0..rows - 1 {
            for column in 0..columns - 1 {
                let at = row * columns + column;
                pairs.push([slice[at], slice[at + 1]]);
                pairs.push([slice[at], slice[at + columns]]);
            }
        }
    }
    pairs
}

fn touching(pairs: &[[u8; 2]], a: Label, b: Label) -> usize {
    let [a, b] = [a as u8, b as u8];
    pairs.iter().filter(|&&pair| pair == [a, b] || pair == [b, a]).count()
}

#[test]
fn a_subject_depends_on_seed_and_index_alone() {
    let drawn = small(3).draw();
    for index in [5, 0, 7] {
        assert_eq!(small(3).subject(index), drawn[index], "subject {index}");
    }
    let longer = PhantomCohort { subjects: 100, ..small(3) };
    assert_eq!(longer.subject(2), drawn[2], "the size of the cohort");
}

#[test]
fn neighbouring_seeds_and_subjects_differ() {
    let values = |seed, index| small(seed).subject(index).stack.voxels;
    assert_ne!(values(3, 0), values(4, 0));
    assert_ne!(values(3, 0), values(3 + (1 << 32), 0), "high bits of the seed");
    // Same vendor and pathology, sixteen subjects apart.
    assert_ne!(values(3, 0), values(3, 16));
    // The anatomy differs, not the noise alone.
    let labels = |seed| small(seed).subject(0).frames[0].labels.clone();
    assert_ne!(labels(3), labels(4));
}

#[test]
fn ids_are_unique_and_vendors_and_pathologies_balanced() {
    let cohort = cohort(16, 0);
    let ids = cohort.ids();
    let different: BTreeSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), different.len()), (16, 16), "{ids:?}");
    for vendor in Vendor::ALL {
        for pathology in Pathology::ALL {
            let both = |&i: &usize| cohort.vendor(i) == vendor && cohort.pathology(i) == pathology;
            assert_eq!((0..16).filter(both).count(), 1, "{vendor:?} {pathology:?}");
        }
    }
}

#[test]
fn unusable_settings_are_refused() {
    let default = PhantomSettings::default;
    for (settings, named) in [
        (PhantomSettings { phases: 2, ..default() }, "phases"),
        (PhantomSettings { matrix: 8..=64, ..default() }, "matrix"),
        (PhantomSettings { slices: 1..=9, ..default() }, "slices"),
        (PhantomSettings { breath_hold: f32::NAN, ..default() }, "breath-hold"),
        (PhantomSettings { noise: -1.0, ..default() }, "noise"),
    ] {
        let refused = PhantomCohort::new(4, 0, settings).map(|_| ()).map_err(|e| e.to_string());
        assert!(refused.as_ref().is_err_and(|e| e.contains(named)), "{named}: {refused:?}");
    }
}

/// Every subject of a cohort of fifty has a heart that a reader could believe.
#[test]
fn anatomy_is_plausible() {
    for (index, subject) in brief(50, 11).draw().iter().enumerate() {
        let pathology = subject.pathology.as_deref().unwrap_or_default();
        let who = format!("subject {index}, {pathology}");
        let [diastole, systole] = &subject.frames[..] else { panic!("{who}: frames") };
        assert_eq!(
            (diastole.phase, diastole.cardiac_phase),
            (0, CardiacPhase::EndDiastole),
            "{who}"
        );
        assert_eq!(systole.cardiac_phase, CardiacPhase::EndSystole, "{who}");
        assert!((1..subject.stack.phases - 1).contains(&systole.phase), "{who}");
        let stack = &subject.stack;
        let size = stack.slices * stack.rows * stack.columns;
        assert_eq!(stack.voxels.len(), stack.phases * size, "{who}");
        assert!(stack.voxels.iter().all(|v| v.is_finite() && *v >= 0.0), "{who}");
        let ml = |frame, label| volume(subject, frame, label);
        let fraction = |label| 1.0 - ml(systole, label) / ml(diastole, label);
        // Ranges of cine MR in adults, widened by what slices of 8 to 12 mm do to a volume.
        let (lv, rv) = (ml(diastole, Label::LeftVentricle), ml(diastole, Label::RightVentricle));
        let (lvef, rvef) = (fraction(Label::LeftVentricle), fraction(Label::RightVentricle));
        let expected = match pathology {
            "DCM" => 0.12..0.45,
            "HCM" => 0.5..0.8,
            _ => 0.4..0.75,
        };
        assert!(expected.contains(&lvef), "{who}: left ejection fraction {lvef}");
        assert!((0.15..0.8).contains(&rvef), "{who}: right ejection fraction {rvef}");
        assert!((45.0..420.0).contains(&lv), "{who}: left ventricle {lv} ml");
        assert!((45.0..320.0).contains(&rv), "{who}: right ventricle {rv} ml");
        // The wall keeps its volume, up to the coarseness of slices.
        let wall = [diastole, systole].map(|frame| ml(frame, Label::Myocardium));
        assert!((50.0..320.0).contains(&wall[0]), "{who}: myocardium {} ml", wall[0]);
        assert!((0.8..1.25).contains(&(wall[1] / wall[0])), "{who}: myocardium {wall:?} ml");
        for frame in [diastole, systole] {
            assert_eq!(frame.labels.len(), size, "{who}");
            let pairs = neighbours(subject, frame);
            for open in [Label::Background, Label::RightVentricle] {
                let leaks = touching(&pairs, Label::LeftVentricle, open);
                assert_eq!(leaks, 0, "{who}: {} leaks into {open:?}", frame.cardiac_phase.name());
            }
            let septum = touching(&pairs, Label::RightVentricle, Label::Myocardium);
            assert!(septum > 40, "{who}: right ventricle touches the septum at {septum} pixels");
        }
    }
}

/// Blood is brighter than the wall, by a contrast that depends on the vendor; so do resolution
/// and the scale of intensities.
#[test]
fn vendors_differ() {
    let subjects = brief(32, 5).draw();
    let mean = |subject: &Subject, label: Label| {
        let values = subject.stack.voxels.iter().zip(&subject.frames[0].labels);
        let (sum, count) = values
            .filter(|&(_, &l)| l == label as u8)
            .fold((0.0, 0.0), |(sum, count), (v, _)| (sum + f64::from(*v), count + 1.0));
        sum / count
    };
    let of = |vendor: Vendor, measure: &dyn Fn(&Subject) -> f64| {
        let here = subjects.iter().filter(|s| s.vendor.as_deref() == Some(vendor.name()));
        here.map(measure).sum::<f64>() / 8.0
    };
    let blood = |s: &Subject| mean(s, Label::LeftVentricle);
    let contrast = |s: &Subject| blood(s) / mean(s, Label::Myocardium);
    assert!(subjects.iter().all(|s| contrast(s) > 1.2), "blood must outshine muscle");
    assert!(of(Vendor::C, &contrast) > 1.3 * of(Vendor::D, &contrast));
    assert!(of(Vendor::D, &blood) > 5.0 * of(Vendor::A, &blood));
    let spacing = |s: &Subject| f64::from(s.stack.spacing[0]);
    assert!(of(Vendor::D, &spacing) > 1.15 * of(Vendor::B, &spacing));
}

/// The ventricle fills again after systole: the bright voxels of the cavity's region at end of
/// diastole dim towards systole and come back.
#[test]
fn the_heart_beats() {
    let subject = cohort(1, 2).subject(0);
    let stack = &subject.stack;
    let labels = &subject.frames[0].labels;
    let brightness: Vec<f32> = (0..stack.phases)
        .map(|phase| {
            let volume = &stack.voxels[phase * labels.len()..(phase + 1) * labels.len()];
            let inside =
                volume.iter().zip(labels).filter(|&(_, &l)| l == Label::LeftVentricle as u8);
            inside.map(|(v, _)| v).sum()
        })
        .collect();
    let systole = subject.frames[1].phase;
    let lowest = brightness.iter().copied().fold(f32::INFINITY, f32::min);
    assert!(brightness[systole] < 0.8 * brightness[0], "{brightness:?}");
    assert!(lowest > 0.98 * brightness[systole], "{brightness:?} at {systole}");
    assert!(brightness[stack.phases - 1] > 0.9 * brightness[0], "{brightness:?}");
}
