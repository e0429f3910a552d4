//! Names that terminals, spreadsheets and viewers would act on are shown and not acted on.

use std::path::Path;

use crate::desk::{Desk, assert_says};

/// Names of subjects, which are names of files.
const NAMES: [&str; 6] = [
    "=cmd|calc!A1",
    "+1+1",
    "@SUM(1)",
    "a\nb\u{1b}[2J\u{7}",
    "<svg onload=alert(2)>",
    "gz\u{202e}b",
];

/// A data set whose subjects have these names.
fn named_data_set(desk: &Desk) {
    let root = desk.plain_data_set("set", NAMES.len());
    for part in ["images", "labels"] {
        let folder = root.join(part);
        let mut files: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for (file, name) in files.iter().zip(NAMES) {
            std::fs::rename(file, folder.join(format!("{name}.nii.gz"))).unwrap();
        }
    }
}

#[track_caller]
fn shows_no_control(text: &[u8]) {
    let text = std::str::from_utf8(text).unwrap();
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(acts), "{text:?}");
}

/// Cells of a CSV file that a spreadsheet would run.
fn formulae(path: &Path) -> Vec<String> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let cells = reader.records().flat_map(|row| {
        let row = row.unwrap();
        row.iter().map(str::to_owned).collect::<Vec<_>>()
    });
    let runs = |cell: &String| {
        cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
            && cell.len() > 1
            && cell.parse::<f64>().is_err()
    };
    cells.filter(runs).collect()
}

#[test]
fn names_are_shown_and_not_acted_on() {
    let desk = Desk::new();
    named_data_set(&desk);
    let output = desk.run(&["data", "inspect", "set"]);
    shows_no_control(&output.stdout);
    assert_says(
        &String::from_utf8(output.stdout).unwrap(),
        &["a\\nb\\u{1b}[2J\\u{7}", "gz\\u{202e}b"],
    );
    let trained = desk.train("run", &["--method", "scratch", "--data", "set"]).output().unwrap();
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    shows_no_control(&trained.stdout);
    shows_no_control(&trained.stderr);
    for options in [
        &["--weights", "run", "--data", "set"][..],
        &["--predictions", "set/labels", "--labels", "set/labels"],
    ] {
        let output = desk.run(&[&["evaluate", "--csv", "all.csv"], options].concat());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        shows_no_control(&output.stdout);
        shows_no_control(&output.stderr);
        let mut files = vec!["all.csv", "all.subjects.csv"];
        files.extend(desk.path("all.slices.csv").exists().then_some("all.slices.csv"));
        for file in files {
            assert_eq!(formulae(&desk.path(file)), Vec::<String>::new(), "{file}");
        }
        let mut ids: Vec<String> = evaluate::read_frames(desk.path("all.csv"))
            .unwrap()
            .into_iter()
            .map(|row| row.subject)
            .collect();
        ids.sort();
        ids.dedup();
        let mut names = NAMES.map(str::to_owned);
        names.sort();
        assert_eq!(ids, names);
    }
    let missing = desk.run(&["data", "inspect", "no\u{1b}[2J\nsuch"]);
    shows_no_control(&missing.stdout);
    let line = desk.fail(&["train", "--method", "scratch", "--data", "no\u{1b}[2J\nsuch"], 1);
    assert_says(&line, &["no\\u{1b}[2J\\nsuch"]);
}
