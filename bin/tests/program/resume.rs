//! The same seed gives the same bits: on any number of threads, and whatever happens on the way.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::desk::{Desk, TINY, assert_a_line_says, bytes};

const WEIGHTS: [&str; 3] =
    ["pretrain/last.safetensors", "finetune/best.safetensors", "finetune/last.safetensors"];

/// Weights and results of two runs are the same, and so are the rows of how they went.
#[track_caller]
pub fn assert_same(one: &Path, other: &Path) {
    for weights in WEIGHTS.into_iter().filter(|weights| one.join(weights).exists()) {
        assert!(bytes(one.join(weights)) == bytes(other.join(weights)), "{weights}");
    }
    for results in ["test.csv", "test-slices.csv"] {
        assert!(bytes(one.join(results)) == bytes(other.join(results)), "{results}");
    }
    let rows = |run: &Path| -> Vec<_> {
        let rows = train::run::metrics::read(run.join("metrics.csv")).unwrap();
        rows.into_iter()
            .map(|row| (row.stage, row.step, row.loss, row.validation_loss, row.validation_dice))
            .collect()
    };
    assert_eq!(rows(one), rows(other));
}

/// Starts a process that tells nobody of its progress.
pub fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Kills a process as a machine that is switched off would, once `file` is there.
fn kill_after(mut child: Child, file: &Path) {
    let begun = Instant::now();
    while !file.exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let desk = Desk::new();
    let one = desk.trained("one", &["--method", "pcl", "--threads", "1"]);
    let two = desk.trained("two", &["--method", "pcl", "--threads", "2"]);
    assert_same(&one, &two);
}

#[test]
fn a_run_that_is_killed_goes_on_with_the_same_bits() {
    killed_and_resumed("pcl");
}

/// DINO keeps more than its network: the teacher and the centre.
#[test]
fn dino_that_is_killed_goes_on_with_the_same_bits() {
    killed_and_resumed("dino");
}

fn killed_and_resumed(method: &str) {
    let desk = Desk::new();
    let mut long = vec!["--method", method];
    for setting in ["pretrain.epochs=5", "finetune.epochs=12", "save_every=0"] {
        long.extend(["--set", setting]);
    }
    let whole = desk.trained("whole", &long);
    let killed = desk.path("killed");
    // Once while it pretrains, once while it fine-tunes.
    for stage in ["pretrain", "finetune"] {
        let child = start(desk.train("killed", &long));
        kill_after(child, &killed.join(stage).join("progress.safetensors"));
        assert!(!killed.join("result.json").exists(), "killed before its end");
    }
    desk.trained("killed", &long);
    assert_same(&whole, &killed);
    // A finished run is left as it is.
    let before = bytes(killed.join("metrics.csv"));
    desk.trained("killed", &long);
    assert_same(&whole, &killed);
    assert!(bytes(killed.join("metrics.csv")) == before);
}

#[test]
fn two_processes_do_not_work_on_one_run() {
    let desk = Desk::new();
    let long = ["--method", "scratch", "--set", "finetune.epochs=100000"];
    let mut child = start(desk.train("run", &long));
    let begun = Instant::now();
    while !desk.path("run/metrics.csv").exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = desk.train("run", &long).output().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let errors = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{errors}");
    assert_a_line_says(&errors, &["error", "run", "process"]);
}

#[test]
fn a_reader_that_leaves_does_not_end_the_training() {
    let desk = Desk::new();
    let mut child = start(desk.train("run", &["--method", "scratch"]));
    drop(child.stdout.take());
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
    assert!(desk.path("run/result.json").exists());
}

#[test]
fn trainings_that_start_at_once_get_folders_of_their_own() {
    let desk = Desk::new();
    let mut arguments = vec!["train", "--method", "scratch", "--threads", "1"];
    TINY.iter().for_each(|setting| arguments.extend(["--set", setting]));
    let children: Vec<_> = (0..4).map(|_| start(desk.command(&arguments))).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let run = |n| desk.path(&format!("runs/scratch-demo-{n}"));
    (2..5).for_each(|n| assert_same(&run(1), &run(n)));
    assert_eq!(std::fs::read_dir(desk.path("runs")).unwrap().count(), 4);
}
