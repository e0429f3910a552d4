//! `cine evaluate`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use common::Watcher;
use common::{Error, Result};
use evaluate::{
    self, Compared, Numbering, frame_table, functions, summary_tables, write_frames, write_slices,
    write_subjects,
};
use sampling::{Cohort, cache_folder};
use train::study;

use crate::options::{Device, SettingOptions};
use crate::print;
use crate::watch::Terminal;

/// Dice in 3D, HD95 and ASSD of each structure and frame, and how volumes, ejection fractions and mass
/// agree with the truth: of a network on labelled data, or of label maps that there are.
///
/// Of label maps, end-diastole and end-systole are told by names that end in _ED and _ES; of maps of
/// several phases, and of files of one subject that end in _frame01 and so on, by the true labels.
///
/// Weights of a run say what network and grid they are for. For other files see cine predict --help.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["weights", "predictions"]))]
pub struct Evaluate {
    /// A run folder or a weights file, to be tried on --data.
    #[arg(long, value_name = "RUN|FILE", requires = "data")]
    weights: Option<PathBuf>,

    /// A folder of labelled subjects. Repeatable.
    #[arg(long, value_name = "DIR", conflicts_with = "predictions")]
    data: Vec<PathBuf>,

    /// A folder of predicted label maps, of this program or another, to be compared with --labels of the
    /// same names (or the same and _gt).
    #[arg(long, value_name = "DIR", requires = "labels")]
    predictions: Option<PathBuf>,

    /// A folder of true label maps.
    #[arg(long, value_name = "DIR", conflicts_with = "weights")]
    labels: Option<PathBuf>,

    /// How --predictions are numbered; if not given, told by what agrees with the labels.
    #[arg(long, value_enum, requires = "predictions")]
    predictions_numbering: Option<NumberingName>,

    /// How --labels are numbered; told by anatomy if not given.
    #[arg(long, value_enum, requires = "labels")]
    labels_numbering: Option<NumberingName>,

    /// Write what is measured of each frame to this CSV file; with --weights Dice per slice to one beside
    /// it (.slices.csv); volumes, ejection fractions and mass per subject to another (.subjects.csv), where
    /// end-diastole and end-systole are known.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    #[command(flatten)]
    settings: SettingOptions,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

/// Which number is which ventricle; 2 is myocardium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NumberingName {
    /// 1 LV, 3 RV, as in M&Ms and in what this program writes.
    Study,
    /// 1 RV, 3 LV.
    Acdc,
}

impl From<NumberingName> for Numbering {
    fn from(name: NumberingName) -> Self {
        match name {
            NumberingName::Study => Numbering::Study,
            NumberingName::Acdc => Numbering::Acdc,
        }
    }
}

/// Says how label maps are numbered that are not numbered as usual.
fn tell(what: &str, numbering: Numbering) {
    if numbering == Numbering::Acdc {
        eprintln!(
            "{what}: 1 is taken to be RV and 3 LV, as ACDC has it; --{what}-numbering study if not"
        );
    }
}

impl Evaluate {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let results = match (&self.weights, &self.predictions, &self.labels) {
            (Some(weights), _, _) => {
                let watcher = Terminal::new();
                let mut model = self.settings.model(weights)?;
                let device = self.device.open(&|text| watcher.note(text))?;
                watcher.note(&model.described());
                model.move_to(&device)?;
                let cohort = study::open_cohort("reading", &watcher, |progress| {
                    let beside = study::mnms_behind(&model.path);
                    let (all, cache) = (&[], cache_folder());
                    Cohort::open_beside(&self.data, all, (&beside, all), &cache, progress)
                })?;
                study::test_model(&mut model, &cohort, &watcher)?
            }
            (None, Some(_), _) if !self.settings.is_empty() => {
                let what = "--config, --preset and --set say what --weights are for; label maps that there \
                            are need none";
                return Err(Error::Setting(what.into()));
            }
            (None, Some(predictions), Some(labels)) => {
                let [theirs, ours] = [self.predictions_numbering, self.labels_numbering]
                    .map(|numbering| numbering.map(Into::into));
                let Compared { results, predictions, labels, turned } =
                    evaluate::compare_folders((predictions, theirs), (labels, ours))?;
                if let Some(first) = turned.first() {
                    let count = turned.len();
                    eprintln!(
                        "warning: {first}; voxels are compared as stored (files like this: {count})"
                    );
                }
                tell("predictions", predictions);
                tell("labels", labels);
                results
            }
            _ => {
                return Err(Error::Setting(
                    "evaluate takes --weights with --data, or --predictions with --labels".into(),
                ));
            }
        };
        print(&format!("{}\n", frame_table(&results.frames)));
        print(&format!("\nMean ± SD over frames\n{}", summary_tables(&results.frames)));
        if let Some(csv) = self.csv {
            write_frames(&csv, &results.frames)?;
            // Label maps in files do not tell which slice is the most basal.
            if !results.slices.is_empty() {
                write_slices(csv.with_extension("slices.csv"), &results.slices)?;
            }
            let subjects = functions(&results.frames);
            if !subjects.is_empty() {
                write_subjects(csv.with_extension("subjects.csv"), &subjects)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
