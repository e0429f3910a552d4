//! `cine predict`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ssp::model::Model;
use ssp::settings::{Method, Preset};
use ssp::{Result, predict_files};

use crate::options::SettingOptions;
use crate::watch::Terminal;

/// Writes a label map for each file, on the grid and with the geometry of the file, for every slice
/// and phase. Opens in any viewer beside the image.
///
/// Labels are 0 background, 1 LV, 2 myocardium, 3 RV, as in M&Ms, whatever the source numbered
/// (ACDC's own are 1 RV, 3 LV).
#[derive(Debug, Args)]
pub struct Predict {
    /// A run folder or a weights file.
    #[arg(long, value_name = "RUN|FILE")]
    weights: PathBuf,

    /// NIfTI files, or folders of them.
    #[arg(required = true, value_name = "FILE|DIR")]
    inputs: Vec<PathBuf>,

    /// Folder for the label maps.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    #[command(flatten)]
    settings: SettingOptions,
}

impl Predict {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let described = self.settings.preset.is_some() || !self.settings.set.is_empty();
        let settings = if described {
            Some(self.settings.settings(Method::Scratch, Preset::Paper)?)
        } else {
            None
        };
        let mut model = Model::open(&self.weights, settings.as_ref())?;
        let watcher = Terminal::new();
        let failed = predict_files(&mut model, &self.inputs, &self.out, &watcher)?;
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
