//! `cine predict`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use common::Result;
use common::Watcher;
use train::predict_files;

use crate::options::{Device, SettingOptions};
use crate::print;
use crate::watch::Terminal;

/// Writes a label map for each file, on the grid and with the geometry of the file, for every slice
/// and phase. Opens in any viewer beside the image.
///
/// Labels are 0 background, 1 LV, 2 myocardium, 3 RV, as in M&Ms, whatever the source numbered
/// (ACDC's own are 1 RV, 3 LV).
///
/// Weights of a run say what network and grid they are for. Of other files, PyTorch's .pt among
/// them, the tensors tell the network; its grid is the study's, 256 x 256 pixels of 1.25 mm, unless
/// --preset or --set network.size=... and network.spacing=... say otherwise.
#[derive(Debug, Args)]
pub struct Predict {
    /// A run folder or a weights file.
    #[arg(long, value_name = "RUN|FILE")]
    weights: PathBuf,

    /// NIfTI files, or folders of them (label maps that end in _gt are passed over).
    #[arg(required = true, value_name = "FILE|DIR")]
    inputs: Vec<PathBuf>,

    /// Folder for the label maps.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    #[command(flatten)]
    settings: SettingOptions,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

impl Predict {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let mut model = self.settings.model(&self.weights)?;
        let watcher = Terminal::new();
        watcher.note(&model.described());
        model.move_to(&self.device.open(&|text| watcher.note(text))?)?;
        let tally = predict_files(&mut model, &self.inputs, &self.out, &watcher)?;
        let (written, failed) = (tally.written, tally.failed);
        let out = self.out.display();
        print(&match failed {
            0 => format!("label maps written to {out}: {written}\n"),
            _ => format!("label maps written to {out}: {written}; files not usable: {failed}\n"),
        });
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
