//! Sweeps: several processes on a folder, killed ones, failed cells.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::desk::{Desk, TINY, assert_a_line_says, assert_says};

/// Methods by two counts by two seeds, in the folder `sweep`.
const CELLS: [&str; 4] = ["--counts", "1,all", "--seeds", "2"];

/// Sweeps of the built-in cohort train for steps where nothing else is said.
const EPOCHS: [&str; 4] = ["--set", "finetune.steps=0", "--set", "finetune.validate_steps=0"];

fn sweep(desk: &Desk, more: &[&str]) -> Command {
    let mut arguments = vec!["sweep", "--device", "cpu", "--as-given"];
    arguments.extend(CELLS);
    if !more.contains(&"--methods=scratch") {
        arguments.extend(["--methods", "scratch,mim"]);
    }
    TINY.iter().for_each(|setting| arguments.extend(["--set", setting]));
    arguments.extend(EPOCHS);
    arguments.extend(more);
    desk.command(&arguments)
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The numbers of a status's first line: cells done, all cells, those running, waiting and failed.
fn counts(status: &str) -> Vec<usize> {
    let first = status.lines().next().unwrap();
    let numbers = first.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    numbers.map(|number| number.parse().unwrap()).take(5).collect()
}

/// The cells that a process began, of what it stderr.
fn begun(stderr: &[u8]) -> Vec<String> {
    let stderr = String::from_utf8_lossy(stderr).into_owned();
    stderr.lines().filter(|line| line.starts_with("cell ")).map(str::to_owned).collect()
}

#[test]
fn processes_share_a_sweep_and_take_over_from_one_that_is_killed() {
    let desk = Desk::new();
    let mut killed = start(sweep(&desk, &[]));
    let others = [start(sweep(&desk, &[])), start(sweep(&desk, &["--shard", "2/2"]))];
    let since = Instant::now();
    while !desk.path("sweep/cells").exists() && since.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut all = Vec::new();
    for other in others {
        let output = other.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        all.extend(begun(&output.stderr));
    }
    let cells = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), cells, "no cell is done twice: {all:?}");
    let status = desk.succeed(&["sweep", "--status"]);
    assert_eq!(counts(&status), [8, 8, 0, 0, 0], "{status}");

    // One pretraining served four cells, each of which tested on the same subjects.
    let split = |cell: &str| desk.json(&format!("sweep/cells/subjects/{cell}/split.json"));
    let (one, all_labelled) = (split("mim-1-s1"), split("scratch-all-s0"));
    assert_eq!(one["test"], all_labelled["test"]);
    assert_eq!(one["train"], all_labelled["train"]);
    assert_eq!(one["labelled"].as_array().unwrap().len(), 1);
    let table = std::fs::read_to_string(desk.path("sweep/table.csv")).unwrap();
    assert_eq!(table.lines().count(), 9, "{table}");
    assert!(table.lines().any(|line| line.starts_with("subjects,,mim,all,1,0.")), "{table}");

    // One process that nobody killed comes to the same bits.
    let alone = sweep(&desk, &["--out", "alone", "--threads", "1"]).output().unwrap();
    assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stderr));
    let timeless = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
    };
    assert!(desk.path("alone/cells/subjects/mim-1-s0/finetune/last.safetensors").exists());
    let resumed_from = desk.path("alone/cells/subjects/mim-1-s0/finetune/progress.safetensors");
    assert!(!resumed_from.exists(), "nobody goes on from it");
    let of_one = std::fs::read_to_string(desk.path("alone/table.csv")).unwrap();
    assert_eq!(timeless(&table), timeless(&of_one));

    // What is done stays; the folder alone says what is to do.
    let again = desk.command(&["sweep", "--device", "cpu"]).output().unwrap();
    assert!(again.status.success() && begun(&again.stderr).is_empty());
    let text = String::from_utf8(again.stdout).unwrap();
    assert!(text.contains("| Labelled | scratch | MIM |"), "{text}");
    let paired = |line: &str| line.starts_with("| all 5 | MIM |") && line.ends_with("| 2 |");
    assert!(text.lines().any(paired), "paired over two subjects: {text}");

    // More may be asked for, of the folder or in full; what is done stays.
    let cell = desk.path("sweep/cells/subjects/mim-1-s0/cell.json");
    let written = || std::fs::metadata(&cell).unwrap().modified().unwrap();
    let before = written();
    let grown = desk.command(&["sweep", "--device", "cpu", "--counts", "2"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&grown.stderr).into_owned();
    assert_a_line_says(&stderr, &["sweep", "8", "12"]);
    assert_eq!(begun(&grown.stderr).len(), 4, "{stderr}");
    let table = std::fs::read_to_string(desk.path("sweep/table.csv")).unwrap();
    assert!(timeless(&of_one).iter().all(|line| timeless(&table).contains(line)), "{table}");
    let grown = sweep(&desk, &[]).output().unwrap();
    assert!(grown.status.success() && begun(&grown.stderr).is_empty());
    assert_eq!(written(), before);
    let output = sweep(&desk, &["--set", "finetune.momentum=0.8"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_a_line_says(&stderr, &["error", "sweep", "finetune.optimisation.momentum", "0.8"]);
}

#[test]
fn impossible_cells_are_refused_and_failed_ones_do_not_stop_the_others() {
    let desk = Desk::new();
    let output = sweep(&desk, &["--counts", "77"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert_a_line_says(&errors, &["error", "77", "labelled", "seed 0"]);
    assert!(!desk.path("sweep").exists(), "nothing was begun");

    let diverging = [
        "--set-for=scratch:finetune.optimisation.learning_rate=1e6",
        "--set-for=scratch:finetune.optimisation.weight_decay=1e6",
        "--set-for=scratch:finetune.optimisation.epochs=8",
    ];
    let output = sweep(&desk, &diverging).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let status = desk.succeed(&["sweep", "--status"]);
    assert_eq!(counts(&status), [4, 8, 0, 0, 4], "{status}");
    assert_a_line_says(&status, &["failed", "scratch", "1 labelled", "seed 0", "loss"]);
    let cell = desk.json("sweep/cells/subjects/scratch-1-s0/cell.json");
    assert_eq!((&cell["state"], &cell["checkpoint"]), (&"failed".into(), &serde_json::Value::Null));

    // The first epoch is good, and what it left is kept.
    let later = [
        "--out=later",
        "--set-for=scratch:finetune.optimisation.learning_rate=1e6",
        "--set-for=scratch:finetune.optimisation.decay=warmup-cosine",
        "--set-for=scratch:finetune.optimisation.warmup_epochs=1",
        "--set-for=scratch:finetune.optimisation.weight_decay=1e6",
        "--set-for=scratch:finetune.optimisation.epochs=8",
        "--set=save_every=0",
        "--methods=scratch",
    ];
    assert_eq!(sweep(&desk, &later).output().unwrap().status.code(), Some(1));
    let cell = desk.json("later/cells/subjects/scratch-1-s0/cell.json");
    let checkpoint = cell["checkpoint"].as_str().unwrap();
    assert_eq!(checkpoint, "cells/subjects/scratch-1-s0/finetune/progress.safetensors");
    assert!(desk.path("later").join(checkpoint).exists());

    for wrong in ["--set-for=mim", "--set-for=moco:seed=1"] {
        let output = sweep(&desk, &[wrong]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
    // What is only looked at leaves nothing behind, and what would not be heeded is refused.
    let output = sweep(&desk, &["--out=planned", "--dry-run"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    assert_says(&stderr, &["2 methods", "2 seeds", "8 cells", "1 pretraining", "preset demo"]);
    assert!(!desk.path("planned").exists());
    let line = desk.fail(&["sweep", "--out", "planned", "--retry"], 1);
    assert_says(&line, &["planned"]);
    for unheeded in
        [["--status", "--retry"], ["--report", "--counts=5"], ["--vendors=A", "--seeds=1"]]
    {
        let output = desk.run(&[&["sweep"][..], &unheeded].concat());
        assert_eq!(output.status.code(), Some(2), "{unheeded:?}");
    }
    let line = desk.fail(&["sweep", "--tables=phases", "--vendors=A", "--out=planned"], 2);
    assert_says(&line, &["--vendors", "--tables vendors"]);
    let line = desk.fail(&["sweep", "--seeds", "20240101"], 2);
    assert_says(&line, &["--seeds", "20240101"]);
    for shard in ["0/2", "3/2", "2"] {
        assert_eq!(desk.run(&["sweep", "--shard", shard]).status.code(), Some(2), "{shard}");
    }
}

/// Somebody edits the plan of a sweep, or its data change: cells of both would be compared.
#[test]
fn cells_that_cannot_be_compared_are_not_put_beside_each_other() {
    let desk = Desk::new();
    let output = sweep(&desk, &["--methods=scratch"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let edit = |from: &str, to: &str| {
        let text = std::fs::read_to_string(desk.path("sweep/sweep.json")).unwrap();
        assert!(text.contains(from));
        std::fs::write(desk.path("sweep/sweep.json"), text.replace(from, to)).unwrap();
    };
    let again = ["sweep", "--device", "cpu"];
    edit("\"min_delta\": 0.0", "\"min_delta\": 0.25");
    let line = desk.fail(&again, 1);
    assert_says(&line, &["scratch-1-s0", "min_delta", "0.0", "0.25"]);
    edit("\"min_delta\": 0.25", "\"min_delta\": 0.0");
    desk.succeed(&again);
    edit("\"phantom\": 8", "\"phantom\": 9");
    let line = desk.fail(&again, 1);
    assert_says(&line, &["sweep/split.json", "subjects"]);
    // What is refused has added nothing, and can be known before.
    let before = std::fs::read_to_string(desk.path("sweep/sweep.json")).unwrap();
    for more in [&["--seeds", "5"][..], &["--seeds", "5", "--dry-run"]] {
        let line = desk.fail(&[&again[..], more].concat(), 1);
        assert_says(&line, &["sweep/split.json", "subjects"]);
        assert_eq!(std::fs::read_to_string(desk.path("sweep/sweep.json")).unwrap(), before);
    }
}

/// A cell that was begun goes on where its sweep is now.
#[test]
fn a_sweep_may_be_moved_and_copied() {
    let desk = Desk::new();
    let arguments = ["--methods=mim", "--counts=all", "--seeds=1", "--out=here"];
    let mut all = vec!["sweep", "--device", "cpu", "--as-given"];
    TINY.iter().for_each(|setting| all.extend(["--set", setting]));
    all.extend(EPOCHS);
    all.extend(arguments);
    desk.succeed(&all);
    let begun = |folder: &str| {
        std::fs::remove_file(desk.path(folder).join("cells/subjects/mim-all-s0/cell.json")).unwrap()
    };
    begun("here");
    std::fs::rename(desk.path("here"), desk.path("there")).unwrap();
    desk.succeed(&["sweep", "--device", "cpu", "--out", "there"]);
    assert_eq!(counts(&desk.succeed(&["sweep", "--out", "there", "--status"])), [1, 1, 0, 0, 0]);
    // The one that it was copied from is still there.
    begun("there");
    let copy = Command::new("cp").args(["-r", "there", "copy"]).current_dir(desk.path("")).status();
    assert!(copy.unwrap().success());
    desk.succeed(&["sweep", "--device", "cpu", "--out", "copy"]);
}

/// What is tried sees no test subject, and what is chosen is what cells are fine-tuned with.
#[test]
fn settings_are_chosen_by_validation_subjects() {
    let desk = Desk::new();
    let mut arguments = vec!["sweep", "--device", "cpu", "--methods", "scratch,mim"];
    arguments.extend(["--counts", "2", "--seeds", "1"]);
    TINY.iter().for_each(|setting| arguments.extend(["--set", setting]));
    // The first diverges, and so does not win.
    arguments.extend(["--try", "mim:pretrain.optimisation.learning_rate=1e6,0.05"]);
    arguments.extend(["--try", "finetune.steps=2,8", "--set", "finetune.validate_steps=2"]);
    arguments.extend(["--tables", "phases,augmentation"]);
    desk.succeed(&arguments);
    let status = desk.succeed(&["sweep", "--status"]);
    assert_eq!(counts(&status)[..2], [8, 8], "{status}");
    assert_a_line_says(&status, &["2 of 2", "pretraining"]);
    assert_a_line_says(&status, &["6 of 6", "trials"]);
    assert_a_line_says(&status, &["failed", "mim-1", "loss"]);

    let dice = |n: usize| desk.json(&format!("sweep/protocol/mim-{n}/trial.json"))["dice"].clone();
    assert_eq!((dice(1), dice(2)), (serde_json::Value::Null, serde_json::Value::Null));
    let [short, long] = [dice(3), dice(4)].map(|dice| dice.as_f64().unwrap());
    let taken = desk.json("sweep/cells/subjects/mim-2-s0/settings.json");
    assert_eq!(taken["finetune"]["steps"], if short >= long { 2 } else { 8 });
    assert_eq!(taken["pretrain"]["optimisation"]["learning_rate"], 0.05);
    assert!(!desk.path("sweep/protocol/mim-3/test.csv").exists(), "no test subject is looked at");
    let weights = desk.json("sweep/cells/phases/ES-mim-2-s0/job.json")["weights"].clone();
    assert!(weights.as_str().unwrap().contains("pretrain/mim-3"), "{weights}");
    let es = desk.json("sweep/cells/phases/ES-mim-2-s0/settings.json");
    assert_eq!(es["finetune"]["phases"], "es");
}

/// The study's files say who has labels, at a count and of vendors.
#[test]
fn subsets_may_be_those_of_files() {
    let desk = Desk::new();
    let ids = |numbers: &[usize]| {
        let lines = numbers.iter().map(|n| format!("  - phantom{n:04}\n"));
        format!("  phantom:\n{}", lines.collect::<String>())
    };
    let file = |name: &str, train: &[usize]| {
        let (train, valid, test) = (ids(train), ids(&[5, 6]), ids(&[7, 8]));
        let text = format!("train:\n{train}valid:\n{valid}test:\n{test}");
        std::fs::write(desk.path(name), text).unwrap();
    };
    file("split.yaml", &[1, 2, 3, 4]);
    file("split-nr2-seed0.yaml", &[1, 3]);
    file("split-Vendor-A_B.yaml", &[1, 2]);
    let published = |counts: &str| {
        let mut arguments = vec!["sweep", "--device", "cpu", "--methods", "scratch", "--as-given"];
        TINY.iter().for_each(|setting| arguments.extend(["--set", setting]));
        arguments.extend(EPOCHS);
        arguments.extend(["--split", "split.yaml", "--subsets", "published", "--seeds", "1"]);
        arguments.extend(["--tables", "vendors", "--vendors", "A,B", "--counts", counts]);
        desk.command(&arguments).output().unwrap()
    };
    let output = published("3,all");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_a_line_says(&errors, &["error", "split-nr3-seed0.yaml"]);
    assert!(!desk.path("sweep").exists(), "nothing was begun");

    let output = published("2,all");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let labelled = |cell: &str| {
        let split = desk.json(&format!("sweep/cells/{cell}/split.json"));
        split["labelled"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect()
    };
    let two: Vec<String> = labelled("subjects/scratch-2-s0");
    assert_eq!(two, ["phantom0001", "phantom0003"]);
    let all: Vec<String> = labelled("subjects/scratch-all-s0");
    assert_eq!(all.len(), 4);
    let vendors: Vec<String> = labelled("vendors/A+B-scratch-all-s0");
    assert_eq!(vendors, ["phantom0001", "phantom0002"]);

    // Files that would not test the same subjects, or show a vendor that is to be unseen.
    let refused = |parts: &[&str]| {
        std::fs::remove_dir_all(desk.path("sweep")).ok();
        let errors = String::from_utf8_lossy(&published("2,all").stderr).into_owned();
        assert_a_line_says(&errors, parts);
        assert!(!desk.path("sweep").exists(), "nothing was begun");
    };
    file("split-Vendor-A_B.yaml", &[1, 2, 3]);
    refused(&["error", "vendors", "A+B", "phantom0003", "vendor C"]);
    file("split-Vendor-A_B.yaml", &[1, 2]);
    let other = std::fs::read_to_string(desk.path("split-nr2-seed0.yaml")).unwrap();
    let (head, _) = other.split_once("test:").unwrap();
    let other = format!("{head}test:\n{}", ids(&[7]));
    std::fs::write(desk.path("split-nr2-seed0.yaml"), other).unwrap();
    refused(&["error", "2 labelled", "seed 0", "test subjects"]);
}
