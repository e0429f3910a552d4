//! Cohorts of data sets that are made for the test.

use std::fs;
use std::path::PathBuf;

use data::testing::{Draft, blobs, ramp};

use super::*;

const DIMS: [usize; 3] = [6, 5, 3];
const SIZE: usize = 90;

fn image(phases: usize) -> Draft {
    Draft::of_i16(&[DIMS[0], DIMS[1], DIMS[2], phases], &ramp(SIZE * phases))
}

fn labels(phases: usize, of: &[(usize, u8, usize)]) -> Draft {
    Draft::of_u8(&[DIMS[0], DIMS[1], DIMS[2], phases], &blobs(SIZE, phases, of))
}

/// The given phase of [`image`] as a file of its own.
fn frame(phase: usize, phases: usize) -> Draft {
    Draft::of_i16(&DIMS, &ramp(SIZE * phases)[phase * SIZE..(phase + 1) * SIZE])
}

/// A subject of M&Ms-2 that may be in M&Ms too must not train here and be tested on there.
#[test]
fn subjects_of_mnms2_that_may_be_in_mnms_are_used_once() {
    let root = tempfile::tempdir().unwrap();
    for id in ["001", "002", "003"] {
        let file = |name: &str| root.path().join(format!("MnM2/dataset/{id}/{id}_{name}.nii.gz"));
        frame(3, 5).write(file("SA_ED"));
        frame(1, 5).write(file("SA_ES"));
        labels(1, &[(0, 1, 9)]).write(file("SA_ED_gt"));
        labels(1, &[(0, 1, 4)]).write(file("SA_ES_gt"));
    }
    let file = root.path().join("MnM2/dataset_information.csv");
    let table = "SUBJECT_CODE,DISEASE,VENDOR,SCANNER,FIELD\n1,LV,SIEMENS,Avanto,1.5\n2,TRI,GE,,\n";
    fs::write(&file, table).unwrap();
    image(2).write(root.path().join("MnM/dataset/X/X_sa.nii.gz"));

    // As two folders, in one cohort or in two that are used together, but not by themselves.
    let [mnms, mnms2] = ["MnM", "MnM2"].map(|name| [root.path().join(name)]);
    let cache = tempfile::tempdir().unwrap();
    let all: &[String] = &[];
    let left_out = |folders: &[PathBuf], subsets: &[String], beside: (&[PathBuf], &[String])| {
        let cohort =
            Cohort::open_beside(folders, subsets, beside, cache.path(), |_, _| {}).unwrap();
        assert!(cohort.left_out.iter().all(|member| cohort.cache.find(&member.id).is_none()));
        cohort.left_out.len()
    };
    let none: (&[PathBuf], &[String]) = (&[], &[]);
    assert_eq!(left_out(&[&mnms2[..], &mnms].concat(), all, none), 2);
    assert_eq!(left_out(&mnms2, all, (&mnms, &[])), 2);
    assert_eq!(left_out(&mnms2, all, none), 0);
    let mm2 = ["mm2".to_owned()];
    assert_eq!(left_out(&[root.path().into()], &mm2, none), 0);
    assert_eq!(left_out(&mnms2, all, (&mnms, &mm2)), 0);

    // A table that changed is read again.
    fs::write(&file, table.replace("2,TRI", "2,HCM")).unwrap();
    assert_eq!(left_out(&mnms2, all, none), 0);
    let cohort = Cohort::open(&mnms2, cache.path(), |_, _| {}).unwrap();
    assert_eq!(cohort.cache.subject(1).pathology(), Some("HCM"));
}

/// Labels that another program saved with an axis the other way would be learnt mirrored.
#[test]
fn labels_that_run_otherwise_than_their_image_are_warned_of() {
    let root = tempfile::tempdir().unwrap();
    let file = |name: &str| root.path().join(name);
    let place = |right: f32, x: f32| {
        Some([[right, 0.0, 0.0, x], [0.0, 1.25, 0.0, -40.0], [0.0, 0.0, 10.0, 20.0]])
    };
    Draft { sform: place(-1.5, 30.0), ..image(2) }.write(file("images/a.nii"));
    let drawn = labels(2, &[(0, 1, 40), (1, 1, 3)]);
    let warnings = |sform| {
        Draft { sform, ..drawn.clone() }.write(file("labels/a.nii"));
        let cache = tempfile::tempdir().unwrap();
        let cohort = Cohort::open(&[root.path().into()], cache.path(), |_, _| {}).unwrap();
        cohort.warnings.into_iter().map(|(id, what)| format!("{id}: {what}")).collect::<Vec<_>>()
    };
    let assert_stray = |warnings: Vec<String>| {
        let [stray] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert!(["a: ", "phase 1", " 3 ", "40"].iter().all(|part| stray.contains(part)), "{stray}");
    };
    assert_stray(warnings(place(-1.5, 30.0)));
    let found = warnings(place(1.5, 22.5));
    assert!(found[0].contains("RAS") && found[0].contains("LAS"), "{found:?}");
    // A matrix without a place, and none, tell nothing.
    assert_stray(warnings(None));
    let identity = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    assert_stray(warnings(Some(identity)));
}
