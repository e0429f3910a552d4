//! `cine evaluate`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ssp::data::{Cohort, cache_folder};
use ssp::evaluate::{self, frame_table, mean_table, write_frames, write_slices};
use ssp::model::Model;
use ssp::train::Watcher;
use ssp::{Error, Result, study};

use crate::options::Device;
use crate::print;
use crate::watch::Terminal;

/// Dice in 3D of each structure, frame and subject: of a network on labelled data, or of label
/// maps that there are.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["weights", "predictions"]))]
pub struct Evaluate {
    /// A run folder or a weights file, to be tried on --data.
    #[arg(long, value_name = "RUN|FILE", requires = "data")]
    weights: Option<PathBuf>,

    /// A folder of labelled subjects. Repeatable.
    #[arg(long, value_name = "DIR", conflicts_with = "predictions")]
    data: Vec<PathBuf>,

    /// A folder of predicted label maps, to be compared with --labels of the same names.
    #[arg(long, value_name = "DIR", requires = "labels")]
    predictions: Option<PathBuf>,

    /// A folder of true label maps.
    #[arg(long, value_name = "DIR", conflicts_with = "weights")]
    labels: Option<PathBuf>,

    /// Write Dice per frame to this CSV file, and with --weights Dice per slice to one beside it.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

impl Evaluate {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let results = match (&self.weights, &self.predictions, &self.labels) {
            (Some(weights), _, _) => {
                let watcher = Terminal::new();
                let device = self.device.open(&|text| watcher.note(text))?;
                let mut model = Model::open(weights, None, &[])?;
                watcher.note(&model.described());
                model.move_to(&device)?;
                let cohort = study::open_cohort("reading", &watcher, |progress| {
                    Cohort::open(&self.data, &cache_folder(), progress)
                })?;
                study::test_model(&mut model, &cohort, &watcher)?
            }
            (None, Some(predictions), Some(labels)) => {
                evaluate::compare_folders(predictions, labels)?
            }
            _ => {
                return Err(Error::Setting(
                    "evaluate takes --weights with --data, or --predictions with --labels".into(),
                ));
            }
        };
        print(&format!("{}\n", frame_table(&results.frames)));
        print(&format!("\n{}\n", mean_table(&results.frames)));
        if let Some(csv) = self.csv {
            write_frames(&csv, &results.frames)?;
            // Label maps in files do not tell which slice is the most basal.
            if !results.slices.is_empty() {
                write_slices(csv.with_extension("slices.csv"), &results.slices)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
