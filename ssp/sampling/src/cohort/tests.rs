//! Cohorts of data sets that are made for the test.

use data::testing::{NiftiFile, TestFolder, cine, frame, labels};

use super::*;

/// A subject of M&Ms-2 that may be in M&Ms too must not train here and be tested on there.
#[test]
fn subjects_of_mnms2_that_may_be_in_mnms_are_used_once() {
    let root = TestFolder::new();
    for id in ["001", "002", "003"] {
        let file = |name: &str| format!("MnM2/dataset/{id}/{id}_{name}.nii.gz");
        root.nifti(&file("SA_ED"), &frame(3));
        root.nifti(&file("SA_ES"), &frame(1));
        root.nifti(&file("SA_ED_gt"), &labels(1, &[(0, 1, 9)]));
        root.nifti(&file("SA_ES_gt"), &labels(1, &[(0, 1, 4)]));
    }
    let table = "SUBJECT_CODE,DISEASE,VENDOR,SCANNER,FIELD\n1,LV,SIEMENS,Avanto,1.5\n2,TRI,GE,,\n";
    root.bytes("MnM2/dataset_information.csv", table.as_bytes());
    root.nifti("MnM/dataset/X/X_sa.nii.gz", &cine(2));

    // As two folders, in one cohort or in two that are used together, but not by themselves.
    let [mnms, mnms2] = ["MnM", "MnM2"].map(|name| [root.path(name)]);
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
    assert_eq!(left_out(&[root.path("")], &mm2, none), 0);
    assert_eq!(left_out(&mnms2, all, (&mnms, &mm2)), 0);

    // A table that changed is read again.
    let changed = table.replace("2,TRI", "2,HCM");
    root.bytes("MnM2/dataset_information.csv", changed.as_bytes());
    assert_eq!(left_out(&mnms2, all, none), 0);
    let cohort = Cohort::open(&mnms2, cache.path(), |_, _| {}).unwrap();
    assert_eq!(cohort.cache.subject(1).pathology(), Some("HCM"));
}

/// If another program saved labels with an axis reversed, mirrored labels would be learnt.
#[test]
fn a_cohort_has_the_warnings_of_its_subjects() {
    let root = TestFolder::new();
    let sform = |right: f32, x: f32| {
        Some([[right, 0.0, 0.0, x], [0.0, 1.25, 0.0, -40.0], [0.0, 0.0, 10.0, 20.0]])
    };
    root.nifti("images/a.nii", &NiftiFile { sform: sform(-1.5, 30.0), ..cine(2) });
    let drawn = labels(2, &[(0, 1, 40), (1, 1, 30)]);
    let warnings = |sform| {
        root.nifti("labels/a.nii", &NiftiFile { sform, ..drawn.clone() });
        let cache = tempfile::tempdir().unwrap();
        Cohort::open(&[root.path("")], cache.path(), |_, _| {}).unwrap().warnings
    };
    assert!(warnings(sform(-1.5, 30.0)).is_empty());
    let found = warnings(sform(1.5, 22.5));
    let [(id, what)] = &found[..] else { panic!("one warning") };
    assert!(id == "a" && what.contains("run RAS, of the image LAS"), "{id}: {what}");

    // A cache that is there says the same.
    let cache = tempfile::tempdir().unwrap();
    let reads = std::sync::atomic::AtomicUsize::new(0);
    let count = |_, _| {
        reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    let open = || Cohort::open(&[root.path("")], cache.path(), count).unwrap().warnings;
    assert_eq!((open(), open()), (found.clone(), found));
    assert_eq!(reads.into_inner(), 1);
}

/// Saved in another way, under another name, or a part of it.
#[test]
fn subjects_that_share_images_are_named() {
    let root = TestFolder::new();
    let (size, phase) = ([20, 18, 3], 20 * 18 * 3);
    let voxels = data::testing::ramp(3 * phase);
    let image = |from: usize, phases: usize| {
        let dims = [&size[..], &[phases]].concat();
        NiftiFile::of_i16(&dims, &voxels[from * phase..][..phases * phase])
    };
    root.nifti("images/a.nii", &image(0, 2));
    root.nifti("images/b.nii.gz", &NiftiFile { spacing: [2.0, 2.0, 8.0], ..image(1, 1) });
    root.nifti("images/c.nii", &image(2, 1));
    let cache = tempfile::tempdir().unwrap();
    let cohort = Cohort::open(&[root.path("")], cache.path(), |_, _| {}).unwrap();
    let shared: Vec<_> =
        cohort.warnings.iter().filter(|(_, what)| what.contains("same images")).collect();
    let [(id, what)] = shared[..] else { panic!("one pair: {shared:?}") };
    assert!(id == "a" && what.contains("subject b") && what.contains("3 of 3"), "{id}: {what}");
}
