//! Reports of files and data sets, and the findings about them.

use super::super::dataset::DatasetLayout;
use super::*;
use crate::testing::{NiftiFile, TestFolder, ramp, real};

const DIMS: [usize; 3] = [9, 9, 4];

/// A ring of myocardium around a left ventricle, and a right ventricle beside it. `widths` gives the
/// ring's inner radius in each slice (0: no heart), `ventricles` the labels of left and right ventricle.
fn heart(widths: [usize; 4], ventricles: [u8; 2]) -> Vec<u8> {
    let mut labels = vec![0; DIMS.iter().product()];
    for (k, &width) in widths.iter().enumerate().filter(|(_, width)| **width > 0) {
        for j in 0..9usize {
            for i in 0..9usize {
                let distance = i.abs_diff(3).max(j.abs_diff(3));
                labels[(k * 9 + j) * 9 + i] = match distance {
                    d if d < width => ventricles[0],
                    d if d == width => 2,
                    d if d == width + 1 && i > 3 => ventricles[1],
                    _ => 0,
                };
            }
        }
    }
    labels
}

fn report_on(labels: &[u8]) -> SubjectReport {
    let folder = TestFolder::new();
    let with_spacing = |file| NiftiFile { spacing: [3.0, 3.0, 15.0], ..file };
    folder.nifti("images/a.nii", &with_spacing(NiftiFile::of_i16(&DIMS, &ramp(324))));
    folder.nifti("labels/a.nii", &with_spacing(NiftiFile::of_u8(&DIMS, labels)));
    inspect(folder.path("")).sets.remove(0).subjects.remove(0)
}

fn warnings(report: &SubjectReport) -> Vec<&str> {
    let warnings = report.findings.iter().filter(|finding| finding.severity == Severity::Warning);
    warnings.map(|finding| finding.message.as_str()).collect()
}

#[test]
fn a_plausible_heart_raises_no_warning() {
    let report = report_on(&heart([2, 2, 1, 1], [1, 3]));
    assert_eq!(warnings(&report), Vec::<&str>::new());
    let frame = &report.content.unwrap().frames[0];
    assert!((frame.millilitres[0] - f64::from(9 + 9 + 1 + 1) * 0.135).abs() < 1e-6);
}

#[test]
fn an_implausible_heart_raises_warnings() {
    let all = |labels: &[u8]| warnings(&report_on(labels)).join("; ");
    assert!(all(&heart([1, 1, 2, 2], [1, 3])).contains("apex"));
    assert!(all(&heart([2, 2, 1, 1], [3, 1])).contains("taken for RV and LV"));
    assert!(all(&heart([2, 2, 1, 1], [1, 0])).contains("RV"));
}

#[test]
fn an_unreadable_subject_is_a_finding_and_the_rest_is_reported() {
    let folder = TestFolder::new();
    let image = NiftiFile { spacing: [9.0, 9.0, 50.0], ..NiftiFile::of_i16(&DIMS, &ramp(324)) };
    folder.nifti("patient001/patient001_frame01.nii.gz", &image);
    std::fs::create_dir(folder.path("patient002")).unwrap();
    let inspection = inspect(folder.path(""));
    assert_eq!(inspection.worst_severity(), Some(Severity::Error));
    let [set] = inspection.sets.as_slice() else { panic!("{inspection}") };
    let [good, bad] = set.subjects.as_slice() else { panic!("{inspection}") };
    assert_eq!((set.layout, inspection.files.len()), (DatasetLayout::Acdc, 0));
    let content = good.content.as_ref().unwrap();
    assert_eq!((content.shape, content.spacing), ([4, 9, 9, 1], [9.0, 9.0, 50.0]));
    assert_eq!((content.range, content.frames.len()), ([1.0, 996.0], 0));
    let [spacing] = warnings(good)[..] else { panic!("{inspection}") };
    assert!(spacing.contains("9 x 9 mm") && spacing.contains("50 mm"), "{spacing}");
    assert!(bad.content.is_none());
    assert!(bad.findings.iter().any(|finding| finding.severity == Severity::Error), "{bad:?}");
    let text = inspection.to_string();
    let line = |id: &str| text.lines().find(|line| line.trim_start().starts_with(id)).unwrap();
    let cells = ["4 x 9 x 9", "9 x 9 x 50", "int16", "1 to 996"];
    assert!(cells.iter().all(|cell| line("patient001").contains(cell)), "{text}");
    assert!(!line("patient002").contains(" x "), "{text}");
    assert!(line("error").contains("patient002"), "{text}");
    let nowhere = inspect(folder.path("nowhere"));
    assert_eq!(nowhere.worst_severity(), Some(Severity::Error));
    assert!(nowhere.sets.is_empty() && nowhere.files.is_empty());
    assert!(nowhere.to_string().contains("nowhere"));
}

#[test]
fn a_file_is_described() {
    let folder = TestFolder::new();
    let file = NiftiFile::of_u8(&DIMS, &heart([2, 2, 1, 1], [1, 3]));
    let path = folder.nifti("a.nii.gz", &file);
    let inspection = inspect(&path);
    let content = inspection.files[0].content.as_ref().unwrap();
    assert_eq!((content.header.dims, content.axes[0]), ([9, 9, 4, 1], 2), "slices along k");
    assert_eq!(content.range, [0.0, 3.0]);
    let labels = content.labels.as_ref().unwrap();
    assert_eq!((labels[&1], labels.values().sum::<usize>()), (20, 324));
    let text = inspection.to_string();
    for part in ["NIfTI-1", "uint8", "9 x 9 x 4", "slices along k", "1 (LV?): 20"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let folder = inspect(folder.path(""));
    assert_eq!((folder.files.len(), folder.worst_severity()), (1, Some(Severity::Note)));
}

/// Real data sets raise no false warning, and every awkward file has a report.
#[test]
fn real_folders() {
    let (Some(acdc), Some(awkward), Some(fd)) = (real("acdc"), real("awkward"), real("autofd"))
    else {
        return;
    };
    let inspection = inspect(acdc);
    assert_eq!(inspection.worst_severity(), Some(Severity::Note), "{inspection}");
    for folder in std::fs::read_dir(awkward).unwrap() {
        let inspection = inspect(folder.unwrap().path());
        assert!(!inspection.files.is_empty());
        for file in &inspection.files {
            let name = file.path.file_name().unwrap().to_string_lossy();
            assert!(inspection.to_string().contains(&*name), "{inspection}");
            assert!(file.content.is_some() || file.findings[0].severity == Severity::Error);
        }
    }
    let Some(mnms) = real("mnms_frames") else { return };
    let text = inspect(mnms.join("H1N8S6_sa_ED.nii.gz")).to_string();
    assert!(text.contains("LPS (oblique)") && text.contains("sform"), "{text}");
    let text = inspect(fd.join("A/seg_sa_ED.nii.gz")).to_string();
    assert!(text.contains("RAS") && text.contains("qform") && text.contains("4: 16208"), "{text}");
}
