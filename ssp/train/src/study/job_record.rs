//! What a run was asked to do, and that it goes on from the same weights.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Job, Parts};
use crate::run::folder::{RunFolder, read_json, write_json};
use crate::{Error, Result};

/// The last job of a run; `job.json` of its folder.
#[derive(Serialize, Deserialize)]
pub(super) struct JobRecord {
    version: String,
    stage: Parts,
    pub(super) data: Vec<PathBuf>,
    test: Vec<PathBuf>,
    pub(super) weights: Option<PathBuf>,
}

/// Records the job of a run. Refuses other weights than those that fine-tuning began from.
pub(super) fn record_job(job: &Job, weights: Option<&Path>, folder: &RunFolder) -> Result<()> {
    let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let record = JobRecord {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        stage: job.parts,
        data: job.data.clone(),
        test: job.test.clone(),
        weights: weights.map(resolved),
    };
    let path = folder.job();
    if path.exists() && folder.stage("finetune").exists() {
        let earlier: JobRecord = read_json(&path)?;
        if !same_weights(earlier.weights.as_deref(), record.weights.as_deref()) {
            let name = |weights: &Option<PathBuf>| match weights {
                Some(path) => path.display().to_string(),
                None => "no given weights".to_owned(),
            };
            let what = format!(
                "fine-tuning began from {}, not from {}; name another folder with --out",
                name(&earlier.weights),
                name(&record.weights)
            );
            return Err(Error::file(&path, what));
        }
    }
    write_json(&path, &record)
}

/// Whether two paths refer to the same weights. Weights may have moved with their run, or with the
/// sweep of that run: then the path within the run, with the run's name, is the same, and the old path
/// no longer exists. If it does exist, the files must be equal.
fn same_weights(earlier: Option<&Path>, now: Option<&Path>) -> bool {
    let (Some(before), Some(now)) = (earlier, now) else { return earlier == now };
    let end =
        |path: &Path| path.components().rev().take(3).map(|c| c.as_os_str().to_owned()).collect();
    let ends: [Vec<_>; 2] = [end(before), end(now)];
    let copied = || matches!((std::fs::read(before), std::fs::read(now)), (Ok(a), Ok(b)) if a == b);
    before == now || (ends[0] == ends[1] && (!before.exists() || copied()))
}
