//! What cannot be done is refused in one line, with exit code 2 for misuse and 1 for failure.

use crate::desk::{Desk, assert_a_line_says, assert_says, bytes};

const SCRATCH: [&str; 3] = ["train", "--method", "scratch"];

fn pcl<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "--method", "pcl"], more].concat()
}

fn scratch<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SCRATCH, more].concat()
}

#[test]
fn settings_that_make_no_sense() {
    let desk = Desk::new();
    let refused = |text: &str, parts: &[&str]| {
        assert_says(&desk.fail(&scratch(&["--set", text]), 2), parts);
    };
    refused("finetune.epoch=3", &["finetune.epoch", "finetune.optimisation.epochs"]);
    refused("network.size=100", &["network.size", "100", "multiple of 8"]);
    refused("method=pcl", &["--method"]);
    refused("seed=3", &["--seed"]);
    refused("finetune.epochs=many", &["finetune.optimisation.epochs", "many"]);
    refused("subjects.phantom=100000000000000", &["subjects.phantom", " 10000"]);
    desk.fail(&["train", "--method", "nonsense"], 2);
    desk.fail(&["train", "--method", "pcl", "--stage", "finetune"], 2);
    desk.fail(&scratch(&["--stage", "pretrain"]), 2);
    desk.fail(&scratch(&["--threads", "0"]), 2);
    desk.fail(&scratch(&["--labelled", "0"]), 2);
    let line = desk.fail(&scratch(&["--weights", "run"]), 2);
    assert_says(&line, &["scratch", "--weights"]);
    let quick = ["--size", "32", "--channels", "4,8", "--batch", "2", "--steps", "1"];
    let cuda = [&["bench", "train", "--device", "cuda"], &quick[..]].concat();
    // A machine with a GPU takes it.
    if !desk.run(&cuda).status.success() {
        let line = desk.fail(&cuda, 2);
        assert_says(&line, &["--device cuda", "no GPU"]);
    }
    desk.fail(&["bench", "train", "--size", "33", "--channels", "4,8"], 2);
    let line = desk.fail(&["bench", "kernels", "--size", "36", "--channels", "4,8"], 2);
    assert_says(&line, &["--size 36", "multiple of 8"]);
    let line = desk.fail(&["bench", "kernels", "--only", "conv3d"], 2);
    assert_says(&line, &["--only", "conv3d", "batch_norm"]);
    assert!(!desk.path("runs").exists(), "nothing is left behind");
}

#[test]
fn data_that_are_not_there_or_do_not_fit() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("empty")).unwrap();
    desk.plain_data_set("set", 6);
    let data = |more: &[&'static str], code| desk.fail(&scratch(more), code);
    assert_says(&data(&["--data", "nowhere"], 1), &["nowhere"]);
    assert_says(&data(&["--data", "empty"], 1), &["empty"]);
    let line = data(&["--data", "set", "--labelled", "1000"], 2);
    assert_says(&line, &["1000", "labelled"]);
    // A subject may not train and test, by whatever path or name it comes.
    let line = data(&["--data", "set", "--test", "empty/../set/images"], 1);
    assert_says(&line, &["both", "--data", "--test"]);
    desk.plain_data_set("copy", 1);
    let line = data(&["--data", "set", "--test", "copy"], 1);
    assert_says(&line, &["phantom0001", "--data", "set", "--test", "copy"]);
    assert!(!desk.path("runs").exists(), "nothing is left behind");
}

#[test]
fn folders_and_weights_that_cannot_be_used() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("empty")).unwrap();
    let line = desk.fail(&pcl(&["--weights", "empty"]), 1);
    assert_says(&line, &["empty", "pretrain"]);
    let line = desk.fail(&pcl(&["--weights", "nowhere"]), 1);
    assert_says(&line, &["nowhere"]);
    desk.trained("run", &["--method", "scratch"]);
    let line = desk.fail(&scratch(&["--out", "run", "--seed", "9"]), 1);
    assert_says(&line, &["run", "seed", "0", "9"]);
    std::fs::write(desk.path("file"), "").unwrap();
    let line = desk.fail(&scratch(&["--out", "file/run", "--set", "subjects.phantom=8"]), 1);
    assert_says(&line, &["file/run"]);
    // Weights of another network are stderr before the data are read and a folder is begun.
    let other = ["--weights", "run/finetune/best.safetensors", "--data", "empty", "--out", "new"];
    let line = desk.fail(&pcl(&other), 1);
    assert_says(&line, &["run/finetune/best.safetensors"]);
    assert!(!desk.path("new").exists());
    std::fs::write(desk.path("empty/thesis.txt"), "years of work").unwrap();
    let line = desk.fail(&scratch(&["--out", "empty"]), 1);
    assert_says(&line, &["empty", "--out"]);
    assert_eq!(bytes(desk.path("empty/thesis.txt")), b"years of work");
    for (name, damage) in [("finetune/best", 9), ("finetune/progress", 1000)] {
        let path = desk.path(&format!("run/{name}.safetensors"));
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - damage]).unwrap();
    }
    for weights in ["run", "run/finetune/best.safetensors"] {
        let line = desk.fail(&["evaluate", "--weights", weights, "--data", "empty"], 1);
        assert_says(&line, &["run/finetune/best.safetensors"]);
    }
    let line = desk.fail(&pcl(&["--weights", "run"]), 1);
    assert_says(&line, &["run", "pretrain"]);
    let resumed = desk.train("run", &["--method", "scratch"]).output().unwrap();
    let errors = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert_eq!(resumed.status.code(), Some(1), "{errors}");
    assert_a_line_says(&errors, &["error", "finetune/progress.safetensors"]);
}

#[test]
fn an_instruction_set_that_the_processor_lacks() {
    let desk = Desk::new();
    let output = desk.command(&["config", "keys"]).env("CINE_SIMD", "avx1024").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_says(&stderr, &["CINE_SIMD=avx1024", "this processor has portable"]);
}
