//! Names of files, `Info.cfg` and tables, as people, spreadsheets and other systems write them.

use std::fs;
use std::path::Path;

use super::testing::{TestFolder, cine, frame, labels};
use super::*;
use CardiacPhase::{EndDiastole, EndSystole, Other};

fn line_of<T>(result: Result<T>) -> String {
    let line = result.err().unwrap().to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

fn assert_contains(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{line:?} lacks {part:?}");
    }
}

fn only(root: &TestFolder) -> Result<LoadedSubject> {
    let set = open(root.path(""))?;
    assert_eq!(set.subjects().len(), 1);
    set.load(0)
}

fn phases(loaded: &LoadedSubject) -> Vec<CardiacPhase> {
    loaded.subject.frames.iter().map(|frame| frame.cardiac_phase).collect()
}

/// Frames 1 and 12, of which 1 is larger, in files with these names.
fn patient(names: [&str; 4]) -> TestFolder {
    let root = TestFolder::new();
    let [first, first_labels, last, last_labels] = names.map(|name| format!("patient001/{name}"));
    root.nifti(&first, &frame(0));
    root.nifti(&first_labels, &labels(1, &[(0, 3, 20), (0, 2, 9)]));
    root.nifti(&last, &frame(1));
    root.nifti(&last_labels, &labels(1, &[(0, 3, 10), (0, 2, 9)]));
    root
}

const USUAL: [&str; 4] = [
    "patient001_frame01.nii.gz",
    "patient001_frame01_gt.nii.gz",
    "patient001_frame12.nii.gz",
    "patient001_frame12_gt.nii.gz",
];

/// What was odd about names and tables. The labels of these small stacks are those of no heart.
fn of_names(loaded: &LoadedSubject) -> Vec<String> {
    let of_heart =
        |line: &String| line.starts_with("labels cover") || line.contains(" is labelled ");
    loaded.diagnostics.warnings.iter().filter(|line| !of_heart(line)).cloned().collect()
}

#[test]
fn acdc_names_may_differ_in_case_and_digits() {
    for names in [
        USUAL,
        [
            "patient001_frame001.nii",
            "patient001_frame001_gt.nii",
            "patient001_frame012.nii",
            "patient001_frame012_gt.nii",
        ],
        [
            "patient001_frame1.nii",
            "patient001_frame01_gt.nii",
            "Patient001_Frame12.Nii",
            "PATIENT001_FRAME12_GT.NII",
        ],
    ] {
        let root = patient(names);
        root.bytes("patient001/info.CFG", b"ED: 1\nES: 12\n");
        let loaded = only(&root).unwrap();
        assert_eq!(phases(&loaded), [EndDiastole, EndSystole], "{names:?}");
        assert_eq!(of_names(&loaded), Vec::<String>::new());
    }
    let root = TestFolder::new();
    root.nifti("PATIENT001/PATIENT001_4D.NII", &cine(2));
    assert_eq!(only(&root).unwrap().subject.stack.phases, 2);
}

#[test]
fn two_files_for_one_thing_are_refused_by_name() {
    let again = |name: &str| {
        let root = patient(USUAL);
        root.nifti(&format!("patient001/{name}"), &labels(1, &[(0, 3, 5)]));
        line_of(only(&root))
    };
    let parts = ["patient001_frame12_gt.nii", "patient001_frame12_gt.nii.gz", "keep only one"];
    assert_contains(&again("patient001_frame12_gt.nii"), &parts);
    assert_contains(&again("patient001_frame012_gt.nii.gz"), &["frame012_gt", "frame12_gt"]);
    assert_contains(&again("patient001_frame1.nii"), &["frame1.nii", "frame01.nii.gz"]);

    let root = TestFolder::new();
    root.nifti("X/X_sa.nii", &cine(2));
    root.nifti("X/X_sa_gt.nii", &labels(2, &[(0, 1, 5)]));
    assert!(only(&root).is_ok());
    root.nifti("X/X_SA_GT.nii", &labels(2, &[(0, 1, 5)]));
    assert_contains(&line_of(only(&root)), &["X_sa_gt.nii", "X_SA_GT.nii"]);

    let root = TestFolder::new();
    root.nifti("images/a.nii.gz", &cine(1));
    root.nifti("labels/a.nii", &labels(1, &[]));
    assert!(open(root.path("")).is_ok());
    root.nifti("labels/a.nii.gz", &labels(1, &[]));
    assert_contains(&line_of(open(root.path(""))), &["labels/a.nii.gz", "same as a.nii "]);
    fs::remove_file(root.path("labels/a.nii")).unwrap();
    for name in ["b_frame1", "b_frame01"] {
        root.nifti(&format!("images/{name}.nii"), &frame(0));
    }
    assert_contains(&line_of(open(root.path(""))), &["b_frame1.nii", "b_frame01.nii"]);
}

/// A pair is one volume, and one beside a `.nii` two.
#[test]
fn a_pair_is_one_volume() {
    let root = TestFolder::new();
    for name in ["a.hdr", "a.img"] {
        root.bytes(name, b"");
    }
    assert_eq!(nifti::distinct_volumes_in(&root.path("")).unwrap(), [root.path("a.hdr")]);
    root.bytes("a.nii.gz", b"");
    assert_contains(&line_of(nifti::distinct_volumes_in(&root.path(""))), &["a.hdr", "a.nii.gz"]);
}

#[test]
fn unknown_names_are_listed() {
    let root = patient(USUAL);
    root.nifti("patient001/patient01_frame07_gt.nii", &labels(1, &[]));
    assert_contains(&only(&root).unwrap().diagnostics.warnings[0], &["patient01_frame07_gt.nii"]);
    let root = TestFolder::new();
    root.nifti("patient001/patient001_frameA.nii", &frame(0));
    assert_contains(&line_of(only(&root)), &["holds neither", "there are patient001_frameA.nii"]);
    let root = TestFolder::new();
    root.nifti("X/X_sa_gt.nii", &labels(1, &[]));
    assert_contains(&line_of(only(&root)), &["X_sa.nii"]);
}

/// Which frames are ED and ES, and the warnings, with this `Info.cfg`.
fn with_info(info: &[u8]) -> (Vec<CardiacPhase>, Vec<String>) {
    let root = patient(USUAL);
    root.bytes("patient001/Info.cfg", info);
    let loaded = only(&root).unwrap();
    (phases(&loaded), of_names(&loaded))
}

#[test]
fn info_is_read_in_any_usual_form() {
    for info in [
        &b"ED: 1\nES: 12"[..],
        b"ED:1\rES:12\r",
        b"\xef\xbb\xbfED: 01\r\nES: 12.0\r\nGroup: \xc3\xa4\r\n",
        b"Note: k\xe4se\n ed : 1\nEs = 12\nunknown\n: :\n",
        b"\xff\xfeE\0D\0:\x001\0\n\0E\0S\0:\x001\x002\0",
    ] {
        let (phases, warnings) = with_info(info);
        assert_eq!(phases, [EndDiastole, EndSystole]);
        assert_eq!(warnings, Vec::<String>::new(), "{info:?}");
    }
}

/// A labelled frame is never left out of training and tests without a word.
#[test]
fn labels_decide_where_info_does_not_name_labelled_frames() {
    for (info, says) in [
        ("ED: 0\nES: 11", "ED: 0, ES: 11 (counted from 0"),
        ("ED: 1\nES: 11", "ED: 1, ES: 11"),
        ("ED: 2\nES: 12", "ED: 2, ES: 12"),
        ("ED: 12\nES: 1", "ED: 12, ES: 1"),
        ("ED: 1\nES: 1", "ED: 1, ES: 1"),
        ("ED: one\nES: 12", "ED: one, ES: 12"),
        ("ED: 1", "ED: 1, ES: nothing"),
        ("", "ED: nothing, ES: nothing"),
    ] {
        let (phases, warnings) = with_info(info.as_bytes());
        assert_eq!(phases, [EndDiastole, EndSystole], "{info}");
        let parts = [says, "frames 1, 12 carry labels", "frame 1 is used as ED and frame 12 as ES"];
        assert_contains(&warnings[0], &parts);
    }
    // Without the file, nothing contradicts the volumes.
    assert_eq!(phases(&only(&patient(USUAL)).unwrap()), [EndDiastole, EndSystole]);
}

#[test]
fn a_single_labelled_frame_is_named_by_info_or_reported() {
    let with = |info: &str| {
        let root = patient(USUAL);
        fs::remove_file(root.path("patient001/patient001_frame01_gt.nii.gz")).unwrap();
        root.bytes("patient001/Info.cfg", info.as_bytes());
        let loaded = only(&root).unwrap();
        (phases(&loaded), of_names(&loaded))
    };
    assert_eq!(with("ED: 1\nES: 12"), (vec![EndSystole], vec![]));
    let (phases, warnings) = with("ED: 0\nES: 11");
    assert_eq!(phases, [EndSystole]);
    assert_contains(&warnings[0], &["counted from 0", "frame 12", "used as ES"]);
    let (phases, warnings) = with("ED: 1\nES: 11");
    assert_eq!(phases, [Other]);
    assert_contains(&warnings[0], &["ES: 11", "frame 12", "neither ED nor ES"]);
}

#[test]
fn labels_without_an_image_and_an_info_that_is_a_folder_are_named() {
    let root = patient(USUAL);
    fs::remove_file(root.path("patient001/patient001_frame12.nii.gz")).unwrap();
    assert_contains(&line_of(only(&root)), &["frame12_gt", "there is no image of that frame"]);
    root.nifti("patient001/patient001_4d.nii", &cine(2));
    assert_contains(&line_of(only(&root)), &["labels frame 12", "2 phases lacks"]);
    fs::create_dir(root.path("patient001/Info.cfg")).unwrap();
    assert_contains(&line_of(only(&root)), &["Info.cfg", "is a folder"]);
}

#[test]
fn a_label_file_without_labels_counts_as_none() {
    let root = patient(USUAL);
    root.nifti("patient001/patient001_frame12_gt.nii.gz", &labels(1, &[]));
    root.bytes("patient001/Info.cfg", b"ED: 1\nES: 12");
    let loaded = only(&root).unwrap();
    assert_eq!(phases(&loaded), [EndDiastole]);
    assert_contains(&of_names(&loaded)[0], &["frame 12", "counts as unlabelled"]);
}

#[test]
fn what_the_system_hid_is_no_data() {
    let root = patient(USUAL);
    for folder in ["patient001", "__MACOSX/patient001", "__MACOSX/set/images", ".trash/patient001"]
    {
        for name in ["._patient001_frame01.nii.gz", "._Info.cfg", "._table.csv"] {
            root.bytes(&format!("{folder}/{name}"), &[0, 5, 22, 7]);
        }
    }
    assert_eq!(phases(&only(&root).unwrap()), [EndDiastole, EndSystole]);
    let named = open(root.path("patient001")).unwrap();
    assert_eq!(named.subjects().len(), 1);
}

#[test]
fn names_in_nfc_and_nfd_are_one() {
    let (nfc, nfd) = ("J\u{e9}r\u{f4}me", "Je\u{301}ro\u{302}me");
    let root = TestFolder::new();
    root.nifti(&format!("images/{nfd}.nii"), &cine(2));
    root.nifti(&format!("labels/{nfc}.nii"), &labels(2, &[(0, 1, 5)]));
    let set = open(root.path("")).unwrap();
    assert_eq!((set.subjects()[0].id.as_str(), set.subjects()[0].labelled), (nfc, true));
    assert!(set.load(0).is_ok());
    // Some file systems take both for one name.
    root.nifti(&format!("images/{nfc}.nii"), &cine(2));
    if fs::read_dir(root.path("images")).unwrap().count() == 2 {
        assert_contains(&line_of(open(root.path(""))), &["keep only one"]);
    }

    let root = TestFolder::new();
    root.nifti(&format!("{nfd}/{nfc}_sa.nii"), &cine(2));
    root.bytes("table.csv", format!("External code,Vendor,Pathology\n{nfc},B,DCM\n").as_bytes());
    let set = open(root.path("")).unwrap();
    assert_eq!(
        (set.subjects()[0].id.as_str(), set.subjects()[0].vendor.as_deref()),
        (nfc, Some("B"))
    );
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_reported() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let bad = |name: &'static [u8]| OsStr::from_bytes(name);
    let is_reported = |line: String, shown: &str| {
        assert_contains(&line, &["is not UTF-8", "rename it", shown]);
        assert!(!line.contains('\n'));
    };
    let source = TestFolder::new();
    let file = source.nifti("a.nii", &cine(1));

    let root = TestFolder::new();
    fs::create_dir(root.path("images")).unwrap();
    fs::copy(&file, root.path("images").join(bad(b"a\xff.nii"))).unwrap();
    is_reported(line_of(open(root.path(""))), "a\u{fffd}.nii");
    let path = root.path("images").join(bad(b"a\xff.nii"));
    is_reported(line_of(folder::load_file(&path)), "a\u{fffd}.nii");

    let root = TestFolder::new();
    root.nifti("X/X_sa.nii", &cine(1));
    fs::create_dir(root.path("").join(bad(b"Y\xff"))).unwrap();
    is_reported(line_of(open(root.path(""))), "Y\u{fffd}");

    // In a patient's folder, it is an error of that patient. A file that is no data does not matter.
    let root = patient(USUAL);
    fs::write(root.path("").join(bad(b"read me \xff.txt")), "").unwrap();
    root.nifti("patient002/patient002_frame01.nii", &frame(0));
    fs::copy(&file, root.path("patient002").join(bad(b"patient002\xff_frame02.nii"))).unwrap();
    let set = open(root.path("")).unwrap();
    assert!(set.load(0).is_ok());
    is_reported(line_of(set.load(1)), "patient002\u{fffd}_frame02.nii");
}

/// Two subjects of M&Ms, and their data set with this table.
fn with_table(name: &str, table: &[u8]) -> Dataset {
    let root = TestFolder::new();
    for id in ["A1B1C1", "A2B2C2"] {
        root.nifti(&format!("MnM/dataset/{id}/{id}_sa.nii"), &cine(2));
    }
    root.bytes(&format!("MnM/{name}"), table);
    open(root.path("")).unwrap()
}

#[test]
fn tables_are_read_as_spreadsheets_write_them() {
    const TABLE: &str = "External code;Vendor;ED;ES;Pathology;Height;\n\
                         A1B1C1;B;0;1;\"DCM; late\";1,7;\n A2B2C2 ;A;0;1;HCM\u{e4};1,6;\n;;;;;;\n";
    let utf_16 = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let mark = std::iter::once(0xfeff);
        mark.chain(TABLE.encode_utf16()).flat_map(order).collect()
    };
    let latin_1: Vec<u8> = TABLE.chars().map(|c| u32::from(c) as u8).collect();
    let tabs = TABLE.replace("DCM;", "DCM,").replace(';', "\t").replace("DCM,", "DCM;");
    for (name, bytes) in [
        ("info.csv", TABLE.as_bytes().to_vec()),
        ("INFO.CSV", format!("\u{feff}sep=;\r\n{}", TABLE.replace('\n', "\r\n")).into_bytes()),
        ("info.csv", TABLE.replace('\n', "\r").into_bytes()),
        ("info.csv", latin_1),
        ("info.csv", utf_16(u16::to_le_bytes)),
        ("info.csv", utf_16(u16::to_be_bytes)),
        ("info.tsv", tabs.into_bytes()),
        ("info.csv", TABLE.replace("External code", " external_Code ").into_bytes()),
    ] {
        let set = with_table(name, &bytes);
        let cells =
            set.subjects().iter().map(|entry| (entry.vendor.clone(), entry.pathology.clone()));
        let wanted = [("B", "DCM; late"), ("A", "HCM\u{e4}")]
            .map(|(vendor, group)| (Some(vendor.to_owned()), Some(group.to_owned())));
        assert_eq!(cells.collect::<Vec<_>>(), wanted);
        assert_eq!(set.warnings(), Vec::<String>::new());
    }
}

#[test]
fn a_table_that_cannot_be_used_is_named() {
    let warnings = |name: &str, table: &str| with_table(name, table.as_bytes()).warnings().to_vec();
    let found = warnings("info.csv", "Code;Vendor\nA1B1C1;B\n");
    assert_contains(&found[0], &["MnM/info.csv", "has no column External code", "Code, Vendor"]);
    assert_contains(&warnings("info.csv", "")[0], &["info.csv", "is empty"]);
    assert_contains(&warnings("info.xlsx", "PK")[0], &["info.xlsx", "save it as CSV"]);
    assert_contains(&warnings("other.txt", "")[0], &["no table of subjects was found"]);
    let rows = "External code,Vendor,Pathology\nA1B1C1,B,DCM\nA1B1C1,B,DCM\nA1B1C1,C,DCM\n";
    let found = warnings("info.csv", rows);
    assert_contains(&found[0], &["line 4", "A1B1C1", "Vendor \"B\" instead of \"C\""]);
    assert_contains(&found[1], &["has no row for 1 of 2 subjects (A2B2C2)"]);
    assert_eq!(found.len(), 2, "{found:?}");
    let found = warnings("info.csv", "External code,Pathology\nA1B1C1,DCM\nA2B2C2,DCM\n");
    assert_contains(&found[0], &["has no column Vendor"]);
}

#[test]
fn a_table_of_mnms_that_counts_otherwise_is_reported() {
    let load = |table: &str, of: &[(usize, u8, usize)]| {
        let root = TestFolder::new();
        root.nifti("X/X_sa.nii", &cine(3));
        root.nifti("X/X_sa_gt.nii", &labels(3, of));
        root.bytes("t.csv", format!("External code,ED,ES\nX,{table}\n").as_bytes());
        let loaded = only(&root).unwrap();
        let warnings = of_names(&loaded);
        (phases(&loaded), Diagnostics { warnings, ..loaded.diagnostics })
    };
    let two = [(0, 1, 20), (2, 1, 10)];
    let (phases, found) = load("0,2.0", &two);
    assert_eq!((phases, found.warnings.len()), (vec![EndDiastole, EndSystole], 0));
    let (phases, found) = load("1,3", &two);
    assert_eq!((phases, found.warnings.len()), (vec![EndDiastole, EndSystole], 0));
    assert_contains(&found.notes[0], &["ED 1, ES 3", "count from 1"]);
    let (phases, found) = load("0,one", &two);
    assert_eq!(phases, [EndDiastole, EndSystole]);
    assert_contains(&found.warnings[0], &["ES one", "ED 0, ES 2"]);
    let (phases, found) = load("1,3", &two[1..]);
    assert_eq!(phases, [EndSystole]);
    assert_contains(&found.warnings[0], &["count phases from 1", "used as ES"]);
    let (phases, found) = load("0,1", &two[1..]);
    assert_eq!(phases, [Other]);
    assert_contains(&found.warnings[0], &["ED 0, ES 1", "neither"]);
}

/// Their labels would be those of another phase.
#[test]
fn frames_of_mnms2_have_one_phase_each() {
    let root = TestFolder::new();
    root.nifti("001/001_SA_ED.nii", &cine(2));
    root.nifti("001/001_sa_es.nii", &frame(1));
    root.nifti("001/001_LA_ES.nii", &frame(1));
    assert_contains(&line_of(only(&root)), &["001_SA_ED.nii", "has 2 phases"]);
    root.nifti("001/001_SA_ED.nii", &frame(0));
    let loaded = only(&root).unwrap();
    assert_eq!(loaded.subject.stack.phases, 2);
    assert_eq!(of_names(&loaded), Vec::<String>::new(), "long axes are not meant");
}

#[test]
fn names_of_folders_may_differ_in_case() {
    let root = TestFolder::new();
    root.nifti("set/Images/a.nii", &cine(2));
    root.nifti("set/LABELS/a.nii", &labels(2, &[(0, 1, 5)]));
    assert!(only(&root).unwrap().subject.frames.len() == 1);
    assert!(open(root.path("set/LABELS")).is_ok());
    root.bytes("set/labels", b"");
    assert_contains(&line_of(open(root.path(""))), &["labels", "only one can be used"]);
}

/// Without this, one subject would be several, or a link upwards endless.
#[cfg(unix)]
#[test]
fn links_to_folders_lead_to_each_subject_once() {
    use std::os::unix::fs::symlink;
    let root = patient(USUAL);
    fs::create_dir(root.path("all")).unwrap();
    symlink(root.path("patient001"), root.path("all/one")).unwrap();
    symlink(root.path(""), root.path("all/up")).unwrap();
    let set = open(root.path("")).unwrap();
    assert_eq!((set.subjects().len(), set.subjects()[0].id.as_str()), (1, "patient001"));
    let through = open(root.path("all/one")).unwrap();
    assert_eq!(through.subjects()[0].id, "patient001");
    assert!(Path::new(&through.subjects()[0].files[0]).is_file());
}
