//! Files and settings that claim more than a machine has are refused in one line and at once, under a limit of
//! memory that the claim alone would exceed.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use data::testing::{NiftiFile, cine};
use flate2::{Compression, write::GzEncoder};

use crate::desk::{Desk, assert_a_line_says, assert_says};

/// The program with at most 4 GB of address space. An allocation that fails without a word to the program
/// would end it with SIGABRT.
fn limited(desk: &Desk, arguments: &[&str]) -> (Output, String, Duration) {
    let command = desk.command(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -v 4000000; exec \"$0\" \"$@\""]).arg(command.get_program());
    shell.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    let begun = Instant::now();
    let output = shell.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, errors, begun.elapsed())
}

/// Refused with this code and one line, at once.
#[track_caller]
fn refused(desk: &Desk, arguments: &[&str], code: i32, parts: &[&str]) {
    let (output, errors, spent) = limited(desk, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {:?} {errors}", output.status);
    let line = errors.lines().last().unwrap();
    assert!(line.starts_with("error:") && line.len() < 1000, "{errors}");
    assert_says(line, parts);
    // Of a second that it should take; other tests run at the same time.
    assert!(spent < Duration::from_secs(10), "{arguments:?} took {spent:?}");
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A gzipped file of half a megabyte whose header claims voxels, and which holds as many: 512 members of a
/// mebibyte each.
fn bomb(dims: [i16; 4]) -> Vec<u8> {
    let mut header = NiftiFile::of_u8(&[1, 1, 1, 1], &[0]).bytes();
    header.truncate(352);
    header[40..42].copy_from_slice(&4i16.to_le_bytes());
    for (axis, length) in dims.iter().enumerate() {
        header[42 + 2 * axis..][..2].copy_from_slice(&length.to_le_bytes());
    }
    let mut file = gzipped(&header);
    file.extend(gzipped(&vec![7; 1 << 20]).repeat(512));
    file
}

#[test]
fn files_that_claim_gigabytes_are_left_out_of_a_batch() {
    let desk = Desk::new();
    desk.trained("run", &["--method", "scratch"]);
    std::fs::create_dir(desk.path("in")).unwrap();
    std::fs::write(desk.path("in/beyond.nii.gz"), bomb([1024, 1024, 32, 32])).unwrap();
    std::fs::write(desk.path("in/large.nii.gz"), bomb([512, 512, 32, 64])).unwrap();
    std::fs::write(desk.path("in/sound.nii"), cine(2).bytes()).unwrap();
    let (output, errors, spent) =
        limited(&desk, &["predict", "--weights", "run", "in", "--out", "out", "--device", "cpu"]);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_a_line_says(&errors, &["error", "beyond.nii.gz", "1024 x 1024 x 32 x 32", "larger"]);
    assert_a_line_says(&errors, &["error", "large.nii.gz", "MiB of memory"]);
    assert!(desk.path("out/sound.nii.gz").is_file(), "{errors}");
    assert!(spent < Duration::from_secs(20), "{spent:?}");
    let (output, errors, _) =
        limited(&desk, &["data", "inspect", "in/large.nii.gz", "in/sound.nii"]);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_a_line_says(&text, &["large.nii.gz", "MiB of memory"]);
    assert_says(&text, &["sound.nii"]);
}

#[test]
fn settings_that_claim_more_than_a_machine_has() {
    let desk = Desk::new();
    for (text, parts) in [
        ("network.channels=[9223372036854775808,2]", &["network.channels", "8192"][..]),
        ("network.size=4611686018427387904", &["network.size", "4096"]),
        ("pretrain.contrastive.mlp=[9223372036854775808]", &["mlp", "65536"]),
        ("pretrain.augmentation.blur.range=[1e300,1e300]", &["blur.range", "64"]),
        ("pretrain.augmentation.blur.range=[0,1e9]", &["blur.range", "64"]),
        ("finetune.optimisation.epochs=18446744073709551615", &["epochs", "10000000"]),
        ("pretrain.dino.outputs=18446744073709551615", &["outputs", "1048576"]),
    ] {
        refused(&desk, &["train", "--method", "pcl", "--set", text, "--out", "x"], 2, parts);
    }
    std::fs::write(desk.path("size.yaml"), "network:\n  size: 4611686018427387904\n").unwrap();
    let file = ["train", "--method", "pcl", "--config", "size.yaml", "--out", "x"];
    refused(&desk, &file, 2, &["size.yaml, line 2", "network.size", "4096"]);
    let (output, errors, _) = limited(&desk, &["config", "keys", "--threads", "60000"]);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert_says(&errors, &["60000", "1024"]);
    assert!(!desk.path("x").exists(), "nothing is left behind");
}

#[test]
fn settings_of_run_folders_and_weights_that_claim_more_than_a_machine_has() {
    let desk = Desk::new();
    desk.trained("run", &["--method", "scratch"]);
    let more = ["--weights", "run", "--set", "network.channels=[8,8,99999999999999999]"];
    refused(&desk, &[&["predict", "a.nii", "--out", "o"], &more[..]].concat(), 2, &["channels"]);
    let settings = std::fs::read_to_string(desk.path("run/settings.json")).unwrap();
    let large = settings.replace("\"size\": 32", "\"size\": 4611686018427387904");
    assert_ne!(large, settings);
    std::fs::write(desk.path("run/settings.json"), large).unwrap();
    let resumed = ["train", "--method", "scratch", "--out", "run"];
    refused(&desk, &resumed, 1, &["run/settings.json", "network.size", "4096"]);
}

#[test]
fn yaml_that_is_larger_than_its_file() {
    let desk = Desk::new();
    let aliases = vec!["*a"; 20_000].join(",");
    let bomb = format!("train:\n  a: &a \"{}\"\n  b: [{aliases}]\n", "x".repeat(1_000_000));
    std::fs::write(desk.path("bomb.yaml"), bomb).unwrap();
    let show = |file| ["config", "show", "--config", file];
    refused(&desk, &show("bomb.yaml"), 2, &["bomb.yaml, line 3", "64 MiB"]);
    let keys: String = (0..150_000).map(|n| format!("  k{n}: []\n")).collect();
    std::fs::write(desk.path("keys.yaml"), format!("train:\n{keys}")).unwrap();
    refused(&desk, &show("keys.yaml"), 2, &["keys.yaml, line 1", "train"]);
    refused(&desk, &show("/dev/zero"), 2, &["/dev/zero"]);
}

#[test]
fn many_of_a_kind_take_a_time_in_proportion() {
    let desk = Desk::new();
    let sets = vec!["--set"; 20_000].into_iter().flat_map(|set| [set, "save_every=1"]);
    let arguments: Vec<&str> = ["config", "keys"].into_iter().chain(sets).collect();
    let (output, errors, spent) = limited(&desk, &arguments);
    assert!(output.status.success(), "{errors}");
    assert!(spent < Duration::from_secs(20), "{spent:?}");
}
