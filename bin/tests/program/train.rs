//! `cine train`: what a run leaves, and that it leaves the same whatever happens on the way.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::desk::Desk;

fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_run_leaves_a_folder_to_look_through() {
    let desk = Desk::new();
    let run = desk.trained("run", &["--method", "pcl", "--seed", "3"]);
    for name in ["pretrain-loss", "finetune-loss", "finetune-dice", "test-worst", "test-best"] {
        let picture = bytes(run.join(format!("pictures/{name}.png")));
        assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n", "{name}");
    }
    let result = desk.json("run/result.json");
    for structure in ["LV", "MYO", "RV", "mean"] {
        let dice = result["dice"][structure].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&dice), "{structure}: {dice}");
    }
    assert_eq!(result["method"], "pcl");
    assert_eq!(result["seed"], 3);
    let split = desk.json("run/split.json");
    let ids = |part: &str| -> Vec<String> { serde_json::from_value(split[part].clone()).unwrap() };
    let mut all = [ids("train"), ids("valid"), ids("test")].concat();
    all.sort();
    let count = all.len();
    all.dedup();
    assert_eq!((count, all.len()), (8, 8), "every subject has one role");
    let frames = String::from_utf8(bytes(run.join("test.csv"))).unwrap();
    assert_eq!(frames.lines().count(), 1 + 2 * ids("test").len());
    assert!(run.join("metrics.csv").exists() && run.join("finetune/best.safetensors").exists());
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let desk = Desk::new();
    let one = desk.trained("one", &["--method", "pcl", "--threads", "1"]);
    let two = desk.trained("two", &["--method", "pcl", "--threads", "2"]);
    for weights in ["pretrain/last.safetensors", "finetune/last.safetensors"] {
        assert!(bytes(one.join(weights)) == bytes(two.join(weights)), "{weights}");
    }
    assert_eq!(bytes(one.join("test.csv")), bytes(two.join("test.csv")));
}

#[test]
fn a_run_that_is_killed_goes_on_with_the_same_bits() {
    let desk = Desk::new();
    let long = ["--method", "scratch", "--set", "finetune.epochs=12", "--set", "save_every=0"];
    let whole = desk.trained("whole", &long);
    let mut child = desk.train("killed", &long).spawn().unwrap();
    let progress = desk.path("killed/finetune/progress.safetensors");
    let begun = Instant::now();
    while !progress.exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!desk.path("killed/result.json").exists(), "killed before its end");
    let resumed = desk.trained("killed", &long);
    let weights = "finetune/last.safetensors";
    assert!(bytes(whole.join(weights)) == bytes(resumed.join(weights)), "same weights");
    assert_eq!(bytes(whole.join("test.csv")), bytes(resumed.join("test.csv")));
    // Rows of the sitting that was cut off are not there twice.
    let rows =
        |run: &Path| String::from_utf8(bytes(run.join("metrics.csv"))).unwrap().lines().count();
    assert_eq!(rows(&whole), rows(&resumed));
}

#[test]
fn a_finished_run_is_left_as_it_is() {
    let desk = Desk::new();
    let run = desk.trained("run", &["--method", "pcl"]);
    let files = ["metrics.csv", "finetune/best.safetensors", "test.csv", "split.json"];
    let before: Vec<_> = files.iter().map(|file| bytes(run.join(file))).collect();
    desk.trained("run", &["--method", "pcl"]);
    for (file, before) in files.iter().zip(before) {
        assert!(bytes(run.join(file)) == before, "{file}");
    }
}

#[test]
fn held_out_subjects_stay_out_of_training() {
    let desk = Desk::new();
    desk.plain_data_set("set", 6);
    desk.trained("first", &["--method", "pcl", "--data", "set"]);
    // Another seed draws another split, whose test subjects the first run was trained on.
    let arguments =
        ["--method", "pcl", "--data", "set", "--stage", "finetune", "--weights", "first"];
    desk.trained("second", &arguments);
    let refused = (1..5).any(|seed: u32| {
        let seed = seed.to_string();
        let more = [&arguments[..], &["--seed", &seed]].concat();
        let output = desk.train(&format!("seed{seed}"), &more).output().unwrap();
        String::from_utf8_lossy(&output.stderr).contains("was trained on it")
    });
    assert!(refused);
    // The same folder twice is the same subjects, once.
    desk.trained("twice", &["--method", "scratch", "--data", "set", "--data", "set/images"]);
    let split = desk.json("twice/split.json");
    let count = |part: &str| split[part].as_array().unwrap().len();
    assert_eq!(count("train") + count("valid") + count("test"), 6);
    let both = ["train", "--method", "scratch", "--data", "set", "--test", "set"];
    assert!(desk.fail(&both, 1).contains("twice"));
}

#[test]
fn images_without_labels_pretrain() {
    let desk = Desk::new();
    let set = desk.plain_data_set("set", 4);
    std::fs::remove_dir_all(set.join("labels")).unwrap();
    desk.trained("run", &["--method", "pcl", "--data", "set", "--stage", "pretrain"]);
    let scratch = ["train", "--method", "scratch", "--data", "set"];
    assert!(desk.fail(&scratch, 1).contains("labels to train on"));
}

#[test]
fn stages_can_be_run_apart_and_labels_be_few() {
    let desk = Desk::new();
    desk.trained("first", &["--method", "simclr", "--stage", "pretrain"]);
    assert!(!desk.path("first/result.json").exists());
    let second = ["--method", "simclr", "--stage", "finetune", "--weights", "first"];
    desk.trained("second", &second);
    let labelled = |n: &str| -> Vec<String> {
        let out = format!("few{n}");
        desk.trained(&out, &["--method", "scratch", "--labelled", n]);
        let split = desk.json(&format!("{out}/split.json"));
        serde_json::from_value(split["labelled"].clone()).unwrap()
    };
    let (two, three) = (labelled("2"), labelled("3"));
    assert_eq!((two.len(), three.len()), (2, 3));
    assert!(two.iter().all(|id| three.contains(id)), "the two are among the three");
    // In one piece or in two, the weights are the same.
    desk.trained("whole", &["--method", "simclr"]);
    let weights = |run: &str| bytes(desk.path(run).join("finetune/last.safetensors"));
    assert!(weights("second") == weights("whole"));
}

#[test]
fn what_cannot_be_done_is_refused_in_one_line() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("empty")).unwrap();
    let scratch = ["train", "--method", "scratch"];
    let with = |more: &[&'static str]| [&scratch[..], more].concat();
    let line = desk.fail(&with(&["--set", "finetune.epoch=3"]), 2);
    assert!(line.contains("the nearest is finetune.optimisation.epochs"), "{line}");
    let line = desk.fail(&with(&["--set", "network.size=100", "--preset", "small"]), 2);
    assert!(line.contains("network.size=100"), "{line}");
    let line = desk.fail(&with(&["--data", "nowhere"]), 1);
    assert!(line.contains("nowhere: does not exist"), "{line}");
    let line = desk.fail(&with(&["--data", "empty"]), 1);
    assert!(line.contains("empty: "), "{line}");
    let line = desk.fail(&with(&["--labelled", "1000"]), 2);
    assert!(line.contains("1000 labelled subjects"), "{line}");
    desk.fail(&with(&["--device", "cuda"]), 2);
    desk.fail(&with(&["--weights", "empty"]), 2);
    desk.fail(&with(&["--set", "seed=3"]), 2);
    desk.fail(&["train", "--method", "pcl", "--weights", "empty"], 1);
    desk.fail(&["train", "--method", "pcl", "--stage", "finetune"], 2);
    desk.fail(&["train", "--method", "nonsense"], 2);
    desk.trained("run", &["--method", "scratch"]);
    let line = desk.fail(&with(&["--out", "run", "--seed", "9"]), 1);
    assert!(line.contains("other settings"), "{line}");
}

#[test]
fn real_images_train_and_predict() {
    let Some(real) = std::env::var_os("CINE_REAL") else {
        println!("left out: CINE_REAL names no folder of real images");
        return;
    };
    let desk = Desk::new();
    let data = Path::new(&real).join("acdc/training");
    let data = data.to_str().unwrap();
    desk.trained("run", &["--method", "pcl", "--data", data, "--set", "finetune.epochs=1"]);
    let image = format!("{data}/patient001/patient001_frame01.nii.gz");
    desk.succeed(&["predict", "--weights", "run", &image, "--out", "labels"]);
    let predicted = ssp::data::nifti::read_labels(desk.path("labels/patient001_frame01.nii.gz"), 3);
    let source = ssp::data::nifti::read_header(Path::new(&image)).unwrap();
    assert_eq!(predicted.unwrap().header.dims, source.dims);
}
