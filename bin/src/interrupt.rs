//! The message when a training is interrupted.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::tell;

/// How to resume, and a file that exists once there is something to resume. The first value stays: that
/// of a sweep rather than of one of its cells.
static RESUME: OnceLock<(String, Option<PathBuf>)> = OnceLock::new();

/// The exit code of a process that SIGINT ended, by the convention of shells.
const INTERRUPTED: i32 = 130;

/// From now on, an interruption prints a line and ends the program. If the parent process ignores
/// interruptions, that stays so.
pub fn install_handler() {
    let _ = ctrlc::try_set_handler(|| {
        let started = |file: &Option<PathBuf>| file.as_ref().is_none_or(|file| file.exists());
        let resume = RESUME.get().filter(|(_, file)| started(file));
        let resume = resume.map_or(String::new(), |(resume, _)| format!("; {resume}"));
        tell(&format!("\ninterrupted{resume}"));
        std::process::exit(INTERRUPTED);
    });
}

/// Sets the message for a run.
pub fn set_run(folder: &Path) {
    let folder = folder.display();
    let resume = format!("the same command with --out {folder} resumes from the last checkpoint");
    let _ = RESUME.set((resume, None));
}

/// Sets the message for a sweep, which applies once the sweep has a plan.
pub fn set_sweep(folder: &Path) {
    let resume = format!("cine sweep --out {} resumes from the last checkpoint", folder.display());
    let _ = RESUME.set((resume, Some(folder.join("sweep.json"))));
}
