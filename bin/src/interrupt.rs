//! What is said when a training is interrupted.

use std::path::Path;
use std::sync::OnceLock;

use crate::tell;

/// How to go on; the first that was said is the widest, a sweep's rather than its cell's.
static GO_ON: OnceLock<String> = OnceLock::new();

/// The exit code of what SIGINT ended, by the shells' custom.
const INTERRUPTED: i32 = 130;

/// From now on an interruption is answered by a line, and ends the program. Whoever started it may have
/// had interruptions ignored, and that stays.
pub fn answer() {
    let _ = ctrlc::try_set_handler(|| {
        let go_on = GO_ON.get().map_or(String::new(), |go_on| format!("; {go_on}"));
        tell(&format!("\ninterrupted{go_on}"));
        std::process::exit(INTERRUPTED);
    });
}

/// What is to be said of a run: it goes on from what it last saved.
pub fn run_goes_on(folder: &Path) {
    let folder = folder.display();
    let _ =
        GO_ON.set(format!("the same command with --out {folder} goes on from what was last saved"));
}

/// The same of a sweep.
pub fn sweep_goes_on(folder: &Path) {
    let folder = folder.display();
    let _ = GO_ON.set(format!("cine sweep --out {folder} goes on from what was last saved"));
}
