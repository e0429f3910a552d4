//! Files of results come back as they were, or are refused by row.

use super::super::{CardiacFunction, Results};
use super::*;

fn frames() -> Vec<FrameRow> {
    let row = |subject: &str, moment, phase, dice| FrameRow {
        subject: subject.into(),
        moment,
        phase,
        dice: Dice::from_values(dice),
        measurements: None,
        vendor: None,
        pathology: None,
    };
    let near = Some(SurfaceDistance { hd95: 10.0 / 3.0, assd: 0.7 });
    vec![
        FrameRow {
            measurements: Some(FrameMeasurements {
                distances: [near, None, near],
                predicted_ml: [131.25, 0.1 + 0.2, 0.0],
                true_ml: [120.0, 90.5, 110.0],
            }),
            vendor: Some("Siemens, \"Avanto\"".into()),
            pathology: Some("DCM".into()),
            ..row("patient001", CardiacPhase::EndDiastole, 0, [0.1 + 0.2, 1.0 / 3.0, 0.0])
        },
        row("patient001", CardiacPhase::EndSystole, 11, [1.0, 0.875, 5e-324]),
        row("sujet é", CardiacPhase::Other, 4, [0.5, 0.25, 0.125]),
    ]
}

#[test]
fn frames_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dice.csv");
    write_frames(&path, &frames()).unwrap();
    assert_eq!(read_frames(&path).unwrap(), frames());
    write_frames(&path, &[]).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("subject,moment,phase,"));
    assert!(read_frames(&path).unwrap().is_empty());
}

#[test]
fn names_that_a_spreadsheet_would_run_are_marked_as_text_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let row = FrameRow {
        subject: "=cmd|calc!A1".into(),
        vendor: Some("@SUM(1)".into()),
        pathology: Some("+1+1".into()),
        ..frames().remove(0)
    };
    let slice = SliceDice { slice: 0, position: 0.5, dice: row.dice };
    let [path, slices, subjects] =
        ["frames.csv", "slices.csv", "subjects.csv"].map(|name| folder.path().join(name));
    write_frames(&path, std::slice::from_ref(&row)).unwrap();
    let of_slice = SliceRow { subject: "-1\"a".into(), moment: row.moment, phase: 0, slice };
    write_slices(&slices, std::slice::from_ref(&of_slice)).unwrap();
    let function = CardiacFunction { end_diastole: [1.0; 3], end_systole: [-2.5; 3] };
    let of_subject =
        SubjectRow { subject: "=1".into(), predicted: function, ground_truth: function };
    write_subjects(&subjects, &[of_subject], &Remarks::default()).unwrap();
    for path in [&path, &slices, &subjects] {
        let mut reader = csv::Reader::from_path(path).unwrap();
        for cell in reader.records().next().unwrap().unwrap().iter() {
            let runs = cell.starts_with(['=', '+', '-', '@']) && cell.parse::<f64>().is_err();
            assert!(!runs, "{cell}");
        }
    }
    assert!(std::fs::read_to_string(&subjects).unwrap().contains(",-2.5,"));
    assert_eq!(read_frames(&path).unwrap(), [row]);
    assert_eq!(read_slices(&slices).unwrap(), [of_slice]);
}

/// What concerns all subjects, one of them, and what the results show.
#[test]
fn remarks_are_those_of_the_subject() {
    let folder = tempfile::tempdir().unwrap();
    let [path, subjects] = ["a.csv", "b.csv"].map(|name| folder.path().join(name));
    let ml = |true_ml| FrameMeasurements { distances: [None; 3], predicted_ml: [50.0; 3], true_ml };
    let mut rows = frames();
    rows[0].measurements = Some(ml([40.0; 3]));
    rows[1].measurements = Some(ml([60.0; 3]));
    let results = Results { frames: rows.clone(), ..Results::default() };
    let doubts = [("", "=of all"), ("patient001", "its spacing"), ("patient001", "its spacing")]
        .map(|(subject, line)| (subject.to_owned(), line.to_owned()));
    let remarks = Remarks::of(&results, &doubts);
    write_frames_with_remarks(&path, &rows, &remarks).unwrap();
    assert_eq!(read_frames(&path).unwrap(), rows);
    let functions = crate::cardiac_functions(&rows);
    write_subjects(&subjects, &functions, &remarks).unwrap();
    let cells = |path: &Path| -> Vec<String> {
        let mut reader = csv::Reader::from_path(path).unwrap();
        assert_eq!(reader.headers().unwrap().iter().next_back(), Some("remarks"));
        let last = |row: csv::StringRecord| row.iter().next_back().unwrap().to_owned();
        reader.records().map(|row| last(row.unwrap())).collect()
    };
    let of_frames = cells(&path);
    assert_eq!(of_frames.len(), 3);
    let lines: Vec<&str> = of_frames[0].split("; ").collect();
    assert_eq!(lines[0], "its spacing");
    assert!(lines[1].contains("the true LV ejection fraction is below 0"), "{lines:?}");
    assert_eq!(lines.last(), Some(&"=of all"));
    assert_eq!(of_frames[1], of_frames[0]);
    assert_eq!(of_frames[2], "'=of all");
    assert_eq!(cells(&subjects), of_frames[..1]);
}

#[test]
fn subjects_are_written_as_predicted_and_as_labelled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("subjects.csv");
    let ground_truth =
        CardiacFunction { end_diastole: [100.0, 80.0, 0.0], end_systole: [40.0, 80.0, 0.0] };
    let predicted = CardiacFunction { end_systole: [50.0, 80.0, 0.0], ..ground_truth };
    let row = SubjectRow { subject: "a".into(), predicted, ground_truth };
    write_subjects(&path, &[row], &Remarks::default()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("subject,lv_edv_ml,lv_edv_true_ml,lv_esv_ml"), "{text}");
    assert_eq!(lines[1], "a,100,100,50,40,50,60,84,84,0,0,0,0,,,");
}

#[test]
fn slices_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slices.csv");
    let rows: Vec<_> = frames()
        .into_iter()
        .enumerate()
        .map(|(slice, row)| SliceRow {
            subject: row.subject,
            moment: row.moment,
            phase: row.phase,
            slice: SliceDice { slice, position: slice as f64 / 3.0, dice: row.dice },
        })
        .collect();
    write_slices(&path, &rows).unwrap();
    assert_eq!(read_slices(&path).unwrap(), rows);
}

#[test]
fn a_broken_file_is_named_with_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dice.csv");
    // As older versions wrote it.
    let header = "subject,moment,phase,dice_lv,dice_myo,dice_rv,dice_mean,vendor,pathology\n";
    std::fs::write(&path, format!("{header}a,ED,0,0.5,0.5,0.5,0.5,,\n")).unwrap();
    assert_eq!(read_frames(&path).unwrap()[0].measurements, None);
    for line in [
        "a,ED,0,0.5,0.5,0.5,0.5,,\nb,end,0,1,1,1,1,,\n",
        "a,ED,0,high,1,1,1,,\n",
        "a,ED,0,1,1,1,1,,\nb,ED,0,1.2,1,1,1,,\n",
        "a,ED,0,1,1,1,1,,\nb,ED,0,1,-0.5,1,1,,\n",
        "a,ED,0,1,1,1,1,,\nb,ED,0,1,1,NaN,1,,\n",
    ] {
        std::fs::write(&path, format!("{header}{line}")).unwrap();
        let message = read_frames(&path).unwrap_err().to_string();
        assert!(message.contains("dice.csv") && !message.contains('\n'), "{message}");
        assert!(message.contains("row 2") || message.contains("line: 2"), "{message}");
    }
}
