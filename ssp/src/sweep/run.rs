//! Works a sweep off, beside any number of other processes.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tensor::Device;

use super::cell::{Cell, Outcome, Record};
use super::{Plan, table};
use crate::run::folder::{RunFolder, read_json, write_json};
use crate::settings::Method;
use crate::study::{self, Job, Parts};
use crate::train::Watcher;
use crate::{Error, Result};

/// A part of the cells: every `of`-th, from `number` (counted from 1) on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which.
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

impl Shard {
    /// All of them.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    fn has(self, index: usize) -> bool {
        index % self.of == self.number - 1
    }
}

/// How long to wait for what another process works on before looking again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Works off what is not done yet of a shard, cell by cell, and writes the tables. A cell that fails is
/// recorded and does not stop the others; `retry` has failed ones done again. Returns how many of the
/// shard have failed.
///
/// # Errors
/// When the plan asks for what there is not, or files cannot be written.
pub fn run(
    folder: &Path,
    plan: &Plan,
    shard: Shard,
    retry: bool,
    device: &Device,
    watcher: &dyn Watcher,
) -> Result<usize> {
    let sweep = Sweep { folder, plan, device, watcher };
    sweep.refuse_impossible()?;
    plan.keep(folder)?;
    let all = plan.cells();
    let cells: Vec<(usize, Cell)> =
        all.iter().copied().enumerate().filter(|(index, _)| shard.has(*index)).collect();
    if retry {
        for (_, cell) in &cells {
            sweep.forgive(cell)?;
        }
    }
    loop {
        let (mut waiting, mut worked) = (false, false);
        for (index, cell) in &cells {
            if cell.record(folder)?.is_some() {
                continue;
            }
            match sweep.take(cell, &format!("cell {} of {}", index + 1, all.len()))? {
                Taken::Worked => worked = true,
                Taken::Elsewhere => waiting = true,
            }
        }
        if !waiting {
            break;
        }
        if !worked {
            std::thread::sleep(PATIENCE);
        }
    }
    table::write(folder)?;
    let mut failed = 0;
    for (_, cell) in &cells {
        failed += usize::from(cell.record(folder)?.is_some_and(|r| r.state == Outcome::Failed));
    }
    Ok(failed)
}

/// What became of a cell that was not done.
enum Taken {
    /// It is over now.
    Worked,
    /// Another process works on it, or on the pretraining that it needs.
    Elsewhere,
}

/// How a pretraining ended; beside its run.
#[derive(Serialize, Deserialize)]
struct Pretrained {
    state: Outcome,
    why: Option<String>,
}

struct Sweep<'a> {
    folder: &'a Path,
    plan: &'a Plan,
    device: &'a Device,
    watcher: &'a dyn Watcher,
}

impl Sweep<'_> {
    /// Draws the roles of every count before anything starts.
    fn refuse_impossible(&self) -> Result<()> {
        let mut drawn = None;
        for cell in self.plan.cells() {
            let mut job = self.job(cell.settings(self.plan));
            job.parts = Parts::Finetune;
            if drawn.is_none() {
                drawn = Some(study::cohorts(&job, self.watcher)?);
            }
            let Some((cohort, test)) = &drawn else { continue };
            let quiet = |_: &str| {};
            crate::roles::Roles::draw(&job.settings, cohort, test.as_ref(), false, &quiet)?;
        }
        Ok(())
    }

    fn job(&self, settings: crate::settings::Settings) -> Job {
        Job {
            settings,
            data: self.plan.data.clone(),
            test: self.plan.test.clone(),
            parts: Parts::All,
            weights: None,
            out: None,
            device: self.device.clone(),
        }
    }

    /// Takes what a name stands for, if no other process has it.
    fn claim(&self, name: &str) -> Result<Option<File>> {
        let claims = self.folder.join("claims");
        std::fs::create_dir_all(&claims).map_err(|e| Error::io(&claims, e))?;
        let path = claims.join(name);
        let file = File::create(&path).map_err(|e| Error::io(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::file(
                &path,
                format!(
                    "cannot be locked ({error}): processes on this file system cannot share a \
                     sweep; give each a folder of its own"
                ),
            )),
        }
    }

    /// Does a cell, unless another process does.
    fn take(&self, cell: &Cell, place: &str) -> Result<Taken> {
        let Some(_held) = self.claim(&cell.name())? else { return Ok(Taken::Elsewhere) };
        if cell.record(self.folder)?.is_some() {
            return Ok(Taken::Worked);
        }
        let weights = match cell.method {
            Method::Scratch => None,
            method => match self.pretrained(method)? {
                None => return Ok(Taken::Elsewhere),
                Some(Ok(weights)) => Some(weights),
                Some(Err(why)) => {
                    self.record(cell, Err(&format!("its pretraining failed: {why}")))?;
                    return Ok(Taken::Worked);
                }
            },
        };
        self.watcher.note(&format!("{place}: {}", cell.described()));
        let mut job = self.job(cell.settings(self.plan));
        job.parts = Parts::Finetune;
        job.weights = weights;
        job.out = Some(cell.folder(self.folder).path().to_path_buf());
        match study::run(&job, self.watcher) {
            Ok(_) => self.record(cell, Ok(()))?,
            Err(error) => {
                self.watcher.note(&format!("failed: {error}"));
                self.record(cell, Err(&error.to_string()))?;
            }
        }
        Ok(Taken::Worked)
    }

    /// The pretrained weights of a method, made now if nobody has; or why there are none. None while
    /// another process makes them.
    fn pretrained(&self, method: Method) -> Result<Option<std::result::Result<PathBuf, String>>> {
        let folder = self.pretrain_folder(method);
        let told = folder.with_extension("json");
        let ended = || -> Result<Option<std::result::Result<PathBuf, String>>> {
            if !told.exists() {
                return Ok(None);
            }
            let Pretrained { state, why } = read_json(&told)?;
            Ok(Some(match state {
                Outcome::Done => Ok(folder.clone()),
                Outcome::Failed => Err(why.unwrap_or_default()),
            }))
        };
        if let Some(ended) = ended()? {
            return Ok(Some(ended));
        }
        let Some(_held) = self.claim(&format!("pretrain-{}", method.name()))? else {
            return Ok(None);
        };
        if let Some(ended) = ended()? {
            return Ok(Some(ended));
        }
        self.watcher.note(&format!("pretraining: {}", method.name()));
        let mut job = self.job(self.plan.arm(method).clone());
        job.parts = Parts::Pretrain;
        job.out = Some(folder.clone());
        let outcome = study::run(&job, self.watcher).map_err(|error| error.to_string());
        let (state, why) = match &outcome {
            Ok(_) => (Outcome::Done, None),
            Err(why) => {
                self.watcher.note(&format!("failed: {why}"));
                (Outcome::Failed, Some(why.clone()))
            }
        };
        write_json(&told, &Pretrained { state, why })?;
        Ok(Some(outcome.map(|_| folder.clone())))
    }

    fn pretrain_folder(&self, method: Method) -> PathBuf {
        self.folder.join("pretrain").join(method.name())
    }

    /// Has a failed cell, and a failed pretraining that it needs, done again.
    fn forgive(&self, cell: &Cell) -> Result<()> {
        if cell.record(self.folder)?.is_some_and(|record| record.state == Outcome::Failed) {
            Record::forget(&cell.folder(self.folder))?;
            let told = self.pretrain_folder(cell.method).with_extension("json");
            if told.exists() && read_json::<Pretrained>(&told)?.state == Outcome::Failed {
                std::fs::remove_file(&told).map_err(|e| Error::io(&told, e))?;
            }
        }
        Ok(())
    }

    fn record(&self, cell: &Cell, outcome: std::result::Result<(), &str>) -> Result<()> {
        let folder = cell.folder(self.folder);
        let result = match outcome {
            Ok(()) => read_json(&folder.result())?,
            Err(_) => serde_json::Value::Null,
        };
        let seconds = |part: &str| result["seconds"][part].as_f64().unwrap_or(0.0);
        let subjects = |part: &str| result["subjects"][part].as_u64().unwrap_or(0) as usize;
        let record = Record {
            table: "subjects".into(),
            method: cell.method,
            labelled: cell.labelled,
            seed: cell.seed,
            variant: String::new(),
            state: if outcome.is_ok() { Outcome::Done } else { Outcome::Failed },
            why: outcome.err().map(str::to_owned),
            seconds: seconds("finetune") + seconds("test"),
            train_subjects: subjects("labelled"),
            test_subjects: subjects("test"),
        };
        record.keep(&folder)
    }
}

/// Whether a process is at work on a cell.
pub(super) fn is_running(sweep: &Path, cell: &Cell) -> bool {
    let path = sweep.join("claims").join(cell.name());
    let file = File::open(path);
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// A run of this sweep, for what looks through them.
pub(super) fn folder_of(sweep: &Path, record: &Record) -> RunFolder {
    Cell { method: record.method, labelled: record.labelled, seed: record.seed }.folder(sweep)
}
