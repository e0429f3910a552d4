//! The engine against PyTorch: golden values of networks, losses, sampling and schedules.
//!
//! Cases are the `.safetensors` files of `tests/parity/cases`, and of any folders that the
//! environment variable `PARITY_CASES` lists. Every shape and setting comes from the file. They run on
//! the CPU and on the machine's GPU; small ones on an emulated GPU too.

mod agreement;
mod case;
mod operations;
mod training;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

use cine_tests::{data, devices};
use emulator::Mode;
use kernels::registry;
use tensor::{DType, Device};

use agreement::{Agreement, sensitivity};
use case::{Case, Goldens, Place};

/// What the engine found, by the names of the golden values.
type Outcome = Result<Goldens, Box<dyn Error>>;

/// A kind of case that the engine can run, somewhere and in some precision.
type Run = fn(&Case, &Place) -> Outcome;

/// Values of a case, beyond which an emulated GPU takes too long.
const SMALL: usize = 100_000;

/// How to run a kind of case, if it is one that the cases' README lists.
fn runner(kind: &str) -> Option<Run> {
    Some(match kind {
        "unet_train" => training::unet,
        "contrastive_train" => training::contrastive,
        "mim_train" => training::mim,
        "dino_train" => training::dino,
        "nt_xent" => operations::contrastive_loss,
        "resample" => operations::resampling,
        "intensity" => operations::intensity,
        "dice_metric" => operations::dice_metric,
        "schedules" => operations::schedules,
        _ => return None,
    })
}

/// Whether a kind of case computes anything on a device.
fn has_kernels(kind: &str) -> bool {
    match kind {
        "intensity" | "dice_metric" | "schedules" => false,
        "resample" => registry().iter().any(|o| o.name == "resample" && o.programs.is_some()),
        _ => true,
    }
}

#[test]
fn every_golden_case_is_reproduced() {
    let mut failures = Vec::new();
    for case in cases() {
        match runner(&case.kind) {
            Some(run) => failures.extend(check(&case, run, &Device::Cpu)),
            None => failures.push(format!("{}: nobody knows the kind `{}`", case.name, case.kind)),
        }
    }
    assert!(failures.is_empty(), "PyTorch disagrees:\n{}", failures.join("\n"));
}

#[test]
fn golden_cases_are_reproduced_on_a_device() {
    let emulated = devices::emulated("parity on a GPU", Mode::Fast).map(|device| (device, SMALL));
    let own = devices::hardware().map(|device| (device, usize::MAX));
    for (device, largest) in emulated.into_iter().chain(own) {
        let (mut failures, mut left_out) = (Vec::new(), Vec::new());
        for case in cases() {
            match runner(&case.kind).filter(|_| has_kernels(&case.kind)) {
                Some(_) if case.size() > largest => left_out.push(case.name.clone()),
                Some(run) => failures.extend(check(&case, run, &device)),
                None => {}
            }
        }
        if !left_out.is_empty() {
            say(&format!("too large for {device}: {}", left_out.join(", ")));
        }
        assert!(failures.is_empty(), "PyTorch disagrees:\n{}", failures.join("\n"));
    }
}

/// All cases, folder by folder, in the order of their names.
fn cases() -> impl Iterator<Item = Case> {
    let read = |path: PathBuf| Case::read(&path).unwrap_or_else(|error| panic!("{error}"));
    files().into_iter().map(read)
}

fn files() -> Vec<PathBuf> {
    let own = data::path("parity/cases");
    let others = std::env::var_os("PARITY_CASES").unwrap_or_default();
    let others = std::env::split_paths(&others).filter(|folder| !folder.as_os_str().is_empty());
    let mut all = Vec::new();
    for folder in [own].into_iter().chain(others) {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("golden cases in {}: {error}", folder.display()));
        let files = entries.map(|entry| entry.expect("a readable folder").path());
        let mut files: Vec<_> =
            files.filter(|file| file.extension().is_some_and(|e| e == "safetensors")).collect();
        assert!(!files.is_empty(), "no golden cases (.safetensors) in {}", folder.display());
        files.sort();
        all.extend(files);
    }
    all
}

/// Runs a case in both precisions, says how close it came, and returns what is wrong.
fn check(case: &Case, run: Run, device: &Device) -> Vec<String> {
    let mut line = match device {
        Device::Cpu => heading(case),
        gpu => format!("{} {gpu}:", heading(case)),
    };
    let mut failures = Vec::new();
    for dtype in [DType::F64, DType::F32] {
        let place = Place { device: device.clone(), dtype };
        let agreement = run(case, &place).map(|found| Agreement::of(case, &found, dtype));
        let described = match &agreement {
            Ok(agreement) => agreement.to_string(),
            Err(_) => "refused".into(),
        };
        line += &format!(" {dtype} {described:<52}");
        match agreement {
            Ok(agreement) if is_unstable(case, run, dtype, &agreement) => {
                line += " UNSTABLE IN f32: exact arithmetic on inputs rounded otherwise moves it \
                         as far";
            }
            Ok(agreement) => {
                let lines = agreement.failures.iter();
                failures.extend(lines.map(|failure| format!("{}, {dtype}: {failure}", case.name)));
            }
            Err(error) => failures.push(format!("{}, {dtype}: {error}", case.name)),
        }
    }
    say(line.trim_end());
    failures
}

/// Whether float32 fails a case that rounding alone can make fail; see [`sensitivity`].
fn is_unstable(case: &Case, run: Run, dtype: DType, agreement: &Agreement) -> bool {
    dtype == DType::F32
        && !agreement.failures.is_empty()
        && sensitivity(case, run).is_ok_and(|moved| agreement.is_within(&moved))
}

fn heading(case: &Case) -> String {
    format!("{:<24} {:<18}", case.name, case.kind)
}

/// Prints a line of the report: also when the test passes, where `println!` is swallowed.
fn say(line: &str) {
    // Nothing is wrong with the engine if nobody listens.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
