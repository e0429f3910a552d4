//! Signals end the program with a line and the exit code of the shell, and a training is saved first.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::desk::{Desk, assert_a_line_says, assert_says};
use crate::resume::{assert_same, start};

/// The same command with signals as at a terminal: shells have what runs in the background ignore
/// interruptions, and this may run there.
fn at_terminal(command: &Command, option: &str) -> Command {
    let mut outer = Command::new("env");
    outer.args(["--default-signal=INT,TERM,HUP", option]);
    outer.arg(command.get_program()).args(command.get_args());
    outer.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        outer.env(name, value.unwrap_or_default());
    }
    outer
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(child: &Child, signal: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
}

/// Waits until the program handles SIGTERM.
fn wait_for_handlers(child: &Child) {
    let status = format!("/proc/{}/status", child.id());
    wait_until("no handlers", || {
        let text = std::fs::read_to_string(&status).unwrap();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << 14) != 0
    });
}

/// The lines that a child printed, and its exit code.
#[track_caller]
fn ended(child: Child, code: i32) -> String {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr
}

fn rows(run: &Path) -> usize {
    let text = std::fs::read_to_string(run.join("metrics.csv")).unwrap_or_default();
    text.lines().count().saturating_sub(1)
}

/// Long epochs, so that a signal comes in the middle of one.
pub const LONG: [&str; 10] = [
    "--threads",
    "1",
    "--set",
    "pretrain.batch=2",
    "--set",
    "pretrain.epochs=2",
    "--set",
    "finetune.batch=1",
    "--set",
    "finetune.epochs=3",
];

/// Starts or resumes a run and interrupts it after `more` rows; returns what it stderr.
pub fn interrupt_after(
    desk: &Desk,
    arguments: &[&str],
    more: usize,
    signal: (&str, i32),
) -> String {
    let run = desk.path("run");
    let before = rows(&run);
    let child = start(at_terminal(&desk.train("run", arguments), "--"));
    wait_until("no rows", || rows(&run) >= before + more);
    send(&child, signal.0);
    let stderr = ended(child, signal.1);
    let last = stderr.lines().last().unwrap();
    assert_says(last, &["interrupted", "saved", "the same command with --out run resumes"]);
    stderr
}

fn interrupted_and_resumed(method: &str) {
    let desk = Desk::new();
    let arguments = [&["--method", method], &LONG[..]].concat();
    let whole = desk.trained("whole", &arguments);
    let of = rows(&whole);
    for (signal, more) in [(("TERM", 143), 3), (("INT", 130), of / 4), (("HUP", 129), of / 4)] {
        interrupt_after(&desk, &arguments, more, signal);
    }
    let output = desk.train("run", &arguments).output().unwrap();
    assert!(output.status.success());
    assert_a_line_says(&String::from_utf8_lossy(&output.stderr), &["resuming", "epoch", "steps"]);
    assert_same(&whole, &desk.path("run"));
}

#[test]
fn a_run_interrupted_within_an_epoch_goes_on_with_the_same_bits() {
    interrupted_and_resumed("mim");
}

#[test]
fn dino_interrupted_within_an_epoch_goes_on_with_the_same_bits() {
    interrupted_and_resumed("dino");
}

/// A command that waits for its settings, which nobody writes.
fn waiting(desk: &Desk, option: &str) -> Child {
    let pipe = desk.path("settings.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let train = desk.train("run", &["--config", "settings.yaml"]);
    let child = start(at_terminal(&train, option));
    wait_for_handlers(&child);
    child
}

#[test]
fn an_interruption_before_the_first_save_does_not_claim_one() {
    let desk = Desk::new();
    let child = waiting(&desk, "--");
    send(&child, "INT");
    let stderr = ended(child, 130);
    let last = stderr.lines().last().unwrap();
    assert_says(last, &["interrupted", "nothing is saved yet", "--out run starts again"]);
    assert!(!last.contains("resumes"), "{last}");
    assert!(!desk.path("run").exists());
}

#[test]
fn what_nohup_ignores_stays_ignored() {
    let desk = Desk::new();
    let child = waiting(&desk, "--ignore-signal=HUP");
    send(&child, "HUP");
    std::thread::sleep(Duration::from_millis(100));
    send(&child, "TERM");
    ended(child, 143);
}

/// SIGXFSZ would end the program without a word.
#[test]
fn a_limit_of_file_size_is_an_error_that_names_the_file() {
    let desk = Desk::new();
    let arguments = ["--method", "scratch", "--threads", "1", "--set", "save_every=0"];
    let whole = desk.trained("whole", &arguments);
    for blocks in ["0", "8", "30", "40"] {
        let train = desk.train("run", &arguments);
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -f {blocks}; exec \"$@\""), "sh"]);
        limited.arg(train.get_program()).args(train.get_args());
        limited.current_dir(train.get_current_dir().unwrap());
        for (name, value) in train.get_envs() {
            limited.env(name, value.unwrap_or_default());
        }
        let stderr = ended(start(limited), 1);
        assert_says(stderr.lines().last().unwrap(), &["error: run", "too large"]);
    }
    let run = desk.trained("run", &arguments);
    assert_same(&whole, &run);
}
