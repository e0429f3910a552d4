//! Damaged files of a run and damaged weights are found, and nothing goes on from them unseen.

use std::path::Path;

use crate::desk::{Desk, assert_a_line_says, assert_says, bytes};
use crate::resume::assert_same;

/// A name, and what is done to a file.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path));

/// Flips one bit in the middle of a file.
fn flip(path: &Path) {
    let mut content = bytes(path);
    let middle = content.len() / 2;
    content[middle] ^= 16;
    std::fs::write(path, content).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let target = to.join(entry.file_name().unwrap());
        match entry.is_dir() {
            true => copy(&entry, &target),
            false => _ = std::fs::copy(&entry, &target).unwrap(),
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn damaged_progress_is_replaced_by_the_one_before_it() {
    use crate::signals::{LONG, interrupt_after};
    let desk = Desk::new();
    let arguments = [&["--method", "scratch"], &LONG[..]].concat();
    let whole = desk.trained("whole", &arguments);
    for _ in 0..2 {
        interrupt_after(&desk, &arguments, 4, ("TERM", 143));
    }
    let [newer, older] =
        ["progress", "progress.previous"].map(|name| format!("finetune/{name}.safetensors"));
    let empty = |path: &Path| std::fs::write(path, "").unwrap();
    let truncate = |path: &Path| std::fs::write(path, &bytes(path)[..2000]).unwrap();
    let gone = |path: &Path| std::fs::remove_file(path).unwrap();
    let damages: [Damage; 4] =
        [("flipped", &flip), ("empty", &empty), ("truncated", &truncate), ("gone", &gone)];
    for (name, damage) in damages {
        let run = desk.path(name);
        copy(&desk.path("run"), &run);
        damage(&run.join(&newer));
        let output = desk.train(name, &arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        if name != "gone" {
            assert_a_line_says(&stderr, &["finetune/progress.safetensors", "damaged", "previous"]);
        }
        assert_same(&whole, &run);
        assert!(!run.join(&older).exists(), "a finished stage keeps one");
    }

    let fails = |name: &str, parts: &[&str]| {
        let output = desk.train(name, &arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_says(stderr.lines().last().unwrap(), parts);
    };
    copy(&desk.path("run"), &desk.path("both"));
    [&newer, &older].into_iter().for_each(|file| flip(&desk.path("both").join(file)));
    fails("both", &["error: both/finetune/progress.safetensors", "previous", "remove the folder"]);
    // One digit of one row that was written before the save.
    copy(&desk.path("run"), &desk.path("row"));
    let metrics = desk.path("row/metrics.csv");
    let mut rows = bytes(&metrics);
    let digit = rows.iter().rposition(u8::is_ascii_digit).unwrap();
    rows[digit] ^= 1;
    std::fs::write(&metrics, rows).unwrap();
    fails("row", &["error: row/metrics.csv", "damaged"]);
}

#[test]
fn damaged_weights_of_a_finished_run() {
    let desk = Desk::new();
    let arguments = ["--method", "pcl", "--threads", "1"];
    let whole = desk.trained("whole", &arguments);
    copy(&whole, &desk.path("run"));
    // What can be written again from the progress file, is.
    flip(&desk.path("run/pretrain/last.safetensors"));
    flip(&desk.path("run/finetune/last.safetensors"));
    assert_same(&whole, &desk.trained("run", &arguments));

    let result = bytes(desk.path("run/result.json"));
    let best = "run/finetune/best.safetensors";
    flip(&desk.path(best));
    let refusals = [
        desk.train("run", &arguments).output().unwrap(),
        desk.run(&["predict", "--weights", best, "--out", "labels", "scan.nii"]),
        desk.run(&["evaluate", "--weights", "run", "--data", "nowhere"]),
    ];
    for output in refusals {
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_says(stderr.lines().last().unwrap(), &["error: run/finetune/best", "damaged"]);
    }
    assert!(bytes(desk.path("run/result.json")) == result);
    flip(&desk.path("run/pretrain/progress.safetensors"));
    let output = desk.train("run", &arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_says(
        stderr.lines().last().unwrap(),
        &["run/pretrain/progress", "remove the folder run "],
    );
}

/// Weights without a checksum, as other programs write them, that are finite and whose products are not.
#[test]
fn weights_that_overflow_in_use_are_refused_by_name() {
    let desk = Desk::new();
    let run = desk.trained("run", &["--method", "scratch"]);
    let file = bytes(run.join("finetune/best.safetensors"));
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    header["__metadata__"].as_object_mut().unwrap().remove("cine.blake3").unwrap();
    let mut tensors = file[8 + length..].to_vec();
    for (name, tensor) in header.as_object().unwrap() {
        if name.ends_with("weight") && tensor["dtype"] == "F32" {
            let [from, to] = [0, 1].map(|at| tensor["data_offsets"][at].as_u64().unwrap() as usize);
            tensors[from..to]
                .chunks_exact_mut(4)
                .for_each(|v| v.copy_from_slice(&1e38f32.to_le_bytes()));
        }
    }
    let header = serde_json::to_vec(&header).unwrap();
    let absurd = [&(header.len() as u64).to_le_bytes()[..], &header, &tensors].concat();
    std::fs::write(desk.path("absurd.safetensors"), absurd).unwrap();
    let data = desk.plain_data_set("hearts", 1);
    let image = std::fs::read_dir(data.join("images")).unwrap().next().unwrap().unwrap().path();
    let image = image.to_str().unwrap();
    let weights = ["--weights", "absurd.safetensors"];
    for command in [&["predict", image, "--out", "labels"][..], &["evaluate", "--data", "hearts"]] {
        let output = desk.run(&[command, &weights].concat());
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_a_line_says(&stderr, &["error", "absurd.safetensors", "not finite"]);
    }
}

#[test]
fn a_folder_in_place_of_a_file_of_a_run_is_one_line() {
    let desk = Desk::new();
    let settings = ["--method", "scratch", "--set", "save_every=0", "--set", "finetune.epochs=2"];
    desk.trained("whole", &settings);
    for file in ["metrics.csv", "finetune/progress.safetensors"] {
        let run = desk.path("run");
        std::fs::create_dir_all(run.join("finetune")).unwrap();
        std::fs::copy(desk.path("whole/settings.json"), run.join("settings.json")).unwrap();
        std::fs::create_dir(run.join(file)).unwrap();
        let output = desk.train("run", &settings).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_says(stderr.lines().last().unwrap(), &["error:", file, "directory"]);
        assert!(run.join(file).is_dir());
        std::fs::remove_dir_all(run).unwrap();
    }
}
