//! Label maps of two folders are compared where they lie, or left out by name.

use data::testing::{NiftiFile, TestFolder};

use super::*;

#[test]
fn files_with_one_phase_each_can_belong_to_one_subject() {
    let names = ["p1_ED", "p1_ES", "p2_frame01", "p2_frame12", "p3_frame05", "p4"];
    let names = names.map(str::to_owned);
    let found: Vec<_> =
        identify(&names).into_iter().map(|p| (p.subject, p.moment, p.first_phase)).collect();
    let wanted = [
        ("p1", CardiacPhase::EndDiastole, 0),
        ("p1", CardiacPhase::EndSystole, 0),
        ("p2", CardiacPhase::Other, 0),
        ("p2", CardiacPhase::Other, 11),
        ("p3_frame05", CardiacPhase::Other, 0),
        ("p4", CardiacPhase::Other, 0),
    ];
    assert_eq!(found, wanted.map(|(name, moment, first)| (name.to_owned(), moment, first)));
}

/// A left ventricle in a ring of myocardium, in three slices of 12 x 10 voxels, and a right ventricle
/// beside it.
fn heart(numbers: [u8; 3]) -> Vec<u8> {
    let mut labels = vec![0; 12 * 10 * 3];
    for k in 0..3usize {
        for j in 0..10usize {
            for i in 0..12usize {
                labels[(k * 10 + j) * 12 + i] = match i.abs_diff(4).max(j.abs_diff(5)) {
                    0..=1 => numbers[0],
                    2 => numbers[1],
                    3 | 4 if i > 6 => numbers[2],
                    _ => 0,
                };
            }
        }
    }
    labels
}

/// A map of 3 x 3 x 10 mm from an origin of 0, along the axes or against the first.
fn map(labels: &[u8], reversed: bool) -> NiftiFile {
    let (step, first) = if reversed { (-3.0, 33.0) } else { (3.0, 0.0) };
    let rows = [[step, 0.0, 0.0, first], [0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 10.0, 0.0]];
    let spacing = [3.0, 3.0, 10.0];
    NiftiFile { spacing, sform: Some(rows), ..NiftiFile::of_u8(&[12, 10, 3], labels) }
}

fn compare(root: &TestFolder) -> Result<FolderComparison> {
    compare_folders((&root.path("p"), None), (&root.path("t"), None))
}

#[test]
fn predictions_are_compared_where_they_lie_in_space() {
    let root = TestFolder::new();
    let labels = heart([1, 2, 3]);
    let mirrored: Vec<u8> = labels.chunks(12).flat_map(|row| row.iter().rev().copied()).collect();
    root.nifti("t/a.nii", &map(&labels, false));
    root.nifti("p/a.nii", &map(&mirrored, true));
    let found = compare(&root).unwrap();
    assert_eq!(found.results.mean(), 1.0);
    assert!(found.doubts.is_empty() && found.notes[0].contains("-i j k"), "{:?}", found.notes);
    let true_ml = found.results.frames[0].measurements.unwrap().true_ml;
    assert!((true_ml[0] - 27.0 * 0.09).abs() < 1e-9, "{true_ml:?}");

    // From the same origin, and away from it, they are in different places.
    let elsewhere = NiftiFile {
        sform: Some([[-3.0, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 10.0, 0.0]]),
        ..map(&mirrored, true)
    };
    root.nifti("p/a.nii", &elsewhere);
    let line = compare(&root).err().unwrap().to_string();
    assert!(line.contains("p/a.nii") && line.contains("LAS") && line.contains("RAS"), "{line}");
    let coarse = NiftiFile { spacing: [2.0, 2.0, 8.0], sform: None, ..map(&labels, false) };
    root.nifti("p/a.nii", &coarse);
    let line = compare(&root).err().unwrap().to_string();
    assert!(line.contains("2 x 2 x 8") && line.contains("3 x 3 x 10"), "{line}");
    let unknown = NiftiFile { spacing: [1.0; 3], sform: None, ..map(&labels, false) };
    root.nifti("p/a.nii", &unknown);
    let found = compare(&root).unwrap();
    assert!(found.warnings()[0].contains("1 x 1 x 1") && found.results.mean() == 1.0);
    assert_eq!(found.doubts[0].0, "a");
}

#[test]
fn the_ventricle_within_myocardium_is_the_left_one() {
    let root = TestFolder::new();
    root.nifti("t/a.nii", &map(&heart([3, 2, 0]), false));
    root.nifti("p/a.nii", &map(&heart([1, 2, 0]), false));
    let found = compare(&root).unwrap();
    assert_eq!((found.labels, found.labels_assumed), (Numbering::Acdc, false));
    assert_eq!((found.predictions, found.results.mean()), (Numbering::Study, 1.0));
    let measured = found.results.frames[0].measurements.unwrap();
    assert!(measured.true_ml[0] > 0.0 && measured.true_ml[2] == 0.0, "{measured:?}");
    root.nifti("p/a.nii", &map(&heart([3, 2, 1]), false));
    assert_eq!(compare(&root).unwrap().predictions, Numbering::Acdc);
    // Without myocardium there is no evidence.
    root.nifti("t/a.nii", &map(&heart([1, 0, 0]), false));
    assert!(compare(&root).unwrap().labels_assumed);
}

/// Only one of the two would be compared, and no message would say which.
#[test]
fn a_map_with_and_without_gt_in_one_folder_is_refused() {
    let ours = map(&heart([1, 2, 3]), false);
    for folder in ["p", "t"] {
        let root = TestFolder::new();
        root.nifti("t/a_gt.nii", &ours);
        root.nifti("p/a.nii", &ours);
        assert_eq!(compare(&root).unwrap().results.frames.len(), 1);
        root.nifti(&format!("{folder}/a.nii"), &ours);
        root.nifti(&format!("{folder}/a_gt.nii"), &ours);
        let line = compare(&root).err().unwrap().to_string();
        assert!(line.contains("a.nii") && line.contains("a_gt.nii"), "{line}");
        assert!(line.contains("keep only one"), "{line}");
    }
}

#[test]
fn doubtful_truth_is_named_by_subject() {
    let doubts = |files: &[(&str, NiftiFile)]| -> Vec<(String, String)> {
        let root = TestFolder::new();
        for (name, file) in files {
            root.nifti(&format!("t/{name}.nii"), file);
            root.nifti(&format!("p/{name}.nii"), file);
        }
        compare(&root).unwrap().doubts
    };
    let whole = map(&heart([1, 2, 3]), false);
    assert_eq!(doubts(&[("a_ED", whole.clone()), ("a_ES", whole.clone())]), []);
    let named = |files: &[(&str, NiftiFile)], part: &str| {
        let found = doubts(files);
        let line = found.iter().find(|(_, line)| line.contains(part));
        assert_eq!(line.map(|(subject, _)| subject.as_str()), Some("a"), "{found:?}");
    };
    // Frames of one subject: the ejection fraction is computed from both.
    let coarse = NiftiFile { spacing: [2.5, 2.5, 10.0], sform: None, ..whole.clone() };
    named(&[("a_ED", whole.clone()), ("a_ES", coarse)], "3 x 3 x 10");
    named(&[("a", map(&heart([1, 2, 0]), false))], "the true labels of phase 0 have no RV");
    named(&[("a", map(&heart([2, 1, 3]), false))], "surrounded by label 1");
    // Predictions of two of the three slices.
    let root = TestFolder::new();
    root.nifti("t/a.nii", &whole);
    let part = NiftiFile::of_u8(&[12, 10, 2], &heart([1, 2, 3])[..240]);
    let part = NiftiFile { spacing: [3.0, 3.0, 10.0], sform: whole.sform, ..part };
    root.nifti("p/a.nii", &part);
    let lines = compare(&root).unwrap().warnings();
    let labelled = heart([1, 2, 3]).iter().filter(|&&label| label != 0).count();
    let missed = format!("{} labelled voxels lie outside", labelled / 3);
    assert!(lines.iter().any(|line| line.contains(&missed)), "{lines:?}");
    let default = NiftiFile { spacing: [1.0; 3], sform: None, ..whole.clone() };
    named(&[("a", default)], "spacing 1 x 1 x 1 mm is unusual");
}

#[test]
fn a_single_frame_with_several_phases_is_refused() {
    let root = TestFolder::new();
    let twice = heart([1, 2, 3]).repeat(2);
    for folder in ["p", "t"] {
        root.nifti(&format!("{folder}/a_ED.nii"), &NiftiFile::of_u8(&[12, 10, 3, 2], &twice));
        root.nifti(&format!("{folder}/a_ES.nii"), &NiftiFile::of_u8(&[12, 10, 3, 2], &twice));
    }
    let line = compare(&root).err().unwrap().to_string();
    assert!(line.contains("a_ED") && line.contains("2 phases"), "{line}");
}

#[test]
fn maps_that_cannot_be_compared_are_left_out_by_name() {
    let root = TestFolder::new();
    for name in ["a", "b", "c"] {
        root.nifti(&format!("p/{name}.nii"), &map(&heart([1, 2, 3]), false));
    }
    root.nifti("t/a.nii", &map(&heart([1, 2, 3]), false));
    root.nifti("t/b.nii", &map(&[0; 360], false));
    let found = compare(&root).unwrap();
    let ids: Vec<_> = found.results.frames.iter().map(|row| row.subject.as_str()).collect();
    assert_eq!(ids, ["a"]);
    let lines = found.warnings().join("\n");
    assert!(lines.contains("b: the true labels have no label other than 0"), "{lines}");
    assert!(lines.contains("has no labels for them: c"), "{lines}");
    std::fs::remove_file(root.path("t/a.nii")).unwrap();
    assert!(compare(&root).err().unwrap().to_string().contains("nothing to compare"));
}
