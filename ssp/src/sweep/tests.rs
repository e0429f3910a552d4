use super::*;
use crate::settings::Preset;

fn plan(counts: Vec<Option<usize>>) -> Result<Plan> {
    let arms = [Method::Scratch, Method::Mim];
    Plan {
        arms: arms.map(|method| Settings::preset(Preset::Demo, method)).to_vec(),
        counts,
        seeds: vec![0, 1],
        data: vec![],
        test: vec![],
    }
    .settled()
}

#[test]
fn every_arm_and_seed_holds_out_the_same_subjects() {
    let plan = plan(vec![None, Some(4), Some(2)]).unwrap();
    assert_eq!(plan.counts, [Some(2), Some(4), None]);
    let cells = plan.cells();
    assert_eq!(cells.len(), 12);
    assert_eq!(cells[0].name(), "scratch-2-s0");
    assert_eq!(cells[11].name(), "mim-all-s1");
    for cell in cells {
        let settings = cell.settings(&plan);
        assert_eq!((settings.seed, settings.subjects.split_seed), (cell.seed, Some(0)));
        assert_eq!(settings.labelled, cell.labelled.unwrap_or(0));
    }
}

#[test]
fn plans_of_nothing_or_of_the_same_twice_are_refused() {
    let error = plan(vec![]).unwrap_err().to_string();
    assert!(error.contains("a count"), "{error}");
    let mut twice = plan(vec![None]).unwrap();
    twice.arms.push(twice.arms[0].clone());
    let error = twice.settled().unwrap_err().to_string();
    assert!(error.contains("scratch stands twice"), "{error}");
}

#[test]
fn a_folder_keeps_its_plan() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Plan::read(folder.path()).unwrap_err().to_string().contains("holds no sweep"));
    let one = plan(vec![None]).unwrap();
    one.keep(folder.path()).unwrap();
    one.keep(folder.path()).unwrap();
    assert_eq!(Plan::read(folder.path()).unwrap(), one);
    let error = plan(vec![Some(3)]).unwrap().keep(folder.path()).unwrap_err().to_string();
    assert!(error.contains("another plan"), "{error}");
}

/// Values of `scipy.stats.wilcoxon` (1.17), exact and approximate.
#[test]
fn wilcoxon_is_that_of_scipy() {
    let close = |found: Option<f64>, wanted: f64| {
        assert!((found.unwrap() - wanted).abs() < 1e-10, "{found:?}, not {wanted}");
    };
    close(wilcoxon(&[0.5, -0.2, 0.9, 1.1, -0.1, 0.7]), 0.15625);
    close(wilcoxon(&[1.0, 2.0, 3.0, 4.0, 5.0]), 0.0625);
    close(wilcoxon(&[1.0, 1.0, -2.0, 3.0, 0.0, 4.0, -1.0]), 0.3400846081830643);
    assert_eq!(wilcoxon(&[0.0, 0.0]), None);
}

#[test]
fn holm_steps_down() {
    let corrected = holm(&[0.01, 0.04, 0.03, 0.5]);
    let wanted = [0.04, 0.09, 0.09, 0.5];
    for (found, wanted) in corrected.iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-12, "{corrected:?}");
    }
}
