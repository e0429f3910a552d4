//! Data sets of every layout: in folders made for the test, and real ones.

use std::fs;
use std::path::Path;

use super::testing::{DIMS, NiftiFile, SIZE, TestFolder, cine, frame, labels, ramp, real};
use super::*;

fn cardiac_phases(subject: &Subject) -> Vec<(usize, CardiacPhase)> {
    subject.frames.iter().map(|frame| (frame.phase, frame.cardiac_phase)).collect()
}

fn counts(frame: &LabelledFrame) -> [usize; 3] {
    Label::STRUCTURES.map(|label| frame.count(label))
}

fn ids(entries: &[SubjectEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.id.as_str()).collect()
}

/// The error line of opening a path, which must contain all `parts`.
fn assert_refused(path: &Path, parts: &[&str]) {
    assert_contains(&open(path).err().unwrap().to_string(), parts);
}

/// The error line of loading a subject must contain all `parts`.
fn assert_load_fails(set: &Dataset, index: usize, parts: &[&str]) {
    assert_contains(&set.load(index).unwrap_err().to_string(), parts);
}

fn assert_contains(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part) && !line.contains('\n'), "{line:?} lacks {part:?}");
    }
}

/// The data set in a folder, which each of these folders must open.
fn open_from(root: &TestFolder, folders: &[&str], layout: DatasetLayout) -> Dataset {
    for folder in folders {
        let set = open(root.path(folder)).unwrap();
        assert_eq!((set.layout(), set.subjects().is_empty()), (layout, false), "{folder}");
    }
    open(root.path("")).unwrap()
}

#[test]
fn acdc_with_and_without_its_cine() {
    let root = TestFolder::new();
    for id in ["patient001", "patient002"] {
        let file = |name: &str| format!("database/training/{id}/{id}_{name}.nii.gz");
        root.nifti(&file("frame04"), &frame(3));
        root.nifti(&file("frame02"), &frame(1));
        root.nifti(&file("frame04_gt"), &labels(1, &[(0, 1, 9), (0, 2, 8), (0, 3, 7)]));
        root.nifti(&file("frame02_gt"), &labels(1, &[(0, 1, 6), (0, 2, 5), (0, 3, 4)]));
        let info = b"ED: 4\nES: 2\nGroup: DCM\nNbFrame: 5";
        root.bytes(&format!("database/training/{id}/Info.cfg"), info);
    }
    root.nifti("database/training/patient001/patient001_4d.nii.gz", &cine(5));
    let folders = ["", "database", "database/training", "database/training/patient001"];
    let set = open_from(&root, &folders, DatasetLayout::Acdc);
    for entry in set.subjects() {
        assert!(entry.labelled && entry.pathology.as_deref() == Some("DCM"));
    }
    let with_cine = set.load(0).unwrap().subject;
    assert_eq!(with_cine.stack.phases, 5);
    assert_eq!(
        cardiac_phases(&with_cine),
        [(1, CardiacPhase::EndSystole), (3, CardiacPhase::EndDiastole)]
    );
    assert_eq!(counts(&with_cine.frames[1]), [7, 8, 9], "left ventricle is 3, right ventricle 1");
    assert_eq!(set.subjects()[0].files.len(), 4, "cine, two label maps, Info.cfg");

    let stacked = set.load(1).unwrap().subject;
    assert_eq!(stacked.stack.phases, 2);
    assert_eq!(
        cardiac_phases(&stacked),
        [(0, CardiacPhase::EndSystole), (1, CardiacPhase::EndDiastole)]
    );
    assert_eq!(stacked.stack.spacing, [1.25, 1.5, 10.0], "rows are the file's j");
    assert_eq!(stacked.stack.slice(1, 0), with_cine.stack.slice(3, 0));
}

#[test]
fn a_broken_subject_does_not_affect_the_others() {
    let root = TestFolder::new();
    root.nifti("patient001/patient001_frame01.nii.gz", &frame(0));
    fs::create_dir(root.path("patient002")).unwrap();
    root.nifti("patient003/patient003_frame01.nii.gz", &frame(0));
    root.bytes("patient003/Info.cfg", b"ED: one");
    root.nifti("patient004/patient004_frame07_gt.nii.gz", &labels(1, &[(0, 1, 3)]));
    root.nifti("patient004/patient004_4d.nii.gz", &cine(5));
    let set = open_from(&root, &[""], DatasetLayout::Acdc);
    assert_eq!(set.subjects().len(), 4);
    assert!(set.load(0).is_ok() && !set.subjects()[0].labelled);
    assert_load_fails(&set, 1, &["patient002", "holds neither"]);
    assert!(set.load(2).is_ok(), "without labels, it does not matter which frames are ED and ES");
    assert_load_fails(&set, 3, &["patient004", "labels frame 7"]);
}

#[test]
fn mnms_labels_take_precedence_over_its_table() {
    let root = TestFolder::new();
    for id in ["A0S9V9", "B1C2D3"] {
        root.nifti(&format!("MnM/dataset/{id}/{id}_sa.nii.gz"), &cine(5));
    }
    let of = [(1, 1, 2), (1, 3, 3), (3, 1, 9), (3, 2, 8), (3, 3, 7)];
    root.nifti("MnM/dataset/A0S9V9/A0S9V9_sa_gt.nii.gz", &labels(5, &of));
    let table = "\u{feff},External code,VendorName,Vendor,Centre,ED,ES,Pathology\n\
                 0,A0S9V9,Siemens,A,1,0,9,HCM\n1,B1C2D3,Canon,D,5,0,9,\n";
    root.bytes("MnM/211230_M&Ms_Dataset_information_diagnosis.csv", table.as_bytes());
    let folders = ["", "MnM", "MnM/dataset", "MnM/dataset/A0S9V9"];
    let set = open_from(&root, &folders, DatasetLayout::Mnms);
    let [first, second] = set.subjects() else { panic!("two subjects") };
    assert_eq!((first.vendor.as_deref(), first.pathology.as_deref()), (Some("A"), Some("HCM")));
    assert!(first.labelled && !second.labelled && second.pathology.is_none());
    let loaded = set.load(0).unwrap();
    assert_eq!(
        cardiac_phases(&loaded.subject),
        [(1, CardiacPhase::EndSystole), (3, CardiacPhase::EndDiastole)]
    );
    assert_eq!(counts(&loaded.subject.frames[1]), [9, 8, 7]);
    assert_contains(&loaded.diagnostics.warnings[0], &["ED 0, ES 9", "ED 3, ES 1"]);
    assert!(set.load(1).unwrap().subject.frames.is_empty());
}

const MNMS2_TABLE: &str =
    "SUBJECT_CODE,DISEASE,VENDOR,SCANNER,FIELD\n1,LV,SIEMENS,Avanto,1.5\n2,TRI,GE,,\n";

/// Three subjects of M&Ms-2: with a cine, without one, and with a cine of somebody else.
fn mnms2_folder() -> TestFolder {
    let root = TestFolder::new();
    for id in ["001", "002", "003"] {
        let file = |name: &str| format!("MnM2/dataset/{id}/{id}_{name}.nii.gz");
        root.nifti(&file("SA_ED"), &frame(3));
        root.nifti(&file("SA_ES"), &frame(1));
        root.nifti(&file("LA_ED"), &frame(0));
        root.nifti(&file("SA_ED_gt"), &labels(1, &[(0, 1, 9)]));
        root.nifti(&file("SA_ES_gt"), &labels(1, &[(0, 1, 4)]));
    }
    root.nifti("MnM2/dataset/001/001_SA_CINE.nii.gz", &cine(5));
    let other: Vec<i16> = ramp(SIZE * 5).iter().map(|voxel| 2000 - voxel).collect();
    let other = NiftiFile::of_i16(&[DIMS[0], DIMS[1], DIMS[2], 5], &other);
    root.nifti("MnM2/dataset/003/003_SA_CINE.nii.gz", &other);
    root.bytes("MnM2/dataset_information.csv", MNMS2_TABLE.as_bytes());
    root
}

#[test]
fn mnms2_frames_are_found_in_the_cine() {
    let root = mnms2_folder();
    let set = open_from(&root, &["", "MnM2/dataset/001"], DatasetLayout::Mnms2);
    assert_eq!(ids(set.subjects()), ["001", "002", "003"]);
    assert_eq!(set.subjects()[0].vendor.as_deref(), Some("SIEMENS"));
    let in_cine = [(1, CardiacPhase::EndSystole), (3, CardiacPhase::EndDiastole)];
    assert_eq!(cardiac_phases(&set.load(0).unwrap().subject), in_cine);
    let stacked = [(0, CardiacPhase::EndDiastole), (1, CardiacPhase::EndSystole)];
    assert_eq!(cardiac_phases(&set.load(1).unwrap().subject), stacked);
    assert_load_fails(&set, 2, &["003_SA_ED.nii.gz", "not a phase of the cine"]);
}

#[test]
fn subjects_that_may_be_in_mnms_are_left_out_if_mnms_is_used() {
    let root = mnms2_folder();
    root.nifti("MnM/dataset/X/X_sa.nii.gz", &cine(2));
    assert_refused(&root.path(""), &["several data sets (M&Ms, M&Ms-2)"]);
    let sets = open_all(root.path("")).unwrap();
    assert_eq!(ids(sets[1].subjects()), ["002"]);
    assert_eq!(ids(sets[1].left_out()), ["001", "003"], "pathology LV, and not in the table");

    fs::remove_file(root.path("MnM2/dataset_information.csv")).unwrap();
    assert_refused(&root.path(""), &["without a table of pathologies", "dataset_information.csv"]);
}

#[test]
fn a_plain_folder_of_stacks() {
    let root = TestFolder::new();
    root.nifti("mine/images/b.nii.gz", &cine(5));
    root.nifti("mine/labels/b.nii", &labels(5, &[(2, 1, 5)]));
    root.nifti("mine/images/a_ED.nii", &frame(0));
    root.nifti("mine/labels/a_ED.nii.gz", &labels(1, &[(0, 3, 5)]));
    root.nifti("mine/images/c.nii", &cine(2));
    root.nifti("mine/labels/c.nii", &labels(1, &[(0, 3, 5)]));
    let folders = ["", "mine", "mine/images", "mine/labels"];
    let set = open_from(&root, &folders, DatasetLayout::Folder);
    assert_eq!(cardiac_phases(&set.load(0).unwrap().subject), [(0, CardiacPhase::EndDiastole)]);
    assert_eq!(cardiac_phases(&set.load(1).unwrap().subject), [(2, CardiacPhase::Other)]);
    assert_load_fails(&set, 2, &["labels/c.nii", "1 phases, and its image 2"]);
    root.nifti("mine/labels/lonely.nii", &labels(1, &[]));
    assert_refused(&root.path(""), &["lonely.nii", "labels without an image"]);
}

/// As separate subjects, one could be in the training set and the other in the test set.
#[test]
fn files_of_one_phase_each_are_one_subject() {
    let root = TestFolder::new();
    root.nifti("images/p1_ES.nii", &frame(3));
    root.nifti("images/p1_ed.nii.gz", &frame(1));
    root.nifti("labels/p1_ES.nii", &labels(1, &[(0, 1, 4)]));
    root.nifti("labels/p1_ed.nii.gz", &labels(1, &[(0, 1, 9)]));
    root.nifti("images/p2_ED.nii", &frame(0));
    // As nnU-Net names the frames of ACDC.
    for (phase, name, size) in [(3, "frame12", 4), (1, "frame01", 9), (2, "frame07", 6)] {
        root.nifti(&format!("images/q1_{name}.nii.gz"), &frame(phase));
        root.nifti(&format!("labels/q1_{name}.nii.gz"), &labels(1, &[(0, 1, size)]));
    }
    root.nifti("images/q2_frame01.nii.gz", &frame(0));
    let set = open_from(&root, &[""], DatasetLayout::Folder);
    assert_eq!(ids(set.subjects()), ["p1", "p2_ED", "q1", "q2_frame01"]);
    assert_eq!(set.subjects()[0].files.len(), 4);

    let named = set.load(0).unwrap().subject;
    assert_eq!(
        cardiac_phases(&named),
        [(0, CardiacPhase::EndDiastole), (1, CardiacPhase::EndSystole)]
    );
    assert!(
        named.frames[0].count(Label::LeftVentricle) > named.frames[1].count(Label::LeftVentricle)
    );
    assert_eq!(named.stack.phases, 2);

    let numbered = set.load(2).unwrap();
    let by_size =
        [(0, CardiacPhase::EndDiastole), (1, CardiacPhase::Other), (2, CardiacPhase::EndSystole)];
    assert_eq!(cardiac_phases(&numbered.subject), by_size);
    assert_contains(&numbered.diagnostics.warnings[0], &["3 phases carry labels"]);

    root.nifti("images/p1_ES.nii", &cine(2));
    assert_load_fails(&set, 0, &["p1_ES.nii", "has 2 phases"]);
}

/// Labels lie where their header says: if another program saved them with an axis reversed, they are
/// reversed again, and mirrored labels are not learnt.
#[test]
fn labels_are_put_where_they_are_in_space() {
    let root = TestFolder::new();
    let sform = |right: f32, x: f32| {
        Some([[right, 0.0, 0.0, x], [0.0, 1.25, 0.0, -40.0], [0.0, 0.0, 10.0, 20.0]])
    };
    root.nifti("images/a.nii", &NiftiFile { sform: sform(-1.5, 30.0), ..cine(2) });
    let drawn = labels(2, &[(0, 1, 40), (1, 1, 3)]);
    let load = |sform| {
        root.nifti("labels/a.nii", &NiftiFile { sform, ..drawn.clone() });
        open(root.path("")).unwrap().load(0)
    };
    let as_stored = load(sform(-1.5, 30.0)).unwrap();
    let eye = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    for placeholder in [None, Some(eye)] {
        let loaded = load(placeholder).unwrap();
        assert_eq!(loaded.subject, as_stored.subject);
        assert_eq!(loaded.diagnostics.warnings[0].contains("axes"), placeholder.is_some());
    }
    let reversed = load(sform(1.5, 22.5)).unwrap();
    assert_contains(&reversed.diagnostics.notes[0], &["moved", "-i j k"]);
    for (mirrored, frame) in as_stored.subject.frames.iter().zip(&reversed.subject.frames) {
        let rows = mirrored.labels.chunks(DIMS[0]).flat_map(|row| row.iter().rev());
        assert!(rows.eq(&frame.labels) && frame.labels != mirrored.labels);
    }
    let line = load(sform(1.5, 30.0)).unwrap_err().to_string();
    assert_contains(&line, &["labels/a.nii", "axes RAS", "axes LAS", "one grid in space"]);
}

/// The affines say that two frames were stored from opposite ends; both are read from the same one.
#[test]
fn frames_are_stacked_by_their_place_in_space() {
    let root = TestFolder::new();
    let affine = |down: f32, from: f32| {
        Some([[1.5, 0.2, 0.0, 1.0], [-0.2, 1.25, 0.0, 2.0], [0.0, 0.0, down, from]])
    };
    let first = NiftiFile { spacing: [1.513, 1.266, 10.0], sform: affine(10.0, 0.0), ..frame(0) };
    let turned = NiftiFile { sform: affine(-10.0, 20.0), ..first.clone() };
    let drawn = |sform| NiftiFile { spacing: first.spacing, sform, ..labels(1, &[(0, 1, 9)]) };
    root.nifti("images/a_ED.nii", &first);
    root.nifti("labels/a_ED.nii", &drawn(first.sform));
    root.nifti("images/a_ES.nii", &turned);
    root.nifti("labels/a_ES.nii", &drawn(turned.sform));
    let set = open(root.path("")).unwrap();
    let loaded = set.load(0).unwrap();
    let Stack { voxels, slices, rows, columns, .. } = &loaded.subject.stack;
    let slice = |phase: usize, slice: usize| loaded.subject.stack.slice(phase, slice).to_vec();
    assert_eq!((*slices, rows * columns, voxels.len()), (3, 30, 180));
    for at in 0..3 {
        assert_eq!(slice(0, at), slice(1, 2 - at));
    }
    let [ed, es] = loaded.subject.frames.as_slice() else { panic!("two frames") };
    assert!(ed.labels[..9].iter().chain(&es.labels[60..69]).all(|&label| label == 1));
    assert!(loaded.diagnostics.notes.iter().any(|note| note.contains("moved")));

    let elsewhere = NiftiFile { sform: affine(10.0, 50.0), ..first.clone() };
    root.nifti("images/a_ES.nii", &elsewhere);
    assert_load_fails(&set, 0, &["frame a_ES", "(1, 2, 50)", "(1, 2, 0)"]);
    let coarser = NiftiFile { spacing: [2.0, 2.0, 8.0], sform: None, ..first.clone() };
    root.nifti("images/a_ES.nii", &coarser);
    assert_load_fails(&set, 0, &["frame a_ES", "2 x 2 x 8", "1.513 x 1.266 x 10"]);
    // One frame has lost its spacing: the other's is used, with a warning.
    let lost = NiftiFile { spacing: [1.0; 3], sform: None, ..first.clone() };
    for (ed, es) in [(&first, &lost), (&lost, &first)] {
        root.nifti("images/a_ED.nii", ed);
        root.nifti("images/a_ES.nii", es);
        root.nifti("labels/a_ED.nii", &drawn(None));
        root.nifti("labels/a_ES.nii", &drawn(None));
        let loaded = set.load(0).unwrap();
        assert_eq!(loaded.subject.stack.spacing, [1.266, 1.513, 10.0]);
        assert_contains(&loaded.diagnostics.warnings[0], &["1 x 1 x 1", "1.513 x 1.266 x 10"]);
    }
}

#[test]
fn an_error_for_a_folder_without_data_says_what_was_searched_for() {
    let root = TestFolder::new();
    assert_refused(&root.path(""), &["ACDC", "images/*.nii.gz"]);
    let file = root.nifti("loose.nii.gz", &cine(1));
    assert_refused(&root.path(""), &["the 1 NIfTI files in this folder", "images/"]);
    assert_refused(&file, &["is a file"]);
    assert_refused(&root.path("nowhere"), &["nowhere", "does not exist"]);
}

#[test]
fn unusable_images_are_refused() {
    let root = TestFolder::new();
    let refused = |file: &NiftiFile, part: &str| {
        let error = folder::load_file(&root.nifti("a.nii", file)).unwrap_err();
        assert_contains(&error.to_string(), &["a.nii", part]);
    };
    refused(&NiftiFile::of_i16(&DIMS, &[0; SIZE]), "every voxel is 0");
    refused(&NiftiFile::of_i16(&[1, 9, 9], &ramp(81)), "not a stack of slices");
    let mut not_finite = NiftiFile::of_u8(&[2, 2, 1], &[0, 0, 0, 0]);
    (not_finite.datatype, not_finite.bitpix) = (16, 32);
    not_finite.voxels = [1.0, f32::NAN, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    refused(&not_finite, "1 voxels are not finite");
}

/// Borders that are empty in every phase are cropped, slices run from base to apex by the affine, and
/// a label map drawn on the stack is written to the right voxels of the file.
#[test]
fn labels_on_a_cropped_and_reversed_stack_map_back_to_its_file() {
    let root = TestFolder::new();
    let mut voxels = vec![0i16; SIZE * 2];
    let at = |i: usize, j: usize, k: usize| (k * DIMS[1] + j) * DIMS[0] + i;
    voxels[at(1, 2, 1)] = 11;
    voxels[SIZE + at(3, 4, 2)] = 22;
    let apex_first = [[-1.3, -0.6, 5.8, 0.0], [0.0, -1.0, -5.1, 0.0], [0.8, -0.4, 6.3, 0.0]];
    let file = NiftiFile::of_i16(&[DIMS[0], DIMS[1], DIMS[2], 2], &voxels);
    let file = NiftiFile { sform: Some(apex_first), ..file };
    let loaded = folder::load_file(&root.nifti("a.nii.gz", &file)).unwrap();
    let stack = &loaded.subject.stack;
    assert_eq!((stack.phases, stack.slices, stack.rows, stack.columns), (2, 2, 3, 3));
    assert_eq!(loaded.slice_order, SliceOrder::ApexFirst);
    assert_eq!(stack.slice(0, 1)[0], 11.0, "the file's slice 1 is now the second");
    assert_eq!(stack.slice(1, 0)[8], 22.0);
    let drawn: Vec<u8> = stack.voxels.iter().map(|&voxel| (voxel / 11.0) as u8).collect();
    let path = root.path("labels.nii.gz");
    loaded.write_labels(&path, &drawn).unwrap();
    let expected: Vec<u8> = voxels.iter().map(|&voxel| (voxel / 11) as u8).collect();
    assert_eq!(nifti::read_labels(&path, 3).unwrap().labels, expected);
    assert!(loaded.write_labels(&path, &drawn[1..]).is_err());
}

#[test]
fn real_acdc() {
    let Some(folder) = real("acdc") else { return };
    let set = open(folder).unwrap();
    assert_eq!((set.layout(), set.subjects().len()), (DatasetLayout::Acdc, 11));
    for (index, entry) in set.subjects().iter().enumerate() {
        let loaded = set.load(index).unwrap();
        let subject = &loaded.subject;
        assert_eq!(subject.frames.len(), 2, "{}", entry.id);
        assert!((1.3..1.8).contains(&subject.stack.spacing[0]), "pixdim, not the sform's 1 mm");
        assert_eq!(loaded.slice_order, SliceOrder::AsStored);
        let [ed, es] = [CardiacPhase::EndDiastole, CardiacPhase::EndSystole].map(|cardiac_phase| {
            let frame =
                subject.frames.iter().find(|frame| frame.cardiac_phase == cardiac_phase).unwrap();
            frame.count(Label::LeftVentricle)
        });
        assert!(ed > es, "{}: the left ventricle is larger at ED", entry.id);
    }
    let last = set.load(10).unwrap().subject;
    assert_eq!((last.id.as_str(), last.stack.phases), ("patient090", 12));
    assert_eq!(
        cardiac_phases(&last),
        [(3, CardiacPhase::EndDiastole), (10, CardiacPhase::EndSystole)]
    );
}

/// Real M&Ms frames, stacked into the layout in which M&Ms is distributed. By the affine, slices are
/// stored from apex to base; the labels, which the reader does not use for that, agree.
#[test]
fn real_mnms() {
    let Some(folder) = real("mnms_frames") else { return };
    let root = TestFolder::new();
    for id in ["G1K1V3", "H1N8S6"] {
        for (ending, name) in [("", "sa"), ("_gt", "sa_gt")] {
            let read = |cardiac_phase: &str| {
                nifti::read(folder.join(format!("{id}_sa_{cardiac_phase}{ending}.nii.gz"))).unwrap()
            };
            let (ed, es) = (read("ED"), read("ES"));
            let mut voxels = Vec::new();
            for (phase, volume) in [&es, &ed, &es].into_iter().enumerate() {
                let kept = if ending == "_gt" && phase == 0 { 0.0 } else { 1.0 };
                voxels.extend(volume.voxels.iter().map(|&voxel| (voxel * kept) as i16));
            }
            let [i, j, k, _] = ed.header.dims;
            let mut file = NiftiFile::of_i16(&[i, j, k, 3], &voxels);
            let geometry = ed.header.geometry;
            file.spacing = geometry.spacing.map(|step| step as f32);
            file.sform = geometry.affine.map(|affine| affine.rows.map(|row| row.map(|v| v as f32)));
            root.nifti(&format!("MnM/dataset/{id}/{id}_{name}.nii.gz"), &file);
        }
    }
    let set = open_from(&root, &[""], DatasetLayout::Mnms);
    for index in 0..2 {
        let loaded = set.load(index).unwrap();
        assert_eq!(loaded.slice_order, SliceOrder::ApexFirst);
        assert_eq!(
            cardiac_phases(&loaded.subject),
            [(1, CardiacPhase::EndDiastole), (2, CardiacPhase::EndSystole)]
        );
        let stack = &loaded.subject.stack;
        let areas: Vec<usize> = loaded.subject.frames[0]
            .labels
            .chunks(stack.rows * stack.columns)
            .map(|slice| slice.iter().filter(|&&label| label != 0).count())
            .collect();
        let half = areas.len() / 2;
        assert!(areas[..half].iter().sum::<usize>() > areas[half..].iter().sum(), "{areas:?}");
    }
}
