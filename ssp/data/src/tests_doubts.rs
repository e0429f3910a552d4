//! Geometry, names and label numbers that are doubtful, in warnings and refusals.

use super::nifti::{HeaderField, read_header};
use super::open::open;
use super::testing::{NiftiFile, SIZE, TestFolder, cine, frame, labels, ramp};
use super::*;

fn assert_contains(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part}: {line}");
    }
}

fn refusal(root: &TestFolder) -> String {
    open(root.path("")).err().unwrap().to_string()
}

#[test]
fn phases_of_a_subject_that_are_named_in_two_ways_are_refused() {
    for (first, second) in [("p1_ED", "p1_frame12"), ("p1", "p1_ED"), ("p1_frame03", "p1")] {
        let root = TestFolder::new();
        root.nifti(&format!("images/{first}.nii"), &frame(0));
        root.nifti(&format!("images/{second}.nii"), &frame(1));
        root.nifti("images/p12_ED.nii", &frame(2));
        assert_contains(&refusal(&root), &[first, second, "same subject"]);
    }
}

#[test]
fn volumes_beside_subjects_that_are_part_of_none_are_named() {
    let root = TestFolder::new();
    root.nifti("set/A1/A1_sa.nii", &cine(2));
    root.bytes("set/info.csv", b"External code,Vendor,Pathology\nA1,A,DCM\n");
    assert_eq!(open(root.path("")).unwrap().warnings(), [""; 0]);
    // A mistyped name, a loose file, and one that is far away.
    root.nifti("set/A2/A3_sa.nii.gz", &cine(2));
    root.nifti("set/B1_sa.nii", &cine(2));
    root.nifti("other/results/b.nii", &cine(2));
    let set = open(root.path("")).unwrap();
    let [warning] = set.warnings() else { panic!("{:?}", set.warnings()) };
    assert_contains(warning, &["A3_sa.nii.gz", "B1_sa.nii", "not used"]);
    assert!(!warning.contains("b.nii,") && !warning.contains("more"), "{warning}");

    let root = TestFolder::new();
    root.nifti("images/a.nii", &cine(2));
    assert!(open(root.path("")).unwrap().warnings().is_empty());
    root.nifti("b.nii", &cine(2));
    assert_contains(&open(root.path("")).unwrap().warnings()[0], &["b.nii", "not used"]);
}

/// A cavity in a ring, and a structure beside it, in three slices of 20 x 20 voxels.
fn heart([cavity, ring, beside]: [u8; 3]) -> Vec<u8> {
    let label = |at: usize| {
        let (i, j) = (at % 20, at / 20 % 20);
        match i.abs_diff(7).max(j.abs_diff(9)) {
            0..=2 => cavity,
            3 => ring,
            4 | 5 if i > 10 => beside,
            _ => 0,
        }
    };
    (0..1200).map(label).collect()
}

/// All subjects of a folder are read in one numbering, also one whose own labels do not show it.
#[test]
fn the_label_numbers_of_acdc_are_recognised_in_a_plain_folder() {
    let load = |numbers: [[u8; 3]; 2]| {
        let root = TestFolder::new();
        for (name, numbers) in ["a", "b"].into_iter().zip(numbers) {
            let image = NiftiFile::of_i16(&[20, 20, 3], &ramp(1200));
            root.nifti(&format!("images/{name}.nii"), &image);
            let map = NiftiFile::of_u8(&[20, 20, 3], &heart(numbers));
            root.nifti(&format!("labels/{name}.nii"), &map);
        }
        let set = open(root.path("")).unwrap();
        [0, 1].map(|index| set.load(index).unwrap())
    };
    let warned = |loaded: &LoadedSubject| {
        loaded.diagnostics.warnings.iter().any(|line| line.contains("taken for RV and LV"))
    };
    let as_meant = load([[1, 2, 3], [1, 0, 0]]);
    let as_acdc = load([[3, 2, 1], [3, 0, 0]]);
    for (found, meant) in as_acdc.iter().zip(&as_meant) {
        assert_eq!(found.subject.frames, meant.subject.frames);
        assert!(warned(found) && !warned(meant));
    }
    let odd = load([[2, 1, 3], [2, 1, 3]]);
    let lines = odd[0].diagnostics.warnings.join("\n");
    assert_contains(&lines, &["label 2 (MYO) is surrounded by label 1 (LV)"]);
    assert!(!warned(&odd[0]));
}

#[test]
fn labels_of_the_size_of_the_image_that_lie_beside_it_are_a_warning() {
    let root = TestFolder::new();
    let at = |x: f32| Some([[1.5, 0.0, 0.0, x], [0.0, 1.25, 0.0, 7.0], [0.0, 0.0, 10.0, 9.0]]);
    root.nifti("images/a.nii", &NiftiFile { sform: at(30.0), ..cine(1) });
    let map = |x: f32| NiftiFile { sform: at(x), ..labels(1, &[(0, 1, 2)]) };
    let warnings = |x: f32| {
        root.nifti("labels/a.nii", &map(x));
        let loaded = open(root.path("")).unwrap().load(0).unwrap();
        let lines = loaded.diagnostics.warnings.into_iter();
        lines.filter(|line| line.contains("beside")).collect::<Vec<_>>()
    };
    assert!(warnings(30.0).is_empty());
    assert_contains(
        &warnings(33.0)[0],
        &["labels lie 2, 0, 0 voxels", "image", "copy the geometry"],
    );
}

/// Voxels are paired as stored if one header has no spacing; volumes are then of the spacing that the
/// warning names.
#[test]
fn an_image_without_a_spacing_takes_that_of_its_labels() {
    let root = TestFolder::new();
    root.nifti("images/a.nii", &NiftiFile { spacing: [1.0; 3], sform: None, ..cine(1) });
    let map = NiftiFile { spacing: [2.0, 2.0, 8.0], sform: None, ..labels(1, &[(0, 1, 9)]) };
    root.nifti("labels/a.nii", &map);
    let loaded = open(root.path("")).unwrap().load(0).unwrap();
    assert_eq!(loaded.subject.stack.spacing, [2.0, 2.0, 8.0]);
    assert_contains(&loaded.diagnostics.warnings[0], &["2 x 2 x 8", "that of the labels is used"]);
}

/// The warnings of a header of 2 x 2 x 2 voxels.
fn of_header(file: &NiftiFile, change: impl Fn(&mut Vec<u8>)) -> (Vec<String>, Vec<String>) {
    let mut bytes = file.bytes();
    change(&mut bytes);
    let header = read_header(TestFolder::new().bytes("a.nii", &bytes)).unwrap();
    (header.diagnostics.warnings, header.diagnostics.notes)
}

#[test]
fn a_form_that_is_no_affine_is_reported() {
    let rows = [[1.5, 0.0, 0.0, 5.0], [0.0, 1.5, 0.0, 6.0], [0.0, 0.0, 10.0, 7.0]];
    let sform = |change: &dyn Fn(&mut [[f32; 4]; 3])| {
        let mut rows = rows;
        change(&mut rows);
        let spacing = [1.5, 1.5, 10.0];
        NiftiFile { spacing, sform: Some(rows), ..NiftiFile::of_i16(&[2, 2, 2], &ramp(8)) }
    };
    let same = |_: &mut Vec<u8>| {};
    assert_eq!(of_header(&sform(&|_| {}), same), (vec![], vec![]));
    let broken = sform(&|rows| rows[0][0] = f32::NAN);
    let (warnings, _) = of_header(&broken, same);
    assert_contains(&warnings[0], &["the sform is no affine", "unknown"]);
    // The other form takes its place.
    let both = NiftiFile { qform: Some([0.0, 0.0, 0.0, 5.0, 6.0, 7.0]), ..broken.clone() };
    let (warnings, notes) = of_header(&both, same);
    assert!(warnings.is_empty());
    assert_contains(&notes[0], &["the sform is no affine", "the qform is used"]);
    let flat = sform(&|rows| rows[2] = [0.0; 4]);
    assert_contains(&of_header(&flat, same).0[0], &["the sform is no affine"]);
    let quaternion = NiftiFile { qform: Some([5.0, 0.0, 0.0, 0.0, 0.0, 0.0]), sform: None, ..flat };
    assert_contains(&of_header(&quaternion, same).0[0], &["the qform is no affine"]);
    // A code of 0 says that the sform is not set; its rows may be left over, or the code forgotten.
    let unset = |bytes: &mut Vec<u8>| bytes[254] = 0;
    assert_eq!(of_header(&sform(&|_| {}), unset).0, [""; 0]);
    let forgotten = NiftiFile { spacing: [1.0; 3], ..sform(&|_| {}) };
    assert_contains(
        &of_header(&forgotten, unset).0[0],
        &["1 x 1 x 1", "1.5 x 1.5 x 10", "code is 0"],
    );
}

#[test]
fn axes_that_are_not_perpendicular_are_a_warning() {
    let sheared = |by: f32| {
        let rows = [[1.5, 0.0, by, 0.0], [0.0, 1.5, 0.0, 0.0], [0.0, 0.0, 10.0, 0.0]];
        let spacing = [1.5, 1.5, 10f32.hypot(by)];
        NiftiFile { spacing, sform: Some(rows), ..NiftiFile::of_i16(&[2, 2, 2], &ramp(8)) }
    };
    assert!(of_header(&sheared(0.3), |_| {}).0.is_empty(), "rounding");
    let (warnings, _) = of_header(&sheared(6.0), |_| {});
    assert_contains(&warnings[0], &["axes i and k of the sform are 59 degrees apart", "resample"]);
}

#[test]
fn an_assumed_slice_thickness_is_a_warning_and_units_are_named() {
    let file = |spacing, k: usize| NiftiFile {
        spacing,
        sform: None,
        ..NiftiFile::of_i16(&[9, 10, k], &ramp(90 * k))
    };
    let single = file([1.5, 1.5, 0.0], 1);
    assert_contains(&of_header(&single, |_| {}).0[0], &["no slice thickness", "1 mm"]);
    assert!(of_header(&file([1.5, 1.5, 8.0], 1), |_| {}).0.is_empty());
    let root = TestFolder::new();
    let mut bytes = file([1.5, 1.5, 8.0], 2).bytes();
    bytes[123] = 1;
    let line = read_header(root.bytes("a.nii", &bytes)).unwrap_err().to_string();
    assert_contains(&line, &["1500 x 1500 x 8000 mm", "stored in metres"]);
    let header = read_header(root.nifti("b.nii", &file([1.5, 1.5, 8.0], 2))).unwrap();
    assert_eq!(header.geometry.spacing_source, HeaderField::Pixdim);
    assert_eq!(header.voxels_per_phase(), 2 * SIZE);
}
