//! Signals that end the program: Ctrl-C, a batch system's SIGTERM, the SIGHUP of a terminal that closes.
//!
//! A training finishes its step and saves first. Everything else ends at once: what it writes, it
//! writes file by file, each in one step.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use train::run::folder::RunFolder;

use crate::tell;

/// What is interrupted, which determines how it is resumed.
pub enum Work {
    /// A training that has no folder yet.
    Unsaved,
    /// A training in this folder.
    Run(RunFolder),
    /// A sweep in this folder, and whatever it is doing.
    Sweep(PathBuf),
}

static WORK: Mutex<Option<Work>> = Mutex::new(None);

/// Whether a training is in progress, which saves when it is interrupted.
static CAN_SAVE: AtomicBool = AtomicBool::new(false);

/// The first signal; 0 before there is one.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Held by the thread that ends the program, so that one line is printed.
static END: Mutex<()> = Mutex::new(());

/// How long a training may take to save. Batch systems kill what has not ended, SLURM after 30 s.
const GRACE: Duration = Duration::from_secs(10);

/// Saving that takes longer than this is announced to the user.
const NOTICE: Duration = Duration::from_secs(1);

#[cfg(not(unix))]
const SIGINT: i32 = 2;

/// Handles signals from now on. A signal that the parent process ignores, as `nohup` does, stays ignored.
pub fn install_handler() {
    // Without handlers the program still ends, only without a line.
    #[cfg(unix)]
    let _ = unix::install();
    #[cfg(not(unix))]
    let _ = ctrlc::try_set_handler(|| receive(SIGINT));
}

/// Sets what is interrupted from now on. The runs of a sweep leave it a sweep.
pub fn set_work(work: Work) {
    let mut current = WORK.lock().unwrap_or_else(PoisonError::into_inner);
    if !matches!(*current, Some(Work::Sweep(_))) {
        *current = Some(work);
    }
}

/// Sets whether a training is in progress that asks [`is_interrupted`] and then saves.
pub fn set_can_save(can: bool) {
    CAN_SAVE.store(can, Ordering::SeqCst);
}

/// Whether a signal has come.
pub fn is_interrupted() -> bool {
    SIGNAL.load(Ordering::SeqCst) != 0
}

/// Ends the program with a line that says what was saved and how to resume.
pub fn end(saved: Option<&str>) -> ! {
    let _end = END.lock().unwrap_or_else(PoisonError::into_inner);
    let saved = saved.map_or(String::new(), |saved| format!(": {saved}"));
    let work = WORK.lock().unwrap_or_else(PoisonError::into_inner);
    let resume = work.as_ref().map_or(String::new(), |work| format!("; {}", resume(work)));
    // A progress bar may have left the cursor behind it.
    tell(&format!("\ninterrupted{saved}{resume}"));
    // By the convention of shells.
    std::process::exit(128 + SIGNAL.load(Ordering::SeqCst))
}

fn resume(work: &Work) -> String {
    let again = match work {
        Work::Run(folder) => {
            let command = format!("the same command with --out {}", folder.path().display());
            if folder.has_progress() {
                return format!("{command} resumes from the last checkpoint");
            }
            command
        }
        Work::Sweep(folder) if folder.join("sweep.json").exists() => {
            let folder = folder.display();
            return format!("cine sweep --out {folder} resumes from the last checkpoint");
        }
        _ => "the same command".to_owned(),
    };
    format!("nothing is saved yet, {again} starts again")
}

fn receive(signal: i32) {
    let first = SIGNAL.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    if !first || !CAN_SAVE.load(Ordering::SeqCst) {
        end(None);
    }
    std::thread::spawn(|| {
        std::thread::sleep(NOTICE);
        tell("\ninterrupted: finishing a step and saving; interrupt again to end at once");
        std::thread::sleep(GRACE - NOTICE);
        end(None)
    });
}

#[cfg(unix)]
mod unix {
    use std::sync::Arc;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;

    pub fn install() -> std::io::Result<()> {
        // With a handler, a write beyond the limit of a file's size fails like one to a full disk.
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        let heeded = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal));
        let mut signals = Signals::new(heeded)?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.forever().for_each(super::receive))?;
        Ok(())
    }

    fn is_ignored(signal: i32) -> bool {
        // SAFETY: without a new action, `sigaction` only writes the present one to `current`, plain data of
        // integers and a null or valid function address, for which all zeros are a value.
        unsafe {
            let mut current: libc::sigaction = std::mem::zeroed();
            let read = libc::sigaction(signal, std::ptr::null(), &mut current) == 0;
            read && current.sa_sigaction == libc::SIG_IGN
        }
    }
}
