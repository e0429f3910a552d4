//! `cine predict`, `cine evaluate`, `cine data inspect` and `cine bench`.

use std::path::Path;
use std::process::Stdio;

use data::nifti as volumes;
use evaluate::{FrameRow, read_frames, read_slices};
use nifti::NiftiHeader;

use crate::desk::{Desk, assert_a_line_says, assert_says, bytes};

/// Enough training, from a lucky seed, that predictions of so small a network are more than
/// background.
const LEARN: [&str; 8] = [
    "--seed",
    "2",
    "--set",
    "finetune.epochs=60",
    "--set",
    "finetune.batch=8",
    "--set",
    "subjects.valid_share=0",
];

#[test]
fn predictions_lie_on_the_grid_of_their_files_and_evaluate_alike() {
    let desk = Desk::new();
    let data = desk.plain_data_set("set", 6);
    desk.trained("run", &[&["--method", "scratch", "--data", "set"], &LEARN[..]].concat());
    let output = desk.run(&["predict", "--weights", "run", "set/images", "--out", "labels"]);
    assert_says(&String::from_utf8(output.stdout).unwrap(), &["labels", "6"]);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert_says(&notes, &["run/finetune/", "tensors", "32 x 32"]);
    for file in std::fs::read_dir(data.join("images")).unwrap() {
        same_grid(&file.unwrap().path(), &desk.path("labels"));
    }
    let evaluate = ["evaluate", "--weights", "run", "--data", "set", "--csv", "model.csv"];
    let output = desk.run(&evaluate);
    let notes = String::from_utf8(output.stderr).unwrap();
    // Four of the six trained the network.
    assert_a_line_says(&notes, &["warning", "4 of 6"]);
    assert_says(&notes, &["tensors", "32 x 32"]);
    let compare = ["evaluate", "--predictions", "labels", "--labels", "set/labels"];
    desk.succeed(&[&compare[..], &["--csv", "files.csv"]].concat());
    let [model, files] = ["model.csv", "files.csv"].map(|csv| read_frames(desk.path(csv)).unwrap());
    assert_eq!((model.len(), files.len()), (12, 12));
    for row in &model {
        let same = files.iter().find(|f| f.subject == row.subject && f.phase == row.phase).unwrap();
        assert_eq!(same.dice, row.dice, "{}", row.subject);
    }
    let best = model.iter().map(|row| row.dice.mean()).fold(0.0, f64::max);
    assert!(best > 0.2, "little but background to compare: {best}");
    // On the cache's grid, and on the files' own.
    let distances = |rows: &[FrameRow]| -> Vec<f64> {
        let measured = rows.iter().filter_map(|row| row.measurements);
        measured.flat_map(|m| m.distances).flatten().map(|distance| distance.hd95).collect()
    };
    assert!(distances(&model).iter().any(|mm| *mm > 1.0));
    let mut of_both = [distances(&model), distances(&files)];
    of_both.iter_mut().for_each(|mm| mm.sort_by(f64::total_cmp));
    let pairs = of_both[0].iter().zip(&of_both[1]);
    assert_eq!(of_both[0].len(), of_both[1].len());
    pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-4 * a.max(1.0), "{a} and {b} mm"));
    assert!(read_slices(desk.path("model.slices.csv")).unwrap().len() > model.len());
    assert!(!desk.path("files.slices.csv").exists());
    // Which phases are end-diastole and end-systole is stderr by the labels of several phases.
    let [model, files] = ["model", "files"]
        .map(|name| std::fs::read_to_string(desk.path(&format!("{name}.subjects.csv"))).unwrap());
    assert_eq!((model.lines().count(), files.lines().count()), (7, 7));
    let of = |row: &FrameRow| (row.subject.clone(), row.moment);
    let moments =
        |csv: &str| read_frames(desk.path(csv)).unwrap().iter().map(of).collect::<Vec<_>>();
    let sorted = |csv: &str| -> std::collections::BTreeSet<String> {
        moments(csv).into_iter().map(|of| format!("{of:?}")).collect()
    };
    assert_eq!(sorted("model.csv"), sorted("files.csv"));
}

/// A label map has the shape and place of its image.
fn same_grid(image: &Path, labels: &Path) {
    let path = labels.join(image.file_name().unwrap());
    let [source, labels] = [image, &path].map(|path| NiftiHeader::from_file(path).unwrap());
    assert_eq!(labels.dim, source.dim);
    assert_eq!(labels.pixdim, source.pixdim);
    let place = |h: &NiftiHeader| (h.sform_code, h.srow_x, h.srow_y, h.srow_z, h.qform_code);
    assert_eq!(place(&labels), place(&source));
}

#[test]
fn the_truth_agrees_with_itself_and_with_no_other_numbering() {
    let desk = Desk::new();
    desk.plain_data_set("set", 2);
    let truth = ["evaluate", "--predictions", "set/labels", "--labels", "set/labels"];
    desk.succeed(&[&truth[..], &["--csv", "dice.csv"]].concat());
    let rows = read_frames(desk.path("dice.csv")).unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.dice.values() == [1.0; 3]));
    // Labels with 1 for RV and 3 for LV, as ACDC has them.
    std::fs::create_dir(desk.path("acdc")).unwrap();
    for file in volumes_in(&desk.path("set/labels")) {
        let header = NiftiHeader::from_file(&file).unwrap();
        let volume = volumes::read_labels(&file, 3).unwrap();
        let [i, j, k, t] = volume.header.dims;
        let swapped = volume.labels.iter().map(|&label| (4 - label) % 4).collect();
        let swapped = ndarray::Array4::from_shape_vec((t, k, j, i), swapped).unwrap();
        nifti::writer::WriterOptions::new(desk.path("acdc").join(file.file_name().unwrap()))
            .reference_header(&header)
            .write_nifti(&swapped.reversed_axes())
            .unwrap();
    }
    // The left ventricle is the one within myocardium, whatever its number; and who says otherwise is heard.
    let compared = |predictions: &str, labels: &str, more: &[&str]| {
        let paths = ["evaluate", "--predictions", predictions, "--labels", labels];
        let output = desk.run(&[&paths[..], &["--csv", "dice.csv"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let rows = read_frames(desk.path("dice.csv")).unwrap();
        (rows[0].clone(), String::from_utf8(output.stderr).unwrap())
    };
    let truth = rows[0].measurements.unwrap();
    for (predictions, labels) in [("set/labels", "acdc"), ("acdc", "set/labels"), ("acdc", "acdc")]
    {
        let (row, stderr) = compared(predictions, labels, &[]);
        assert_eq!(row.dice.values(), [1.0; 3], "{predictions} {labels}");
        assert_eq!(
            row.measurements.unwrap(),
            truth,
            "each in its own column: {predictions} {labels}"
        );
        let renumbered = |option| stderr.contains(option) && stderr.contains("RV");
        assert_eq!(renumbered("--predictions-numbering"), predictions == "acdc", "{stderr}");
        assert_eq!(renumbered("--labels-numbering"), labels == "acdc", "{stderr}");
    }
    let study = ["--labels-numbering", "study", "--predictions-numbering", "study"];
    let (row, _) = compared("set/labels", "acdc", &study);
    assert!(row.dice.left_ventricle < 0.1 && row.dice.myocardium == 1.0);
}

fn volumes_in(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_file_that_cannot_be_used_does_not_stop_the_others() {
    let desk = Desk::new();
    desk.plain_data_set("set", 4);
    desk.trained("run", &["--method", "scratch", "--data", "set"]);
    std::fs::write(desk.path("set/images/broken.nii.gz"), b"no image at all").unwrap();
    let output = desk.run(&["predict", "--weights", "run", "set/images", "--out", "labels"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_a_line_says(&errors, &["error", "set/images/broken.nii.gz"]);
    assert_eq!(volumes_in(&desk.path("labels")).len(), 4);
}

#[test]
fn images_and_truth_are_never_written_over() {
    let desk = Desk::new();
    desk.plain_data_set("set", 4);
    desk.trained("run", &["--method", "scratch", "--data", "set"]);
    let [image, labels] =
        ["images", "labels"].map(|part| desk.path("set").join(part).join("phantom0001.nii.gz"));
    let before = [bytes(&image), bytes(&labels)];
    let predict = ["predict", "--weights", "run", "set/../set/images"];
    let line = desk.fail(&[&predict[..], &["--out", "set/images"]].concat(), 1);
    assert_says(&line, &["set/images", "--out"]);
    let line = desk.fail(&[&predict[..], &["--out", "set/labels"]].concat(), 1);
    assert_says(&line, &["set/labels", "--out"]);
    // As nnU-Net's folders are linked.
    #[cfg(unix)]
    {
        let link = |from: &str, to: &str| {
            std::os::unix::fs::symlink(desk.path(from), desk.path(to)).unwrap();
        };
        std::fs::create_dir(desk.path("linked")).unwrap();
        std::fs::create_dir(desk.path("nnunet")).unwrap();
        std::fs::rename(desk.path("set/images"), desk.path("nnunet/imagesTr")).unwrap();
        std::fs::rename(desk.path("set/labels"), desk.path("nnunet/labelsTr")).unwrap();
        for (name, tr) in [("images", "nnunet/imagesTr"), ("labels", "nnunet/labelsTr")] {
            link(tr, &format!("linked/{name}"));
            link(tr, &format!("set/{name}"));
        }
        let linked = ["predict", "--weights", "run", "linked/images", "--out", "linked/labels"];
        let line = desk.fail(&linked, 1);
        assert_says(&line, &["labels", "--out"]);
    }
    assert!([bytes(&image), bytes(&labels)] == before);
    let line = desk.fail(&["predict", "--weights", "set", "set/images", "--out", "labels"], 1);
    assert_says(&line, &["set", "weights"]);
    let line = desk.fail(&["predict", "--weights", "run", "set", "--out", "labels"], 1);
    assert_says(&line, &["set", "NIfTI"]);
    // What a run says of its network can be changed, one setting at a time.
    let change = ["--set", "network.spacing=4", "--out", "finer"];
    desk.succeed(&[&predict[..], &change].concat());
}

#[test]
fn inspection_tells_good_from_bad_and_survives_a_reader_that_leaves() {
    let desk = Desk::new();
    desk.plain_data_set("set", 2);
    let text = desk.succeed(&["data", "inspect", "set"]);
    assert_a_line_says(&text, &["2", "labels"]);
    for arguments in [&["data", "inspect", "set"][..], &["--help"]] {
        let mut child = desk.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    }
    std::fs::write(desk.path("set/images/phantom0001.nii.gz"), b"").unwrap();
    assert_eq!(desk.run(&["data", "inspect", "set"]).status.code(), Some(1));
}

#[test]
fn a_step_is_timed_and_asks_for_no_memory() {
    let desk = Desk::new();
    // Of one thread: of several, each has scratch of its own, and a busy machine decides in which
    // step they first work side by side.
    let small = ["bench", "train", "--threads", "1", "--size", "32", "--batch", "2"];
    let steps = ["--channels", "4,8", "--steps", "2", "--warmup", "2"];
    let line = desk.succeed(&[&small[..], &steps].concat());
    let timing: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(timing["allocations"], 0);
    assert!(timing["images_per_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn kernels_are_timed_into_a_table_and_a_file() {
    let desk = Desk::new();
    let small = ["bench", "kernels", "--size", "16", "--batch", "2", "--channels", "2,3"];
    let said = desk.succeed(&[&small[..], &["--only", "softmax", "--json", "found.json"]].concat());
    assert_says(&said, &["GB/s", "softmax", "2 x 16 x 16 x 4"]);
    let found: serde_json::Value = serde_json::from_slice(&bytes(desk.path("found.json"))).unwrap();
    assert_eq!(found["rows"].as_array().unwrap().len(), 2, "forward and backward");
    assert!(found["rows"][0]["ms"].as_f64().unwrap() > 0.0);
}
