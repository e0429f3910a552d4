//! What is said when a training is interrupted.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::tell;

/// How to go on, and the file without which nothing was begun; the first that was said is the widest, a
/// sweep's rather than its cell's.
static GO_ON: OnceLock<(String, Option<PathBuf>)> = OnceLock::new();

/// The exit code of what SIGINT ended, by the shells' custom.
const INTERRUPTED: i32 = 130;

/// From now on an interruption is answered by a line, and ends the program. Whoever started it may have
/// had interruptions ignored, and that stays.
pub fn answer() {
    let _ = ctrlc::try_set_handler(|| {
        let begun = |file: &Option<PathBuf>| file.as_ref().is_none_or(|file| file.exists());
        let go_on = GO_ON.get().filter(|(_, file)| begun(file));
        let go_on = go_on.map_or(String::new(), |(go_on, _)| format!("; {go_on}"));
        tell(&format!("\ninterrupted{go_on}"));
        std::process::exit(INTERRUPTED);
    });
}

/// What is to be said of a run: it goes on from what it last saved.
pub fn run_goes_on(folder: &Path) {
    let folder = folder.display();
    let go_on = format!("the same command with --out {folder} goes on from what was last saved");
    let _ = GO_ON.set((go_on, None));
}

/// The same of a sweep, once it has a plan.
pub fn sweep_goes_on(folder: &Path) {
    let go_on = format!("cine sweep --out {} goes on from what was last saved", folder.display());
    let _ = GO_ON.set((go_on, Some(folder.join("sweep.json"))));
}
