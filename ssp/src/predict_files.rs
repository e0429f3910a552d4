//! Prediction from files to files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::data::cache::{Cache, Key};
use crate::data::{folder, nifti};
use crate::model::Model;
use crate::train::Watcher;
use crate::{Error, Result};

/// Predicts every phase of NIfTI files, or of those straight in folders (but for labels, `*_gt`), and writes label maps of
/// the same names into `out`. A file that cannot be used is noted and left out; returns how many
/// were.
///
/// # Errors
/// When there is no file, two would have the same name, or `out` cannot be written.
pub fn predict_files(
    model: &mut Model,
    inputs: &[PathBuf],
    out: &Path,
    watcher: &dyn Watcher,
) -> Result<usize> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let mut found = folder::volumes_in(input)?;
            // ACDC and M&Ms keep the labels of an image beside it.
            found.retain(|file| !nifti::stem(file).ends_with("_gt"));
            if found.is_empty() {
                let what = "holds no NIfTI file (.nii, .nii.gz); name files or their folder";
                return Err(Error::file(input, what));
            }
            files.extend(found);
        } else {
            files.push(input.clone());
        }
    }
    let target = |file: &Path| out.join(format!("{}.nii.gz", nifti::stem(file)));
    let mut targets = BTreeMap::new();
    for file in &files {
        if let Some(other) = targets.insert(target(file), file) {
            let what = format!("has the same name as {}; predict them apart", other.display());
            return Err(Error::file(file, what));
        }
    }
    std::fs::create_dir_all(out).map_err(|error| Error::io(out, error))?;
    let same =
        |a: &Path, b: &Path| a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b));
    if let Some(file) = files.iter().find(|file| same(file, &target(file))) {
        return Err(Error::file(file, "would be overwritten; name another folder with --out"));
    }
    watcher.begin("predict", files.len() as u64);
    let mut failed = 0;
    for (done, file) in files.iter().enumerate() {
        match predict_file(model, file, &target(file)) {
            Ok(()) => watcher.advance(done as u64 + 1, &target(file).display().to_string()),
            Err(error) => {
                failed += 1;
                watcher.note(&format!("error: {error}"));
            }
        }
    }
    watcher.end();
    Ok(failed)
}

fn predict_file(model: &mut Model, file: &Path, target: &Path) -> Result<()> {
    let loaded = folder::load_file(file)?;
    // A cache of one subject makes of it what training made of its own.
    let place = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), error))?;
    let key = Key::of_settings("predict", 1, "");
    let read = |_| Ok(loaded.subject.clone());
    let ids = [loaded.subject.id.clone()];
    let (cache, failures) = Cache::open_or_build(place.path(), &key, &ids, read, |_, _| {})?;
    if let Some(failure) = failures.first() {
        return Err(Error::file(file, failure.reason.clone()));
    }
    let subject = cache.subject(0);
    let mut predictor = model.predictor();
    let mut labels = Vec::new();
    for phase in 0..subject.phases() {
        labels.extend(predictor.phase(&subject, phase)?);
    }
    loaded.write_labels(target, &labels)
}
