//! Cohorts of data sets that are made for the test.

use data::testing::{NiftiFile, TestFolder, cine, frame, labels};

use super::*;
use crate::split_file::SplitFile;

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

#[test]
fn a_cohort_has_the_warnings_of_its_subjects() {
    let root = TestFolder::new();
    let unit =
        |right: f32| Some([[right, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);
    root.nifti("images/a.nii", &NiftiFile { sform: unit(-1.0), ..cine(2) });
    let drawn = labels(2, &[(0, 1, 40), (1, 1, 30)]);
    let warnings = |sform| {
        root.nifti("labels/a.nii", &NiftiFile { sform, ..drawn.clone() });
        let cache = tempfile::tempdir().unwrap();
        Cohort::open(&[root.path("")], cache.path(), |_, _| {}).unwrap().warnings
    };
    let of_axes = |sform| {
        let found = warnings(sform).into_iter();
        found.filter(|(id, what)| id == "a" && what.contains("run RAS, of the image LAS")).count()
    };
    assert_eq!((of_axes(unit(-1.0)), of_axes(unit(1.0))), (0, 1));

    // A cache that is there says the same.
    let cache = tempfile::tempdir().unwrap();
    let reads = std::sync::atomic::AtomicUsize::new(0);
    let count = |_, _| {
        reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    root.nifti("labels/a.nii", &NiftiFile { sform: unit(1.0), ..drawn.clone() });
    let open = || Cohort::open(&[root.path("")], cache.path(), count).unwrap().warnings;
    assert_eq!((open(), open()), (warnings(unit(1.0)), warnings(unit(1.0))));
    assert_eq!(reads.into_inner(), 1);
}

/// A file system may store accents decomposed where an editor stores them composed.
#[test]
fn a_split_file_names_subjects_in_nfc_or_nfd() {
    let (nfc, nfd) = ("J\u{e9}r\u{f4}me", "Je\u{301}ro\u{302}me");
    let root = TestFolder::new();
    root.nifti(&format!("images/{nfd}.nii"), &cine(2));
    let cache = tempfile::tempdir().unwrap();
    let cohort = Cohort::open(&[root.path("")], cache.path(), |_, _| {}).unwrap();
    for name in [nfc, nfd] {
        let file = root.bytes("split.yaml", format!("test: [{name}]\n").as_bytes());
        let split = SplitFile::read(&file).unwrap();
        assert_eq!(split.resolve(&cohort, &|_| {}).unwrap().test.unwrap(), [nfc]);
    }
    let both = root.bytes("split.yaml", format!("test: [{nfc}, {nfd}]\n").as_bytes());
    let line = SplitFile::read(&both).unwrap_err().to_string();
    assert!(line.contains("is there twice"), "{line}");
}

/// A table that is there and not understood is a warning in every command, not only in `data inspect`.
#[test]
fn a_cohort_has_the_warnings_of_its_data_sets() {
    let root = TestFolder::new();
    root.nifti("MnM/dataset/X/X_sa.nii", &cine(2));
    root.bytes("MnM/info.csv", b"Code;Vendor\nX;B\n");
    let cache = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let cohort = Cohort::open(&[root.path("")], cache.path(), |_, _| {}).unwrap();
        let [line] = &cohort.set_warnings[..] else { panic!("one warning") };
        assert!(line.contains("info.csv has no column External code"), "{line}");
    }
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
