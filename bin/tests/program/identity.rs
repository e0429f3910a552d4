//! Runs know their data by content: what changed under a run, and copies under other names.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::desk::{Desk, assert_a_line_says, assert_says};

/// Runs to the end; returns the exit code and what was printed on standard error.
fn end(mut command: std::process::Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Relabels one voxel of a label map, which keeps its size and time of change.
fn relabel(path: &Path) {
    use nifti::{IntoNdArray, NiftiObject, ReaderOptions, writer::WriterOptions};
    let before = std::fs::metadata(path).unwrap().modified().unwrap();
    let object = ReaderOptions::new().read_file(path).unwrap();
    let header = object.header().clone();
    let mut labels = object.into_volume().into_ndarray::<u8>().unwrap();
    let voxel = labels.iter_mut().find(|label| **label == 2).unwrap();
    *voxel = 1;
    WriterOptions::new(path).reference_header(&header).write_nifti(&labels).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_modified(before).unwrap();
}

/// Copies a data set under other names.
fn renamed_copy(desk: &Desk, of: &Path, name: &str) -> PathBuf {
    for part in ["images", "labels"] {
        std::fs::create_dir_all(desk.path(name).join(part)).unwrap();
        for entry in std::fs::read_dir(of.join(part)).unwrap() {
            let entry = entry.unwrap();
            let file = format!("other-{}", entry.file_name().to_str().unwrap());
            std::fs::copy(entry.path(), desk.path(name).join(part).join(file)).unwrap();
        }
    }
    desk.path(name)
}

/// Half trained on each, the weights would be of neither.
#[test]
fn a_run_whose_labels_changed_does_not_go_on() {
    let desk = Desk::new();
    let data = desk.plain_data_set("in", 5);
    let train = || desk.train("run", &["--method", "scratch", "--data", "in"]);
    let (code, errors) = end(train());
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(end(train()).0, Some(0), "the same data");
    let labels = std::fs::read_dir(data.join("labels")).unwrap().next().unwrap().unwrap().path();
    let subject = labels.file_name().unwrap().to_str().unwrap().replace(".nii.gz", "");
    let before = std::fs::read(&labels).unwrap();
    relabel(&labels);
    let (code, errors) = end(train());
    assert_eq!(code, Some(1), "{errors}");
    assert_a_line_says(&errors, &["error:", "run", "labels of subject", &subject, "--out"]);
    std::fs::write(&labels, before).unwrap();
    assert_eq!(end(train()).0, Some(0), "restored");
    // Runs of earlier versions recorded no data.
    std::fs::remove_file(desk.path("run/data.json")).unwrap();
    assert_eq!(end(train()).0, Some(0));
    assert!(desk.path("run/data.json").exists());
}

#[test]
fn copies_under_other_names_do_not_test() {
    let desk = Desk::new();
    let data = desk.plain_data_set("in", 5);
    renamed_copy(&desk, &data, "copy");
    let tested = ["--method", "scratch", "--data", "in", "--test", "copy"];
    let (code, errors) = end(desk.train("run", &tested));
    assert_eq!(code, Some(1), "{errors}");
    assert_a_line_says(&errors, &["error:", "other-phantom", "same images", "--test (copy)"]);
    assert!(!desk.path("run").exists());

    desk.trained("run", &["--method", "scratch", "--data", "in"]);
    let output = desk.run(&["evaluate", "--weights", "run", "--data", "copy"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    assert_a_line_says(&errors, &["warning:", "other names", "other-phantom", "of 5 subjects"]);
}

/// Twice in one folder, under two names.
#[test]
fn copies_within_a_folder_do_not_test_and_are_named() {
    let desk = Desk::new();
    let data = desk.plain_data_set("in", 5);
    desk.trained("run", &["--method", "scratch"]);
    let copy = renamed_copy(&desk, &data, "copy");
    for part in ["images", "labels"] {
        for entry in std::fs::read_dir(copy.join(part)).unwrap() {
            let entry = entry.unwrap();
            std::fs::rename(entry.path(), data.join(part).join(entry.file_name())).unwrap();
        }
    }
    let same = ["subjects", "same images", "trains", "tests"];
    let (code, errors) = end(desk.train("other", &["--method", "scratch", "--data", "in"]));
    assert_eq!(code, Some(1), "{errors}");
    assert_a_line_says(&errors, &[&["error:"][..], &same].concat());
    let (code, errors) = end(sweep(&desk));
    assert_eq!(code, Some(1), "{errors}");
    assert_a_line_says(&errors, &[&["error:"][..], &same].concat());
    assert!(!desk.path("other").exists() && !desk.path("sweep").exists());

    let output = desk.run(&["evaluate", "--weights", "run", "--data", "in"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    assert_a_line_says(
        &errors,
        &["warning: other-phantom0001", "same images as subject phantom0001"],
    );
}

/// One phase of several is of a subject that trains: too little to refuse, and worth knowing.
#[test]
fn a_part_of_a_training_subject_in_a_test_subject_is_a_warning() {
    use nifti::{IntoNdArray, NiftiObject, ReaderOptions, writer::WriterOptions};
    let desk = Desk::new();
    let data = desk.plain_data_set("in", 6);
    for part in ["images", "labels"] {
        std::fs::create_dir_all(desk.path("test").join(part)).unwrap();
        let from = data.join(part).join("phantom0006.nii.gz");
        std::fs::rename(from, desk.path("test").join(part).join("phantom0006.nii.gz")).unwrap();
    }
    let read = |path: &Path| {
        let object = ReaderOptions::new().read_file(path).unwrap();
        let header = object.header().clone();
        (header, object.into_volume().into_ndarray::<f32>().unwrap())
    };
    let (_, theirs) = read(&data.join("images/phantom0001.nii.gz"));
    let test = desk.path("test/images/phantom0006.nii.gz");
    let (header, mut voxels) = read(&test);
    // The rows, columns and slices that both have.
    let slices: Vec<usize> =
        theirs.shape().iter().zip(voxels.shape()).map(|(a, b)| *a.min(b)).collect();
    let last = ndarray::Axis(3);
    let common = |axis: ndarray::AxisDescription| match axis.axis.index() {
        3 => ndarray::Slice::from(..),
        n => ndarray::Slice::from(..slices[n]),
    };
    voxels.index_axis_mut(last, 0).fill(0.0);
    let mut phase = voxels.slice_each_axis_mut(common);
    phase.index_axis_mut(last, 0).assign(&theirs.slice_each_axis(common).index_axis(last, 0));
    WriterOptions::new(&test).reference_header(&header).write_nifti(&voxels).unwrap();
    let more = ["--method", "scratch", "--data", "in", "--test", "test", "--set"];
    let (code, errors) = end(desk.train("run", &[&more[..], &["subjects.valid_share=0"]].concat()));
    assert_eq!(code, Some(0), "{errors}");
    let parts = ["phantom0001", "phantom0006", "same images", "trains", "--test"];
    assert_a_line_says(&errors, &[&["warning:"][..], &parts].concat());
    let result = desk.json("run/result.json");
    let stderr = result["warnings"].as_array().unwrap().iter().filter_map(|line| line.as_str());
    assert_a_line_says(&stderr.collect::<Vec<_>>().join("\n"), &parts);
}

fn sweep(desk: &Desk) -> std::process::Command {
    let mut arguments = vec!["sweep", "--out", "sweep", "--data", "in", "--methods", "scratch"];
    arguments.extend(["--counts", "2", "--seeds", "1"]);
    crate::desk::TINY.iter().for_each(|setting| arguments.extend(["--set", setting]));
    desk.command(&arguments)
}

#[test]
fn a_sweep_whose_data_changed_does_not_go_on() {
    let desk = Desk::new();
    let data = desk.plain_data_set("in", 5);
    let (code, errors) = end(sweep(&desk));
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(end(sweep(&desk)).0, Some(0), "the same data");
    let labels = data.join("labels/phantom0003.nii.gz");
    let before = std::fs::read(&labels).unwrap();
    relabel(&labels);
    let table = std::fs::read(desk.path("sweep/table.md")).unwrap();
    for more in [&[][..], &["--seeds", "2"]] {
        let mut command = sweep(&desk);
        command.args(more);
        let (code, errors) = end(command);
        assert_eq!(code, Some(1), "{errors}");
        assert_a_line_says(&errors, &["error: sweep", "labels of subject phantom0003", "--out"]);
    }
    assert!(std::fs::read(desk.path("sweep/table.md")).unwrap() == table);
    std::fs::write(&labels, before).unwrap();
    assert_eq!(end(sweep(&desk)).0, Some(0), "restored");
}

/// By the next program that writes there, if the writer is certain to have ended.
#[test]
#[cfg(target_os = "linux")]
fn what_a_killed_prediction_left_behind_is_removed() {
    let desk = Desk::new();
    desk.trained("run", &["--method", "scratch"]);
    std::fs::create_dir(desk.path("out")).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let name = |n: u32| desk.path("out").join(format!(".unfinished-{}-{n}.nii.gz", &boot[..8]));
    let [dead, alive] = [1, 2].map(|n| std::fs::File::create(name(n)).unwrap());
    drop(dead);
    alive.lock().unwrap();
    std::fs::write(desk.path("out/.unfinished-notes"), "of somebody else, and new").unwrap();
    std::fs::write(desk.path("scan.nii"), data::testing::cine(2).bytes()).unwrap();
    desk.succeed(&["predict", "--weights", "run", "scan.nii", "--out", "out"]);
    assert!(!name(1).exists() && name(2).exists());
    assert!(desk.path("out/.unfinished-notes").exists() && desk.path("out/scan.nii.gz").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_cache_that_is_cut_short_under_a_run_ends_it_with_a_line() {
    let desk = Desk::new();
    let more = ["--method", "scratch", "--set", "finetune.epochs=100000", "--set", "save_every=0"];
    let mut command = desk.train("run", &more);
    command.env("CINE_CACHE", desk.path("cache")).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let begun = Instant::now();
    let progress = desk.path("run/finetune/progress.safetensors");
    while !progress.exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let files = std::fs::read_dir(desk.path("cache")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    for cache in files.filter(|path| path.extension().is_some_and(|ending| ending == "cache")) {
        std::fs::File::options().write(true).open(cache).unwrap().set_len(100).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_says(errors.lines().last().unwrap(), &["error:", ".cache", "cut short"]);
    // It is built anew, and the run goes on.
    let mut command = desk.train("run", &more);
    command.env("CINE_CACHE", desk.path("cache")).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let saved = std::fs::metadata(&progress).unwrap().modified().unwrap();
    let begun = Instant::now();
    let goes_on = || std::fs::metadata(&progress).unwrap().modified().unwrap() > saved;
    while !goes_on() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_says(&errors, &["is cut short, or has grown", "built again", "resuming after epoch"]);
}
