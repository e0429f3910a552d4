//! The built program, run as a user runs it, on data small enough for seconds.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Settings that make every stage a matter of a second.
pub const TINY: [&str; 18] = [
    "network.size=32",
    "network.spacing=6",
    "network.channels=4,8",
    "subjects.phantom=8",
    "pretrain.epochs=1",
    "pretrain.batch=32",
    "pretrain.mlp=8,8",
    "pretrain.warmup_epochs=0",
    "pretrain.mim.patch=8,8",
    "pretrain.dino.local_size=16",
    "pretrain.dino.hidden=16",
    "pretrain.dino.bottleneck=8",
    "pretrain.dino.outputs=32",
    "finetune.epochs=2",
    "finetune.batch=16",
    "finetune.validate_every=1",
    "subjects.test_share=0.25",
    "subjects.valid_share=0.2",
];

/// Asserts that `text` names every one of `parts`, in any letter case: the files, settings and values
/// that a message is about. The words between them may change.
#[track_caller]
pub fn assert_says(text: &str, parts: &[&str]) {
    let lower = text.to_lowercase();
    let missing = |part: &&&str| !lower.contains(&part.to_lowercase());
    let missing: Vec<_> = parts.iter().filter(missing).collect();
    assert!(missing.is_empty(), "{missing:?} missing from:\n{text}");
}

/// As [`assert_says`], of one line of `text`.
#[track_caller]
pub fn assert_a_line_says(text: &str, parts: &[&str]) {
    let says = |line: &str| {
        let lower = line.to_lowercase();
        parts.iter().all(|part| lower.contains(&part.to_lowercase()))
    };
    assert!(text.lines().any(says), "no line has all of {parts:?}:\n{text}");
}

/// What a file holds.
#[track_caller]
pub fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder to work in.
pub struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Desk { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, its cache kept in a folder that all tests share.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cine"));
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        command.args(arguments).current_dir(self.folder.path()).env("CINE_CACHE", cache);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A run that must end well; returns what it printed.
    #[track_caller]
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cine {}\n{errors}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A run that must end with this exit code and, after notes of progress if there are any, one
    /// line that starts with `error:`; returns the line. Misuse that the parser of the command
    /// line finds is explained in more lines.
    #[track_caller]
    pub fn fail(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = errors.lines().filter(|l| l.starts_with("error:")).collect();
        assert_eq!(output.status.code(), Some(code), "cine {}\n{errors}", arguments.join(" "));
        assert!(!errors.contains("panicked"), "{errors}");
        assert_eq!(lines.len(), 1, "{errors}");
        let explained = errors.contains("try '--help'");
        assert!(explained || errors.lines().last() == Some(lines[0]), "{errors}");
        lines[0].to_owned()
    }

    /// Trains with tiny settings into the folder `out`.
    pub fn train(&self, out: &str, more: &[&str]) -> Command {
        let mut arguments = vec!["train", "--out", out];
        TINY.iter().for_each(|setting| arguments.extend(["--set", setting]));
        arguments.extend(more);
        self.command(&arguments)
    }

    /// As [`train`](Self::train), which must end well.
    #[track_caller]
    pub fn trained(&self, out: &str, more: &[&str]) -> PathBuf {
        let output = self.train(out, more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.path(out)
    }

    /// A JSON file as a tree.
    pub fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path(path)).unwrap()).unwrap()
    }

    /// Makes a plain data set of phantom subjects: 4D images and labels, in a folder of this name.
    pub fn plain_data_set(&self, name: &str, subjects: usize) -> PathBuf {
        use nifti::writer::WriterOptions;
        let root = self.path(name);
        let cohort = data::PhantomCohort::new(subjects, 5, Default::default()).unwrap();
        for part in ["images", "labels"] {
            std::fs::create_dir_all(root.join(part)).unwrap();
        }
        for subject in cohort.draw() {
            let stack = &subject.stack;
            let shape = (stack.columns, stack.rows, stack.slices, stack.phases);
            let volume = stack.slices * stack.rows * stack.columns;
            let mut labels = vec![0u8; stack.voxels.len()];
            for frame in &subject.frames {
                labels[frame.phase * volume..][..volume].copy_from_slice(&frame.labels);
            }
            let [row, column, slice] = stack.spacing;
            let header = nifti::NiftiHeader {
                pixdim: [1.0, column, row, slice, 1.0, 1.0, 1.0, 1.0],
                sform_code: 1,
                srow_x: [-column, 0.0, 0.0, 90.5],
                srow_y: [0.0, -0.8 * row, 0.6 * slice, 70.25],
                srow_z: [0.0, -0.6 * row, -0.8 * slice, 31.125],
                ..Default::default()
            };
            let index = |(i, j, k, t): (usize, usize, usize, usize)| {
                ((t * stack.slices + k) * stack.rows + j) * stack.columns + i
            };
            let file = format!("{}.nii.gz", subject.id);
            let image = ndarray::Array4::from_shape_fn(shape, |at| stack.voxels[index(at)]);
            let labels = ndarray::Array4::from_shape_fn(shape, |at| labels[index(at)]);
            let images = root.join("images").join(&file);
            WriterOptions::new(&images).reference_header(&header).write_nifti(&image).unwrap();
            let truth = root.join("labels").join(&file);
            WriterOptions::new(&truth).reference_header(&header).write_nifti(&labels).unwrap();
        }
        root
    }
}
