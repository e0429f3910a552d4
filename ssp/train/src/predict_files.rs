//! Prediction from files to files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::Model;
use crate::{Error, Result};
use common::Watcher;
use common::files::{create_dir_all, remove_abandoned};
use data::{folder, nifti};
use sampling::cache::{Cache, Key};

/// What became of the files to predict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Label maps written.
    pub written: usize,
    /// Files that could not be used.
    pub failed: usize,
}

/// Predicts every phase of NIfTI files, or of those straight in folders, and writes label maps of
/// the same names into `out`. In folders, label maps (`_gt`) are passed over. A file that cannot
/// be used is noted and left out.
///
/// # Errors
/// When there is no file, two would have the same name, `out` cannot be written or holds the true
/// labels of the files.
pub fn predict_files(
    model: &mut Model,
    inputs: &[PathBuf],
    out: &Path,
    watcher: &dyn Watcher,
) -> Result<Tally> {
    let files = images(inputs)?;
    refuse_places(&files, out)?;
    let target = |file: &Path| out.join(format!("{}.nii.gz", nifti::stem(file)));
    let mut targets = BTreeMap::new();
    for file in &files {
        if let Some(other) = targets.insert(target(file), file) {
            let what = format!("has the same name as {}; predict them apart", other.display());
            return Err(Error::file(file, what));
        }
    }
    create_dir_all(out)?;
    remove_abandoned(out);
    watcher.begin("predict", files.len() as u64);
    let mut tally = Tally::default();
    for (done, file) in files.iter().enumerate() {
        match predict_file(model, file, &target(file)) {
            Ok(warnings) => {
                tally.written += 1;
                for warning in warnings {
                    watcher.note(&format!("warning: {}: {warning}", file.display()));
                }
            }
            Err(error) => {
                tally.failed += 1;
                watcher.note(&format!("error: {error}"));
            }
        }
        watcher.advance(done as u64 + 1, &file.display().to_string());
    }
    watcher.end();
    Ok(tally)
}

/// Refuses folders where a label map would take the place of something: of an image, whose name it has, and
/// of drawings by hand, in the `labels` beside the `images` of a plain data set. Both the folder that a
/// file is named in and, if that is a link, the folder of its target count.
fn refuse_places(files: &[PathBuf], out: &Path) -> Result<()> {
    let Ok(out) = out.canonicalize() else { return Ok(()) };
    for file in files {
        let named = std::path::absolute(file).ok();
        let target = file.canonicalize().ok();
        for folder in [&named, &target].into_iter().flatten().filter_map(|file| file.parent()) {
            if folder.canonicalize().is_ok_and(|folder| folder == out) {
                let what = "would be overwritten, or lie beside a label map of its own name; name another \
                            folder with --out";
                return Err(Error::file(file, what));
            }
            let beside = folder.with_file_name("labels").canonicalize();
            if folder.ends_with("images") && beside.is_ok_and(|labels| labels == out) {
                let what = "holds the labels of these images, which would be lost; name another folder \
                            with --out";
                return Err(Error::file(out, what));
            }
        }
    }
    Ok(())
}

/// The files meant by files and folders.
fn images(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let mut found = nifti::volumes_in(input)?;
            found.retain(|file| !nifti::stem(file).ends_with("_gt"));
            if found.is_empty() {
                let what = "holds no NIfTI image (.nii, .nii.gz) itself; name files, or the \
                            folder that they are in";
                return Err(Error::file(input, what));
            }
            files.extend(found);
        } else {
            files.push(input.clone());
        }
    }
    Ok(files)
}

/// Predicts a file, and returns what was odd about it.
fn predict_file(model: &mut Model, file: &Path, target: &Path) -> Result<Vec<String>> {
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
    // Mapped, it needs no name any more; so nothing is left behind by a program that is stopped.
    #[cfg(unix)]
    drop(place);
    let subject = cache.subject(0);
    let mut predictor = model.predictor();
    let mut labels = Vec::new();
    for phase in 0..subject.phases() {
        labels.extend(predictor.phase(&subject, phase)?);
    }
    loaded.write_labels(target, &labels)?;
    let mut warnings = loaded.diagnostics.warnings;
    if labels.iter().all(|&label| label == 0) {
        warnings.push("nothing is outlined in any slice".into());
    }
    Ok(warnings)
}
