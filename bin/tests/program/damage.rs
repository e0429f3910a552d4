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
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        if name != "gone" {
            assert_a_line_says(&told, &["finetune/progress.safetensors", "damaged", "previous"]);
        }
        assert_same(&whole, &run);
        assert!(!run.join(&older).exists(), "a finished stage keeps one");
    }

    let fails = |name: &str, parts: &[&str]| {
        let output = desk.train(name, &arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert_says(told.lines().last().unwrap(), parts);
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
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert_says(told.lines().last().unwrap(), &["error: run/finetune/best", "damaged"]);
    }
    assert!(bytes(desk.path("run/result.json")) == result);
    flip(&desk.path("run/pretrain/progress.safetensors"));
    let output = desk.train("run", &arguments).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_says(told.lines().last().unwrap(), &["run/pretrain/progress", "remove the folder run "]);
}

/// Finite weights, as in a file without a checksum, whose products are not.
#[test]
fn weights_beyond_all_measure_draw_no_background() {
    let desk = Desk::new();
    let run = desk.trained("run", &["--method", "scratch"]);
    let file = bytes(run.join("finetune/best.safetensors"));
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    header["__metadata__"].as_object_mut().unwrap().remove("cine.blake3").unwrap();
    let mut values = file[8 + length..].to_vec();
    for (name, tensor) in header.as_object().unwrap() {
        if name.ends_with("weight") && tensor["dtype"] == "F32" {
            let [start, end] = [0, 1].map(|n| tensor["data_offsets"][n].as_u64().unwrap() as usize);
            for value in values[start..end].chunks_exact_mut(4) {
                let scaled = f32::from_le_bytes((&*value).try_into().unwrap()) * 1e30;
                value.copy_from_slice(&scaled.to_le_bytes());
            }
        }
    }
    let mut header = header.to_string();
    header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
    let parts = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &values];
    std::fs::write(desk.path("large.safetensors"), parts.concat()).unwrap();
    std::fs::write(desk.path("scan.nii"), data::testing::cine(2).bytes()).unwrap();
    let arguments = ["predict", "--weights", "large.safetensors", "--out", "out", "scan.nii"];
    let output = desk.run(&arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_a_line_says(&told, &["error:", "not finite", "weights"]);
    assert!(!desk.path("out/scan.nii.gz").exists());
}
