//! The instruction sets of this processor.

use std::process::Command;

use kernels::simd::Level;

/// Names the run of a test in a process of its own.
const OF_PROCESS: &str = "CINE_TEST_OF_PROCESS";

/// Before what a run returns.
const RESULT: &str = "result: ";

/// Does `run` once for each instruction set, the portable one first, and returns its name and the result. The
/// test of the given name must do nothing else before: a process keeps to one set, so that the test is run again
/// in others.
///
/// # Panics
/// When a run fails.
pub fn each(test: &str, run: impl FnOnce() -> String) -> Vec<(&'static str, String)> {
    if std::env::var_os(OF_PROCESS).is_some() {
        println!("\n{RESULT}{}", run());
        std::process::exit(0);
    }
    let result = |level: Level| {
        let mut command = Command::new(std::env::current_exe().expect("a test has a path"));
        command.args([test, "--exact", "--nocapture", "--test-threads", "1"]);
        command.env(OF_PROCESS, "1").env("CINE_SIMD", level.name());
        let output = command.output().expect("a test can be run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let result = text.lines().find_map(|line| line.strip_prefix(RESULT)).map(str::to_owned);
        let why = || format!("{}: {text}{}", level.name(), String::from_utf8_lossy(&output.stderr));
        (level.name(), result.unwrap_or_else(|| panic!("{}", why())))
    };
    Level::available().into_iter().map(result).collect()
}
