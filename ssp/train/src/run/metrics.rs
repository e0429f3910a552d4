//! `metrics.csv`: how a run went, one row at a time, whatever happens to the machine.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use common::files::{append, sync_appended, write_atomically};

/// First line of the file.
const HEADER: &str = "stage,epoch,step,loss,learning_rate,validation_loss,validation_dice,\
                      images_per_second,seconds";

/// One row: what was measured at a step of a stage. What was not measured there is left empty.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Part of the run: `pretrain`, `finetune` ...
    pub stage: String,
    /// Epochs of the stage that are complete, or the epoch in progress.
    pub epoch: usize,
    /// Optimiser steps taken in the stage.
    pub step: u64,
    /// Training loss, over the steps since the row before.
    pub loss: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: Option<f64>,
    /// Loss on the validation subjects.
    pub validation_loss: Option<f64>,
    /// Mean Dice on the validation subjects.
    pub validation_dice: Option<f64>,
    /// Training images per second.
    pub images_per_second: Option<f64>,
    /// Time spent in the stage, in seconds, over all its sessions.
    pub seconds: f64,
}

/// An open `metrics.csv`, to which rows are added.
///
/// A row is on its way to the disk, whole, when [`Metrics::append`] returns: the end of the
/// program, however sudden, loses nothing. A power cut may lose or cut short the last rows;
/// [`read`] drops what is cut short, and [`Metrics::sync`] before a checkpoint makes sure of all
/// rows up to it.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    file: File,
    /// Of all bytes of the file.
    hasher: blake3::Hasher,
}

/// The content of a `metrics.csv` at a checkpoint, which stores this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    bytes: u64,
    blake3: String,
}

impl Content {
    /// The content that the file `path` had at a checkpoint. None if there is no such file any more.
    ///
    /// # Errors
    /// When it cannot be read, or does not begin with that content.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let mut bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path, error)),
        };
        bytes.truncate(usize::try_from(self.bytes).unwrap_or(usize::MAX));
        if bytes.len() as u64 == self.bytes && blake3::hash(&bytes).to_hex().as_str() == self.blake3
        {
            return Ok(Some(bytes));
        }
        let what = "is damaged or was changed: its first rows are not those that this run wrote; put them \
                    back, or remove the file to go on without them";
        Err(Error::file(path, what))
    }
}

impl Metrics {
    /// Starts the file `path` anew.
    pub fn create(path: impl AsRef<Path>) -> Result<Metrics> {
        Metrics::start(path.as_ref(), &[])
    }

    /// Continues the file `path` from the checkpoint of `stage` at `step`.
    ///
    /// Rows of stages before it and of `stage` up to `step` stay; what the run wrote after the
    /// checkpoint goes, as it is about to be computed again. A file that does not exist is begun.
    /// `content` is what the checkpoint says that the file had in it; older checkpoints do not say.
    pub fn resume(
        path: impl AsRef<Path>,
        stage: &str,
        step: u64,
        content: Option<&Content>,
    ) -> Result<Metrics> {
        let path = path.as_ref();
        if let Some(content) = content {
            let whole = content.read(path)?;
            return Metrics::open(path, whole.unwrap_or_else(|| format!("{HEADER}\n").into()));
        }
        let mut records = if path.exists() { read(path)? } else { Vec::new() };
        let begun = records.iter().position(|record| record.stage == stage);
        if let Some(begun) = begun {
            let beyond = |record: &Record| record.stage != stage || record.step > step;
            let kept = records[begun..].iter().position(beyond);
            records.truncate(kept.map_or(records.len(), |kept| begun + kept));
        }
        Metrics::start(path, &records)
    }

    /// Writes `records` as the whole of `path`, and opens it for more.
    fn start(path: &Path, records: &[Record]) -> Result<Metrics> {
        let mut text = format!("{HEADER}\n");
        for record in records {
            text.push_str(&line(path, record)?);
        }
        Metrics::open(path, text.into())
    }

    /// Writes `bytes` as the whole of `path`, and opens it for more.
    fn open(path: &Path, bytes: Vec<u8>) -> Result<Metrics> {
        write_atomically(path, &bytes)?;
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(|source| Error::io(path, source))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&bytes);
        Ok(Metrics { path: path.into(), file, hasher })
    }

    /// Adds a row.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        // One write of a whole line: no other end of the program than a power cut can split it.
        let line = line(&self.path, record)?;
        self.hasher.update(line.as_bytes());
        append(&self.file, &self.path, line.as_bytes())
    }

    /// Returns once every row is on the disk, with what the file then has in it.
    pub fn sync(&self) -> Result<Content> {
        sync_appended(&self.file, &self.path)?;
        let blake3 = self.hasher.finalize().to_hex().to_string();
        Ok(Content { bytes: self.hasher.count(), blake3 })
    }
}

/// Reads the rows of a `metrics.csv`, also while it is being written.
///
/// A last line that was cut short is left out; a broken line before it is an error, as is a file
/// with other columns.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Record>> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    // A line without its end may look whole and be short of digits.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let text = String::from_utf8_lossy(&bytes[..whole]);
    let mut lines = text.lines().enumerate();
    match lines.next() {
        None => return Ok(Vec::new()),
        Some((_, HEADER)) => (),
        Some((_, found)) => {
            return Err(Error::file(
                path,
                format!("begins with \"{found}\", not with the columns of a run's metrics"),
            ));
        }
    }
    lines
        .map(|(index, line)| {
            parse(line).map_err(|what| {
                Error::file(path, format!("line {}: {what}; remove the line", index + 1))
            })
        })
        .collect()
}

/// A record as a line of CSV with its end.
fn line(path: &Path, record: &Record) -> Result<String> {
    let fail = |what: String| Error::file(path, format!("a row cannot be written: {what}"));
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.serialize(record).map_err(|error| fail(error.to_string()))?;
    let bytes = writer.into_inner().map_err(|error| fail(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| fail(error.to_string()))
}

/// The record of a line of CSV.
fn parse(line: &str) -> std::result::Result<Record, String> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(line.as_bytes())
        .into_deserialize()
        .next()
        .ok_or("is empty")?
        .map_err(|error: csv::Error| match error.kind() {
            csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
            _ => error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(stage: &str, step: u64) -> Record {
        Record {
            stage: stage.into(),
            epoch: step as usize / 10,
            step,
            loss: Some(1.0 / (step + 3) as f64),
            learning_rate: Some(0.1),
            seconds: 0.25 * step as f64,
            ..Record::default()
        }
    }

    fn steps(path: &Path) -> Vec<(String, u64)> {
        read(path).unwrap().into_iter().map(|record| (record.stage, record.step)).collect()
    }

    fn places(rows: &[(&str, u64)]) -> Vec<(String, u64)> {
        rows.iter().map(|&(stage, step)| (stage.to_string(), step)).collect()
    }

    #[test]
    fn the_header_names_the_fields() {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(record("pretrain", 1)).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(text.lines().next(), Some(HEADER));
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let full = Record {
            validation_loss: Some(f64::INFINITY),
            validation_dice: Some(0.1 + 0.2),
            images_per_second: Some(1e-300),
            ..record("finetune", 2)
        };
        let rows = [record("pretrain", 1), full];
        let mut metrics = Metrics::create(&path).unwrap();
        assert!(read(&path).unwrap().is_empty());
        rows.iter().for_each(|row| metrics.append(row).unwrap());
        metrics.sync().unwrap();
        assert_eq!(read(&path).unwrap(), rows);
        let lost = Record { loss: Some(f64::NAN), ..record("finetune", 3) };
        metrics.append(&lost).unwrap();
        assert!(read(&path).unwrap()[2].loss.unwrap().is_nan());
    }

    #[test]
    fn a_resumed_run_forgets_what_came_after_its_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let rows = [("pretrain", 10), ("pretrain", 20), ("finetune", 10), ("finetune", 20)];
        let begin = || {
            let mut metrics = Metrics::create(&path).unwrap();
            rows.iter().for_each(|(stage, step)| metrics.append(&record(stage, *step)).unwrap());
        };
        for (stage, step, kept) in [
            ("finetune", 20, 4),
            ("finetune", 15, 3),
            ("finetune", 0, 2),
            ("pretrain", 20, 2),
            ("pretrain", 10, 1),
            ("pretrain", 0, 0),
            ("evaluate", 0, 4),
        ] {
            begin();
            let mut metrics = Metrics::resume(&path, stage, step, None).unwrap();
            assert_eq!(steps(&path), places(&rows[..kept]), "{stage} {step}");
            metrics.append(&record(stage, step + 1)).unwrap();
            assert_eq!(steps(&path).last(), Some(&(stage.to_string(), step + 1)));
        }
        let fresh = folder.path().join("fresh.csv");
        Metrics::resume(&fresh, "pretrain", 5, None).unwrap();
        assert!(read(&fresh).unwrap().is_empty());
    }

    #[test]
    fn rows_that_a_checkpoint_knows_are_kept_to_the_bit_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut metrics = Metrics::create(&path).unwrap();
        (1..4).for_each(|step| metrics.append(&record("pretrain", step)).unwrap());
        let content = metrics.sync().unwrap();
        let known = std::fs::read(&path).unwrap();
        (4..6).for_each(|step| metrics.append(&record("pretrain", step)).unwrap());
        let resumed = Metrics::resume(&path, "pretrain", 3, Some(&content)).unwrap();
        assert_eq!(resumed.sync().unwrap(), content);
        assert_eq!(std::fs::read(&path).unwrap(), known);

        let resume = || Metrics::resume(&path, "pretrain", 3, Some(&content));
        for index in 0..known.len() {
            let mut bytes = known.clone();
            bytes[index] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let error = resume().unwrap_err().to_string();
            assert!(error.contains("metrics.csv") && error.contains("damaged"), "{error}");
        }
        std::fs::write(&path, &known[..known.len() - 1]).unwrap();
        assert!(resume().is_err(), "rows are missing");
        std::fs::remove_file(&path).unwrap();
        resume().unwrap();
        assert!(read(&path).unwrap().is_empty());
    }

    /// The file may end at any byte; whole rows are read, and a resumed run continues from them.
    #[test]
    fn a_file_cut_off_anywhere_keeps_its_whole_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut metrics = Metrics::create(&path).unwrap();
        (1..4).for_each(|step| metrics.append(&record("pretrain", step)).unwrap());
        let bytes = std::fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let ends = bytes[..length].iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(read(&path).unwrap().len(), ends.saturating_sub(1), "{length} bytes");
            let mut metrics = Metrics::resume(&path, "pretrain", 3, None).unwrap();
            metrics.append(&record("pretrain", 9)).unwrap();
            assert_eq!(steps(&path).last(), Some(&("pretrain".to_string(), 9)));
        }
    }

    #[test]
    fn what_is_no_metrics_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        std::fs::write(&path, "subject,dice\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("subject,dice"));
        std::fs::write(&path, format!("{HEADER}\npretrain,one,1,,,,,,0\npretrain,1,1,,,,,,0\n"))
            .unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
    }
}
