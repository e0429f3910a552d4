//! Every layout, in folders made for the test and in real ones.

use std::fs;
use std::path::Path;

use super::testing::{Draft, blobs, ramp, real};
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

fn count(frame: &Frame, label: Label) -> usize {
    frame.labels.iter().filter(|&&found| found == label as u8).count()
}

fn moments(subject: &Subject) -> Vec<(usize, Moment)> {
    subject.frames.iter().map(|frame| (frame.phase, frame.moment)).collect()
}

fn refusal(path: &Path) -> String {
    match open(path) {
        Ok(set) => panic!("opened as {}", set.layout().name()),
        Err(error) => error.to_string(),
    }
}

const ED_AND_ES: [(Moment, usize); 2] = [(Moment::EndDiastole, 3), (Moment::EndSystole, 1)];

#[test]
fn acdc_with_and_without_its_cine() {
    let root = tempfile::tempdir().unwrap();
    for id in ["patient001", "patient002"] {
        let file =
            |name: &str| root.path().join(format!("database/training/{id}/{id}_{name}.nii.gz"));
        frame(3, 5).write(file("frame04"));
        frame(1, 5).write(file("frame02"));
        labels(1, &[(0, 1, 9), (0, 2, 8), (0, 3, 7)]).write(file("frame04_gt"));
        labels(1, &[(0, 1, 6), (0, 2, 5), (0, 3, 4)]).write(file("frame02_gt"));
        fs::write(file("x").with_file_name("Info.cfg"), "ED: 4\nES: 2\nGroup: DCM\nNbFrame: 5")
            .unwrap();
    }
    image(5).write(root.path().join("database/training/patient001/patient001_4d.nii.gz"));
    for path in ["", "database", "database/training", "database/training/patient001"] {
        let set = open(root.path().join(path)).unwrap();
        assert_eq!(set.layout(), Layout::Acdc);
        assert_eq!(set.subjects()[0].pathology.as_deref(), Some("DCM"));
    }
    let set = open(root.path()).unwrap();
    assert!(set.subjects().iter().all(|listing| listing.labelled));
    let cine = set.load(0).unwrap();
    assert_eq!(cine.subject.stack.phases, 5);
    assert_eq!(
        moments(&cine.subject),
        ED_AND_ES.map(|(moment, phase)| (phase, moment)).into_iter().rev().collect::<Vec<_>>()
    );
    let ed = &cine.subject.frames[1];
    let sizes = Label::STRUCTURES.map(|label| count(ed, label));
    assert_eq!(sizes, [7, 8, 9], "left ventricle is ACDC's 3, right ventricle its 1");
    assert_eq!(cine.sources.len(), 4, "cine, two label maps, Info.cfg");

    let stacked = set.load(1).unwrap();
    assert_eq!(stacked.subject.stack.phases, 2);
    let expected = [(0, Moment::EndSystole), (1, Moment::EndDiastole)];
    assert_eq!(moments(&stacked.subject), expected);
    assert_eq!(stacked.subject.stack.spacing, [1.25, 1.5, 10.0], "rows are the file's j");
    assert_eq!(stacked.subject.stack.slice(1, 0), cine.subject.stack.slice(3, 0));
}

#[test]
fn one_broken_subject_is_an_error_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let folder = |id: &str| root.path().join(id);
    frame(0, 1).write(folder("patient001").join("patient001_frame01.nii.gz"));
    fs::create_dir(folder("patient002")).unwrap();
    frame(0, 1).write(folder("patient003").join("patient003_frame01.nii.gz"));
    fs::write(folder("patient003").join("Info.cfg"), "ED: one").unwrap();
    labels(1, &[(0, 1, 3)]).write(folder("patient004").join("patient004_frame07_gt.nii.gz"));
    image(5).write(folder("patient004").join("patient004_4d.nii.gz"));
    let set = open(root.path()).unwrap();
    assert_eq!(set.subjects().len(), 4);
    assert!(set.load(0).is_ok() && !set.subjects()[0].labelled);
    for (index, part) in [(1, "patient002"), (2, "Info.cfg"), (3, "7")] {
        let line = set.load(index).unwrap_err().to_string();
        assert!(line.contains(part) && line.contains(&set.subjects()[index].id), "{line}");
    }
}

#[test]
fn mnms_believes_labels_over_its_table() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("MnM/dataset");
    for id in ["A0S9V9", "B1C2D3"] {
        image(5).write(folder.join(format!("{id}/{id}_sa.nii.gz")));
    }
    labels(5, &[(1, 1, 2), (1, 3, 3), (3, 1, 9), (3, 2, 8), (3, 3, 7)])
        .write(folder.join("A0S9V9/A0S9V9_sa_gt.nii.gz"));
    let table = "\u{feff},External code,VendorName,Vendor,Centre,ED,ES,Pathology\n\
                 0,A0S9V9,Siemens,A,1,0,9,HCM\n1,B1C2D3,Canon,D,5,0,9,\n";
    fs::write(
        root.path().join("MnM/211230_M&Ms_Dataset_information_diagnosis_opendataset.csv"),
        table,
    )
    .unwrap();
    for path in ["", "MnM", "MnM/dataset", "MnM/dataset/A0S9V9"] {
        let set = open(root.path().join(path)).unwrap();
        assert_eq!(set.layout(), Layout::Mnms);
        let first = &set.subjects()[0];
        assert_eq!((first.vendor.as_deref(), first.pathology.as_deref()), (Some("A"), Some("HCM")));
        assert!(first.labelled);
    }
    let set = open(root.path()).unwrap();
    let loaded = set.load(0).unwrap();
    assert_eq!(moments(&loaded.subject), [(1, Moment::EndSystole), (3, Moment::EndDiastole)]);
    assert_eq!(Label::STRUCTURES.map(|label| count(&loaded.subject.frames[1], label)), [9, 8, 7]);
    assert!(
        loaded.remarks.notes.iter().any(|remark| remark.contains("ED 0, ES 9")),
        "{:?}",
        loaded.remarks
    );
    let second = &set.subjects()[1];
    assert!(!second.labelled && second.pathology.is_none());
    assert!(set.load(1).unwrap().subject.frames.is_empty());
}

#[test]
fn mnms2_finds_its_frames_in_the_cine() {
    let root = tempfile::tempdir().unwrap();
    for id in ["001", "002", "003"] {
        let file = |name: &str| root.path().join(format!("MnM2/dataset/{id}/{id}_{name}.nii.gz"));
        frame(3, 5).write(file("SA_ED"));
        frame(1, 5).write(file("SA_ES"));
        frame(0, 5).write(file("LA_ED"));
        labels(1, &[(0, 1, 9)]).write(file("SA_ED_gt"));
        labels(1, &[(0, 1, 4)]).write(file("SA_ES_gt"));
    }
    let file = |name: &str| root.path().join("MnM2/dataset").join(name);
    image(5).write(file("001/001_SA_CINE.nii.gz"));
    let foreign: Vec<i16> = ramp(SIZE * 5).iter().map(|voxel| 2000 - voxel).collect();
    Draft::of_i16(&[DIMS[0], DIMS[1], DIMS[2], 5], &foreign).write(file("003/003_SA_CINE.nii.gz"));
    let table = "SUBJECT_CODE,DISEASE,VENDOR,SCANNER,FIELD\n1,LV,SIEMENS,Avanto,1.5\n2,TRI,GE,,\n";
    fs::write(root.path().join("MnM2/dataset_information.csv"), table).unwrap();
    let set = open(root.path()).unwrap();
    assert_eq!((set.layout(), set.subjects().len()), (Layout::Mnms2, 3));
    assert_eq!(set.subjects()[0].vendor.as_deref(), Some("SIEMENS"));
    assert!(may_be_in_mnms(&set.subjects()[0]) && !may_be_in_mnms(&set.subjects()[1]));
    let expected = [(1, Moment::EndSystole), (3, Moment::EndDiastole)];
    assert_eq!(moments(&set.load(0).unwrap().subject), expected);
    let stacked = [(0, Moment::EndDiastole), (1, Moment::EndSystole)];
    assert_eq!(moments(&set.load(1).unwrap().subject), stacked);
    let line = set.load(2).unwrap_err().to_string();
    assert!(line.contains("003_SA_ED.nii.gz") && line.contains("phase"), "{line}");

    image(2).write(root.path().join("MnM/dataset/X/X_sa.nii.gz"));
    assert!(refusal(root.path()).contains("M&Ms, M&Ms-2"));
    let sets = open_all(root.path()).unwrap();
    let ids = |listings: &[Listing]| listings.iter().map(|l| l.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(sets[1].subjects()), ["002"]);
    assert_eq!(ids(sets[1].left_out()), ["001", "003"], "pathology LV, and not in the table");

    let file = root.path().join("MnM2/dataset_information.csv");
    fs::remove_file(file).unwrap();
    let line = open_all(root.path()).err().unwrap().to_string();
    assert!(line.contains("table"), "{line}");
}

/// As nnU-Net has ACDC. Two frames of a patient, one in training and one in testing, would be a leak.
#[test]
fn numbered_frames_of_a_subject_stay_together() {
    let root = tempfile::tempdir().unwrap();
    let file = |name: &str| root.path().join(name);
    for (phase, name, size) in [(3, "frame12", 4), (1, "frame01", 9), (2, "frame07", 6)] {
        frame(phase, 5).write(file(&format!("images/patient001_{name}.nii.gz")));
        labels(1, &[(0, 1, size)]).write(file(&format!("labels/patient001_{name}.nii.gz")));
    }
    frame(0, 1).write(file("images/patient002_frame01.nii.gz"));
    let set = open(root.path()).unwrap();
    let ids: Vec<_> = set.subjects().iter().map(|listing| listing.id.as_str()).collect();
    assert_eq!(ids, ["patient001", "patient002_frame01"]);
    let loaded = set.load(0).unwrap();
    let expected = [(0, Moment::EndDiastole), (1, Moment::Other), (2, Moment::EndSystole)];
    assert_eq!(moments(&loaded.subject), expected);
    let warning = &loaded.remarks.warnings[0];
    assert!(warning.contains("3 phases"), "{warning}");
}

#[test]
fn a_plain_folder_of_stacks() {
    let root = tempfile::tempdir().unwrap();
    let file = |name: &str| root.path().join("mine").join(name);
    image(5).write(file("images/b.nii.gz"));
    labels(5, &[(2, 1, 5)]).write(file("labels/b.nii"));
    frame(0, 1).write(file("images/a_ED.nii"));
    labels(1, &[(0, 3, 5)]).write(file("labels/a_ED.nii.gz"));
    image(2).write(file("images/c.nii"));
    labels(1, &[(0, 3, 5)]).write(file("labels/c.nii"));
    for path in ["", "mine", "mine/images", "mine/labels"] {
        assert_eq!(open(root.path().join(path)).unwrap().layout(), Layout::Folder);
    }
    let set = open(root.path()).unwrap();
    assert_eq!(moments(&set.load(0).unwrap().subject), [(0, Moment::EndDiastole)]);
    assert_eq!(moments(&set.load(1).unwrap().subject), [(2, Moment::Other)]);
    let line = set.load(2).unwrap_err().to_string();
    assert!(line.contains("labels/c.nii") && line.contains('1') && line.contains('2'), "{line}");
    labels(1, &[]).write(file("labels/lonely.nii"));
    assert!(refusal(root.path()).contains("lonely"));
}

/// Apart, one frame of a subject could train and the other test.
#[test]
fn both_moments_of_a_subject_stay_together() {
    let root = tempfile::tempdir().unwrap();
    let file = |name: &str| root.path().join(name);
    frame(3, 5).write(file("images/p1_ES.nii"));
    frame(1, 5).write(file("images/p1_ed.nii.gz"));
    labels(1, &[(0, 1, 4)]).write(file("labels/p1_ES.nii"));
    labels(1, &[(0, 1, 9)]).write(file("labels/p1_ed.nii.gz"));
    frame(0, 1).write(file("images/p2_ED.nii"));
    let set = open(root.path()).unwrap();
    let ids: Vec<_> = set.subjects().iter().map(|listing| listing.id.as_str()).collect();
    assert_eq!(ids, ["p1", "p2_ED"]);
    let subject = set.load(0).unwrap().subject;
    assert_eq!(moments(&subject), [(0, Moment::EndDiastole), (1, Moment::EndSystole)]);
    let of = |phase: usize| subject.frames[phase].labels.iter().filter(|&&l| l != 0).count();
    assert!(of(0) > of(1));
    assert_eq!(subject.stack.phases, 2);
    assert_eq!(set.subjects()[0].files.len(), 4);
    // Two images that are not of one stack.
    image(2).write(file("images/p1_ES.nii"));
    let line = set.load(0).unwrap_err().to_string();
    assert!(line.contains("p1_ES.nii") && line.contains("2 phases"), "{line}");
}

#[test]
fn a_folder_without_data_says_what_was_looked_for() {
    let root = tempfile::tempdir().unwrap();
    let line = refusal(root.path());
    assert!(line.contains("ACDC") && line.contains("images/*.nii.gz"), "{line}");
    let file = image(1).write(root.path().join("loose.nii.gz"));
    assert!(refusal(root.path()).contains("1 NIfTI"));
    assert!(refusal(&file).contains("loose.nii.gz"));
    assert!(refusal(&root.path().join("nowhere")).contains("nowhere"));
}

#[test]
fn images_without_use_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.nii");
    let line = |draft: &Draft| folder::load_file(&draft.write(&path)).unwrap_err().to_string();
    assert!(line(&Draft::of_i16(&DIMS, &[0; SIZE])).contains("every voxel"));
    let mut broken = Draft::of_u8(&[2, 2, 1], &[0, 0, 0, 0]);
    (broken.datatype, broken.bitpix) = (16, 32);
    broken.voxels = [1.0, f32::NAN, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert!(line(&broken).contains("not finite"));
    assert!(line(&Draft::of_i16(&[1, 9, 9], &ramp(81))).contains("1 x 9 x 9"));
}

/// Borders that are empty in every phase go, slices run base to apex by the affine, and a label map
/// drawn on the stack lands on the right voxels of the file.
#[test]
fn a_stack_is_cropped_and_turned_and_labels_find_their_way_back() {
    let root = tempfile::tempdir().unwrap();
    let mut voxels = vec![0i16; SIZE * 2];
    let at = |i: usize, j: usize, k: usize| (k * DIMS[1] + j) * DIMS[0] + i;
    voxels[at(1, 2, 1)] = 11;
    voxels[SIZE + at(3, 4, 2)] = 22;
    let apex_first = [[-1.3, -0.6, 5.8, 0.0], [0.0, -1.0, -5.1, 0.0], [0.8, -0.4, 6.3, 0.0]];
    let draft = Draft {
        sform: Some(apex_first),
        ..Draft::of_i16(&[DIMS[0], DIMS[1], DIMS[2], 2], &voxels)
    };
    let loaded = folder::load_file(&draft.write(root.path().join("a.nii.gz"))).unwrap();
    let stack = &loaded.subject.stack;
    assert_eq!((stack.phases, stack.slices, stack.rows, stack.columns), (2, 2, 3, 3));
    assert_eq!(loaded.slice_order, SliceOrder::ApexFirst);
    assert_eq!(stack.slice(0, 1)[0], 11.0, "slice 1 of the file is now the second");
    assert_eq!(stack.slice(1, 0)[8], 22.0);
    let drawn: Vec<u8> = stack.voxels.iter().map(|&voxel| (voxel / 11.0) as u8).collect();
    let path = root.path().join("labels.nii.gz");
    loaded.write_labels(&path, &drawn).unwrap();
    let back = nifti::read_labels(&path, 3).unwrap();
    let expected: Vec<u8> = voxels.iter().map(|&voxel| (voxel / 11) as u8).collect();
    assert_eq!(back.labels, expected);
    assert!(loaded.write_labels(&path, &drawn[1..]).is_err());
}

#[test]
fn real_acdc() {
    let Some(folder) = real("acdc") else { return };
    let set = open(folder).unwrap();
    assert_eq!((set.layout(), set.subjects().len()), (Layout::Acdc, 11));
    for (index, listing) in set.subjects().iter().enumerate() {
        let loaded = set.load(index).unwrap();
        let subject = &loaded.subject;
        assert_eq!(subject.frames.len(), 2, "{}", listing.id);
        assert!((1.3..1.8).contains(&subject.stack.spacing[0]), "pixdim, not the sform's 1 mm");
        assert_eq!(loaded.slice_order, SliceOrder::AsStored);
        let [ed, es] = [Moment::EndDiastole, Moment::EndSystole].map(|moment| {
            let frame = subject.frames.iter().find(|frame| frame.moment == moment).unwrap();
            count(frame, Label::LeftVentricle)
        });
        assert!(ed > es, "{}: the left ventricle is larger at ED", listing.id);
    }
    let last = set.load(10).unwrap().subject;
    assert_eq!((last.id.as_str(), last.stack.phases), ("patient090", 12));
    assert_eq!(moments(&last), [(3, Moment::EndDiastole), (10, Moment::EndSystole)]);
}

/// Real M&Ms frames stacked into the distributed layout: the affine says that they are stored from
/// apex to base, and the labels, of which the reader makes no use for that, agree.
#[test]
fn real_mnms() {
    let Some(folder) = real("mnms_frames") else { return };
    let root = tempfile::tempdir().unwrap();
    for id in ["G1K1V3", "H1N8S6"] {
        for (ending, name) in [("", "sa"), ("_gt", "sa_gt")] {
            let read = |moment: &str| {
                nifti::read(folder.join(format!("{id}_sa_{moment}{ending}.nii.gz"))).unwrap()
            };
            let (ed, es) = (read("ED"), read("ES"));
            let [i, j, k, _] = ed.header.dims;
            let voxels: Vec<i16> = [&es, &ed, &es]
                .iter()
                .enumerate()
                .flat_map(|(phase, volume)| {
                    let kept = if ending == "_gt" && phase == 0 { 0.0 } else { 1.0 };
                    volume.voxels.iter().map(move |&voxel| (voxel * kept) as i16)
                })
                .collect();
            let mut draft = Draft::of_i16(&[i, j, k, 3], &voxels);
            draft.spacing = ed.header.spacing.map(|step| step as f32);
            draft.sform = ed.header.affine.map(|rows| rows.map(|row| row.map(|v| v as f32)));
            draft.write(root.path().join(format!("MnM/dataset/{id}/{id}_{name}.nii.gz")));
        }
    }
    let set = open(root.path()).unwrap();
    for index in 0..2 {
        let loaded = set.load(index).unwrap();
        assert_eq!(loaded.slice_order, SliceOrder::ApexFirst);
        assert_eq!(moments(&loaded.subject), [(1, Moment::EndDiastole), (2, Moment::EndSystole)]);
        let stack = &loaded.subject.stack;
        let ed = &loaded.subject.frames[0].labels;
        let areas: Vec<usize> = ed
            .chunks(stack.rows * stack.columns)
            .map(|slice| slice.iter().filter(|&&label| label != 0).count())
            .collect();
        let half = areas.len() / 2;
        assert!(areas[..half].iter().sum::<usize>() > areas[half..].iter().sum(), "{areas:?}");
    }
}
