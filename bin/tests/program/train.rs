//! `cine train`: what a run leaves, and that stages, labels and seeds mean what they say.

use std::collections::BTreeSet;
use std::path::Path;

use evaluate::{read_frames, read_slices};
use serde_json::Value;
use train::model::Model;

use crate::desk::{Desk, assert_a_line_says, assert_says, bytes};

/// Ids that `split.json` of a run has for a part.
fn ids(desk: &Desk, run: &str, part: &str) -> BTreeSet<String> {
    serde_json::from_value(desk.json(&format!("{run}/split.json"))[part].clone()).unwrap()
}

/// Width and height of a PNG whose every row decodes.
fn picture(path: &Path) -> (u32, u32) {
    let file = std::io::Cursor::new(bytes(path));
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    let first = pixels[0];
    assert!(pixels.iter().any(|&p| p != first), "{}: one colour", path.display());
    (frame.width, frame.height)
}

#[test]
fn a_run_leaves_a_folder_to_look_through() {
    let desk = Desk::new();
    let run = desk.trained("run", &["--method", "pcl", "--seed", "3"]);
    for name in ["pretrain-loss", "finetune-loss", "finetune-dice", "test-worst", "test-best"] {
        let (width, height) = picture(&run.join(format!("pictures/{name}.png")));
        assert!(width >= 100 && height >= 100, "{name}: {width} x {height}");
    }
    let result = desk.json("run/result.json");
    for part in ["dice", "dice_by_moment/ED", "dice_by_moment/ES"] {
        for structure in ["LV", "MYO", "RV", "mean"] {
            let value = result.pointer(&format!("/{part}/{structure}")).and_then(Value::as_f64);
            assert!(value.is_some_and(|dice| (0.0..=1.0).contains(&dice)), "{part} {structure}");
        }
    }
    assert_eq!((&result["method"], &result["seed"]), (&"pcl".into(), &3.into()));
    assert_eq!(desk.json("run/settings.json")["seed"], 3);
    assert_eq!(desk.json("run/job.json")["stage"], "all");
    let [train, valid, test] = ["train", "valid", "test"].map(|part| ids(&desk, "run", part));
    assert_eq!([train.len(), valid.len(), test.len()], [5, 1, 2]);
    let everyone: BTreeSet<_> = train.iter().chain(&valid).chain(&test).collect();
    assert_eq!(everyone.len(), 8, "every subject has one role");
    assert_eq!(ids(&desk, "run", "labelled"), train);
    let frames = read_frames(run.join("test.csv")).unwrap();
    assert_eq!(frames.len(), 4, "two frames of two subjects");
    assert!(frames.iter().all(|frame| test.contains(&frame.subject)));
    assert!(
        frames.iter().all(|frame| frame.measurements.unwrap().true_ml[0] > 5.0),
        "hearts have ml"
    );
    let subjects = std::fs::read_to_string(run.join("test-subjects.csv")).unwrap();
    assert_eq!(subjects.lines().count(), 3, "{subjects}");
    let bias = &result["predicted_less_true"]["lv_edv_ml"];
    assert_eq!(bias["subjects"], 2, "{bias}");
    assert!(result["distance_mm"]["LV"]["frames"].is_u64(), "{}", result["distance_mm"]);
    assert!(read_slices(run.join("test-slices.csv")).unwrap().len() > frames.len());
    for stage in ["pretrain", "finetune"] {
        let rows = train::run::metrics::read(run.join("metrics.csv")).unwrap();
        let mut losses = rows.iter().filter(|row| row.stage == stage).filter_map(|row| row.loss);
        assert!(losses.clone().count() >= 5 && losses.all(f64::is_finite), "{stage}");
    }
    let model = Model::open(&run, None, &[]).unwrap();
    assert!(model.path.ends_with("finetune/best.safetensors") && model.report.missing.is_empty());
}

#[test]
fn stages_can_be_run_apart() {
    let desk = Desk::new();
    let output = desk.train("first", &["--method", "simclr", "--stage", "pretrain"]).output();
    let stderr = String::from_utf8(output.unwrap().stdout).unwrap();
    assert_says(&stderr, &["--stage finetune", "--weights first"]);
    assert!(!desk.path("first/result.json").exists());
    let line = desk.fail(&["evaluate", "--weights", "first", "--data", "."], 1);
    assert_says(&line, &["first", "fine-tun"]);
    let second = ["--method", "simclr", "--stage", "finetune", "--weights", "first"];
    desk.trained("second", &second);
    // In one piece, in two folders or in two sittings, the weights are the same.
    desk.trained("whole", &["--method", "simclr"]);
    desk.trained("first", &["--method", "simclr"]);
    let weights = |run: &str| bytes(desk.path(run).join("finetune/last.safetensors"));
    assert!(weights("second") == weights("whole"));
    assert!(weights("first") == weights("whole"));
    // Once begun, fine-tuning has one beginning.
    let other = ["--method", "simclr", "--stage", "finetune", "--weights", "whole"];
    let output = desk.train("second", &other).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{errors}");
    assert_a_line_says(&errors, &["error", "first", "whole"]);
}

#[test]
fn labels_can_be_few_or_none() {
    let desk = Desk::new();
    let labelled = |n: &str| {
        let out = format!("few{n}");
        desk.trained(&out, &["--method", "scratch", "--labelled", n]);
        assert_eq!(ids(&desk, &out, "train").len(), 5, "the others still pretrain");
        ids(&desk, &out, "labelled")
    };
    let (two, three) = (labelled("2"), labelled("3"));
    assert_eq!((two.len(), three.len()), (2, 3));
    assert!(two.is_subset(&three), "the two are among the three");
    // Images alone are enough to pretrain on, and not to fine-tune.
    let data = desk.plain_data_set("set", 3);
    std::fs::remove_dir_all(data.join("labels")).unwrap();
    let pcl = ["--method", "pcl", "--data", "set"];
    desk.trained("images", &[&pcl[..], &["--stage", "pretrain"]].concat());
    assert_eq!(ids(&desk, "images", "train").len(), 3);
    let line = desk.fail(&[&["train"], &pcl[..]].concat(), 1);
    assert_says(&line, &["labels"]);
}

#[test]
fn held_out_subjects_stay_out_of_training() {
    let desk = Desk::new();
    desk.plain_data_set("set", 6);
    desk.trained("first", &["--method", "pcl", "--data", "set", "--stage", "pretrain"]);
    // Another seed draws another split, whose test subjects the first run was trained on.
    for weights in ["first", "first/pretrain/last.safetensors"] {
        let arguments =
            ["--method", "pcl", "--data", "set", "--stage", "finetune", "--weights", weights];
        let refused = (1..5).any(|seed: u32| {
            let seed = seed.to_string();
            let more = [&arguments[..], &["--seed", &seed]].concat();
            let output = desk.train(&format!("{seed}{}", weights.len()), &more).output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            let names = |line: &str| line.starts_with("error") && line.contains(weights);
            output.status.code() == Some(1) && errors.lines().any(names)
        });
        assert!(refused, "{weights}");
    }
    // The same folder twice is the same subjects, once.
    desk.trained("twice", &["--method", "scratch", "--data", "set", "--data", "set/images"]);
    let count = |part: &str| ids(&desk, "twice", part).len();
    assert_eq!(count("train") + count("valid") + count("test"), 6);
}

#[test]
fn every_method_pretrains_and_shows_what_it_saw_and_learned() {
    let desk = Desk::new();
    for method in ["simclr", "dino", "mim"] {
        let more = ["--set", "pretrain.epochs=2", "--set", "dino.checkpoint_every=1"];
        let run = desk.trained(method, &[&["--method", method], &more[..]].concat());
        let there = |file: &str| run.join(file).is_file();
        assert!(there("pictures/views.png") && there("pictures/neighbours.png"), "{method}");
        assert_eq!(there("pictures/reconstructions.png"), method == "mim");
        // DINO's kept checkpoints are of the student, under its names; it has no validation.
        assert_eq!(there("pretrain/epoch-1.safetensors"), method == "dino");
        assert_eq!(there("pretrain/best.safetensors"), method != "dino");
        assert!(there("finetune/best.safetensors") && there("result.json"), "{method}");
    }
}

#[test]
fn a_damaged_cache_is_told_of_and_built_again() {
    let desk = Desk::new();
    let cache = desk.path("cache");
    let trained = |out: &str| {
        let output = desk.train(out, &["--method", "scratch"]).env("CINE_CACHE", &cache).output();
        let output = output.unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!trained("one").contains("WARN"));
    let file = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let stderr = trained("two");
    let line =
        stderr.lines().find(|line| line.contains("WARN")).unwrap_or_else(|| panic!("{stderr}"));
    assert!(line.contains(file.file_name().unwrap().to_str().unwrap()), "{line}");
    assert_eq!(std::fs::read(&file).unwrap(), whole);
}
