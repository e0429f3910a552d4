//! `cine predict`, `cine evaluate` and `cine data inspect`.

use std::process::Stdio;

use ssp::data::nifti;
use ssp::evaluate::read_frames;

use crate::desk::Desk;

#[test]
fn predictions_lie_on_the_grid_of_their_files_and_evaluate_alike() {
    let desk = Desk::new();
    let data = desk.plain_data_set("set", 6);
    desk.trained("run", &["--method", "scratch", "--data", "set", "--set", "finetune.epochs=6"]);
    desk.succeed(&["predict", "--weights", "run", "set/images", "--out", "labels"]);
    for file in std::fs::read_dir(data.join("images")).unwrap() {
        let file = file.unwrap().path();
        let source = nifti::read_header(&file).unwrap();
        let path = desk.path("labels").join(file.file_name().unwrap());
        let labels = nifti::read_labels(&path, 3).unwrap();
        assert_eq!(labels.header.dims, source.dims);
        assert_eq!(labels.header.spacing, source.spacing);
    }
    desk.succeed(&["evaluate", "--weights", "run", "--data", "set", "--csv", "model.csv"]);
    let compare = ["evaluate", "--predictions", "labels", "--labels", "set/labels"];
    desk.succeed(&[&compare[..], &["--csv", "files.csv"]].concat());
    let (model, files) = (
        read_frames(desk.path("model.csv")).unwrap(),
        read_frames(desk.path("files.csv")).unwrap(),
    );
    assert_eq!((model.len(), files.len()), (12, 12));
    for row in &model {
        let same = files.iter().find(|f| f.subject == row.subject && f.phase == row.phase).unwrap();
        assert_eq!(same.dice, row.dice, "{}", row.subject);
    }
    let line = desk
        .fail(&["predict", "--weights", "run", "set/images", "--out", "set/labels/../images"], 1);
    assert!(line.contains("would be overwritten"), "{line}");
    let truth = ["evaluate", "--predictions", "set/labels", "--labels", "set/labels"];
    assert!(desk.succeed(&truth).contains("1.000"), "the truth agrees with itself");
}

#[test]
fn a_file_that_cannot_be_used_does_not_stop_the_others() {
    let desk = Desk::new();
    desk.plain_data_set("set", 4);
    desk.trained("run", &["--method", "scratch", "--data", "set"]);
    std::fs::write(desk.path("set/images/broken.nii.gz"), b"no image at all").unwrap();
    let predict = ["predict", "--weights", "run", "set/images", "--out", "labels"];
    let line = desk.fail(&predict, 1);
    assert!(line.contains("broken.nii.gz"), "{line}");
    assert_eq!(std::fs::read_dir(desk.path("labels")).unwrap().count(), 4);
    let line = desk.fail(&["predict", "--weights", "set", "set/images", "--out", "labels"], 1);
    assert!(line.contains("holds no weights"), "{line}");
    let weights = desk.path("run/finetune/best.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() - 9]).unwrap();
    let line = desk.fail(&predict, 1);
    assert!(line.contains("not a whole safetensors file"), "{line}");
}

#[test]
fn inspection_tells_good_from_bad_and_survives_a_reader_that_leaves() {
    let desk = Desk::new();
    desk.plain_data_set("set", 2);
    let text = desk.succeed(&["data", "inspect", "set"]);
    assert!(text.contains("2 with labels"), "{text}");
    std::fs::write(desk.path("set/images/phantom0000.nii.gz"), b"").unwrap();
    assert_eq!(desk.run(&["data", "inspect", "set"]).status.code(), Some(1));
    let mut child = desk.command(&["--help"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().code().is_some_and(|code| code != 101), "no panic");
}

#[test]
fn a_step_is_timed_and_asks_for_no_memory() {
    let desk = Desk::new();
    let small = ["bench", "train", "--size", "32", "--batch", "2", "--channels", "4,8"];
    let line = desk.succeed(&[&small[..], &["--steps", "2", "--warmup", "2"]].concat());
    let timing: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(timing["allocations"], 0);
    assert!(timing["images_per_s"].as_f64().unwrap() > 0.0);
    desk.fail(&["bench", "train", "--size", "33", "--channels", "4,8"], 2);
}
