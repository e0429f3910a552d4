//! The folder of a run and the paths of its files.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};
use common::files::{
    UNFINISHED, create_dir, create_dir_all, create_lock, same_file, write_atomically,
};
use settings::Settings;

/// The file that a process locks while it works in a run's folder.
const LOCK: &str = ".lock";

/// The file in a stage's folder that it is resumed from.
pub const PROGRESS: &str = "progress.safetensors";

/// What that file was before it was last written, for when it is damaged.
pub const PREVIOUS: &str = "progress.previous.safetensors";

/// The folder of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The folder `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        RunFolder { path: path.into() }
    }

    /// Makes and locks the first folder `runs/<name>-<n>` that is not there yet, or in which a process was
    /// cut off before it wrote its settings. Of several processes at once, each gets a folder of its own.
    /// A folder in which the settings cannot be written is removed.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn take(runs: &Path, name: &str, settings: &Settings) -> Result<(Self, Held)> {
        create_dir_all(runs)?;
        let mut number = 1;
        loop {
            let folder = RunFolder::new(runs.join(format!("{name}-{number}")));
            if let Some(held) = folder.try_take(settings)? {
                return Ok((folder, held));
            }
            number += 1;
        }
    }

    /// Takes this folder, unless there is a run in it or another process has it.
    fn try_take(&self, settings: &Settings) -> Result<Option<Held>> {
        let is_new = create_dir(&self.path)?;
        if !is_new && (!self.path.is_dir() || self.is_occupied()) {
            return Ok(None);
        }
        let begun = self.lock().and_then(|lock| match lock {
            // Before it was locked, another process may have begun a run, or removed the folder.
            Lock::Taken(file) if !self.is_occupied() && same_file(&file, &self.lock_path()) => {
                write_json(&self.settings(), settings)?;
                Ok(Some(Held { _file: file }))
            }
            Lock::Unsupported(file) if is_new => {
                write_json(&self.settings(), settings)?;
                Ok(Some(Held { _file: file }))
            }
            _ => Ok(None),
        });
        if begun.is_err() && is_new {
            // Both fail harmlessly where another process has put something there.
            let _ = std::fs::remove_file(self.lock_path());
            let _ = std::fs::remove_dir(&self.path);
        }
        begun
    }

    fn lock_path(&self) -> PathBuf {
        self.path.join(LOCK)
    }

    fn lock(&self) -> Result<Lock> {
        let file = create_lock(self.lock_path())?;
        Ok(match file.try_lock() {
            Ok(()) => Lock::Taken(file),
            Err(TryLockError::WouldBlock) => Lock::Elsewhere,
            Err(TryLockError::Error(_)) => Lock::Unsupported(file),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every setting, resolved.
    pub fn settings(&self) -> PathBuf {
        self.path.join("settings.json")
    }

    /// What the run was asked to do, and with what.
    pub fn job(&self) -> PathBuf {
        self.path.join("job.json")
    }

    /// Who trained, validated, tested, and who had labels.
    pub fn split(&self) -> PathBuf {
        self.path.join("split.json")
    }

    /// How training went, row by row.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.csv")
    }

    /// What came out.
    pub fn result(&self) -> PathBuf {
        self.path.join("result.json")
    }

    /// Dice of every frame of the test subjects.
    pub fn frames(&self) -> PathBuf {
        self.path.join("test.csv")
    }

    /// Volumes, ejection fractions and mass of them.
    pub fn subjects(&self) -> PathBuf {
        self.path.join("test-subjects.csv")
    }

    /// Dice of every slice of them.
    pub fn slices(&self) -> PathBuf {
        self.path.join("test-slices.csv")
    }

    /// A stage's weights.
    pub fn stage(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether there is anything to resume from.
    pub fn has_progress(&self) -> bool {
        self.progress().iter().any(|path| path.exists())
    }

    /// Removes what its stages are resumed from; weights stay.
    ///
    /// # Errors
    /// When a file is there and cannot be removed.
    pub fn discard_progress(&self) -> Result<()> {
        self.progress().iter().try_for_each(|path| remove_if_exists(path))
    }

    fn progress(&self) -> Vec<PathBuf> {
        let files = |stage| [PROGRESS, PREVIOUS].map(|file| self.stage(stage).join(file));
        ["pretrain", "finetune"].into_iter().flat_map(files).collect()
    }

    /// Curves and overlays.
    pub fn pictures(&self) -> PathBuf {
        self.path.join("pictures")
    }

    /// Refuses a folder that a run of these settings can neither begin in nor go on with.
    ///
    /// # Errors
    /// When there is a run with other settings, or something that is no run.
    pub fn check(&self, settings: &Settings) -> Result<()> {
        if self.settings().exists() {
            let there = Settings::from_value(&read_json(&self.settings())?).map_err(|error| {
                Error::file(self.settings(), format!("cannot be used: {error}"))
            })?;
            if let Some(difference) = difference(&there, settings)? {
                return Err(Error::file(
                    &self.path,
                    format!(
                        "holds a run with other settings ({difference}); name another folder \
                         with --out, or remove this one"
                    ),
                ));
            }
            return Ok(());
        }
        if self.is_occupied() {
            let what = "is not empty and holds no run; name another folder with --out";
            return Err(Error::file(&self.path, what));
        }
        Ok(())
    }

    /// Makes the folder, or opens that of a run with the same settings to go on with it. It is
    /// this process's alone for as long as what is returned lives.
    ///
    /// # Errors
    /// As [`check`](Self::check), or when another process works in it or it cannot be made.
    pub fn prepare(&self, settings: &Settings) -> Result<Held> {
        self.check(settings)?;
        create_dir_all(&self.path)?;
        let file = match self.lock()? {
            Lock::Taken(file) | Lock::Unsupported(file) => file,
            Lock::Elsewhere => {
                let what = "another process is at work on this run; wait for it, or name another \
                            folder with --out";
                return Err(Error::file(&self.path, what));
            }
        };
        if !self.settings().exists() {
            write_json(&self.settings(), settings)?;
        }
        Ok(Held { _file: file })
    }

    /// Whether there is anything that a run does not leave when it is cut off before its settings are
    /// written.
    fn is_occupied(&self) -> bool {
        let Ok(mut entries) = self.path.read_dir() else { return false };
        entries.any(|entry| {
            let name = entry.map(|entry| entry.file_name());
            let name = name.as_ref().ok().and_then(|name| name.to_str());
            !name.is_some_and(|name| name == LOCK || name.starts_with(UNFINISHED))
        })
    }
}

/// The outcome of locking a run's folder.
enum Lock {
    Taken(File),
    Elsewhere,
    /// Some network file systems know no locks; then there is none.
    Unsupported(File),
}

/// A run's folder while a process works in it. The system lets go of it however the process ends.
#[derive(Debug)]
pub struct Held {
    _file: File,
}

/// The first setting that differs.
fn difference(there: &Settings, asked: &Settings) -> Result<Option<String>> {
    fn first(path: &str, a: &serde_json::Value, b: &serde_json::Value) -> Option<String> {
        match (a, b) {
            (serde_json::Value::Object(a), serde_json::Value::Object(b)) => {
                a.iter().find_map(|(key, value)| {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    first(&path, value, b.get(key).unwrap_or(&serde_json::Value::Null))
                })
            }
            _ => (a != b).then(|| format!("{path} is {a} there, {b} now")),
        }
    }
    Ok(first("", &there.to_value()?, &asked.to_value()?))
}

/// Removes a file if it is there.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_if_exists(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    }
}

/// Writes a value as JSON for people, replacing the file in one step.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|e| Error::file(path, e.to_string()))?;
    write_atomically(path, (text + "\n").as_bytes())
}

/// Reads a value from JSON.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    serde_json::from_str(&text).map_err(|e| Error::file(path, format!("cannot be used: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::{Method, Preset};

    #[test]
    fn of_processes_at_once_each_takes_a_folder_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        let settings = Settings::preset(Preset::Demo, Method::Pcl);
        std::fs::create_dir_all(runs.join("pcl-demo-3/pictures")).unwrap();
        std::fs::create_dir_all(runs.join("pcl-demo-5")).unwrap();
        std::fs::write(runs.join("pcl-demo-7"), "").unwrap();
        let takers: Vec<_> = (0..8)
            .map(|_| {
                let runs = runs.clone();
                let settings = settings.clone();
                std::thread::spawn(move || RunFolder::take(&runs, "pcl-demo", &settings).unwrap())
            })
            .collect();
        // None lets go before all have theirs.
        let taken: Vec<_> = takers.into_iter().map(|taker| taker.join().unwrap()).collect();
        let taken = taken.iter().map(|(folder, _held)| folder.path().to_path_buf());
        let taken: std::collections::BTreeSet<_> = taken.collect();
        let free = [1, 2, 4, 5, 6, 8, 9, 10].map(|n| runs.join(format!("pcl-demo-{n}")));
        assert_eq!(taken, free.into());
    }

    #[test]
    fn a_run_that_was_cut_off_before_its_settings_were_written_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::preset(Preset::Demo, Method::Scratch);
        let run = RunFolder::new(folder.path());
        for left in [LOCK, ".unfinished-a1b2c3"] {
            std::fs::write(folder.path().join(left), "{").unwrap();
        }
        drop(run.prepare(&settings).unwrap());
        drop(run.prepare(&settings).unwrap());

        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("thesis.tex"), "").unwrap();
        let error = RunFolder::new(other.path()).prepare(&settings).unwrap_err().to_string();
        assert!(error.contains(&other.path().display().to_string()), "{error}");
    }
}
