//! `cine evaluate`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use common::Watcher;
use common::text::line;
use common::{Error, Result};
use evaluate::{
    self, Numbering, Remarks, cardiac_functions, doubts, frame_table, summary_tables,
    write_frames_with_remarks, write_slices, write_subjects,
};
use sampling::{Cohort, cache_folder};
use train::study;

use crate::options::{Device, SettingOptions};
use crate::watch::Terminal;
use crate::{print, tell, warn};

/// Measures Dice in 3D, HD95 and ASSD of each structure and frame, and the agreement of volumes, ejection
/// fractions and mass with the ground truth, for a network on labelled data or for existing label maps.
///
/// Names of label maps that end in _ED and _ES identify end-diastole and end-systole. In maps of several phases,
/// and in files of one subject that end in _frame01 and so on, the true volumes identify them.
///
/// Weights of a run include their network and grid. For other files see cine predict --help.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["weights", "predictions"]))]
pub struct Evaluate {
    /// A run folder or a weights file to evaluate on --data.
    #[arg(long, value_name = "RUN|FILE", requires = "data")]
    weights: Option<PathBuf>,

    /// A folder of labelled subjects. Repeatable.
    #[arg(long, value_name = "DIR", conflicts_with = "predictions")]
    data: Vec<PathBuf>,

    /// A folder of predicted label maps, from this or another program, to compare with --labels of the same
    /// names (with or without _gt).
    #[arg(long, value_name = "DIR", requires = "labels")]
    predictions: Option<PathBuf>,

    /// A folder of true label maps.
    #[arg(long, value_name = "DIR", conflicts_with = "weights")]
    labels: Option<PathBuf>,

    /// Numbering of --predictions; by default the one that agrees with the labels.
    #[arg(long, value_enum, requires = "predictions")]
    predictions_numbering: Option<NumberingName>,

    /// Numbering of --labels; by default determined by anatomy.
    #[arg(long, value_enum, requires = "labels")]
    labels_numbering: Option<NumberingName>,

    /// Write the results of each frame to this CSV file, with warnings in its last column. Further files next to it: with --weights, Dice of each
    /// slice (.slices.csv); if end-diastole and end-systole are known, volumes, ejection fractions and mass of
    /// each subject (.subjects.csv).
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    #[command(flatten)]
    settings: SettingOptions,

    /// The device.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

/// The numbers of the ventricles; 2 is myocardium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NumberingName {
    /// 1 LV, 3 RV, as in M&Ms and in the output of this program.
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

const NUMBERING_ASSUMED: &str =
    "their anatomy does not show which ventricle is which; assuming 1 is LV and 3 is RV";

/// Says which numbers the ventricles were taken to have, where that was not given and is not the
/// study's for certain.
fn report_numbering(what: &str, numbering: Numbering, assumed: bool) {
    match numbering {
        Numbering::Acdc => tell(&format!(
            "{what}: assuming 1 is RV and 3 is LV, as in ACDC; if not, use --{what}-numbering study"
        )),
        Numbering::Study if assumed => tell(&format!(
            "warning: {what}: {NUMBERING_ASSUMED}; if not, use --{what}-numbering acdc"
        )),
        Numbering::Study => {}
    }
}

impl Evaluate {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let (mut warnings, mut of_subjects) = (Vec::new(), Vec::new());
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
                warnings.extend(cohort.warning_lines());
                warnings.extend(study::known_subjects(&model, &cohort)?);
                of_subjects.extend(cohort.warnings.iter().cloned());
                study::test_model(&mut model, &cohort, &watcher)?
            }
            (None, Some(_), _) if !self.settings.is_empty() => {
                let what = "--config, --preset and --set describe --weights and have no effect on label maps; leave \
                            them out";
                return Err(Error::Setting(what.into()));
            }
            (None, Some(predictions), Some(labels)) => {
                let [of_predictions, of_labels] =
                    [self.predictions_numbering, self.labels_numbering]
                        .map(|numbering| numbering.map(Into::into));
                let found =
                    evaluate::compare_folders((predictions, of_predictions), (labels, of_labels))?;
                report_numbering("predictions", found.predictions, false);
                report_numbering("labels", found.labels, found.labels_assumed);
                if found.labels_assumed {
                    of_subjects.push((String::new(), NUMBERING_ASSUMED.to_owned()));
                }
                found.notes.iter().for_each(|note| tell(&line(note)));
                warnings.extend(found.warnings());
                of_subjects.extend(found.doubts);
                found.results
            }
            _ => {
                return Err(Error::Setting(
                    "evaluate takes --weights with --data, or --predictions with --labels".into(),
                ));
            }
        };
        print(&format!("{}\n", frame_table(&results.frames)));
        print(&format!("\nMean ± SD over frames\n{}", summary_tables(&results.frames)));
        warnings.extend(doubts(&results));
        warn(&warnings);
        if let Some(csv) = self.csv {
            let remarks = Remarks::of(&results, &of_subjects);
            write_frames_with_remarks(&csv, &results.frames, &remarks)?;
            // It is unknown which slice of a label map in a file is the most basal.
            if !results.slices.is_empty() {
                write_slices(csv.with_extension("slices.csv"), &results.slices)?;
            }
            let subjects = cardiac_functions(&results.frames);
            if !subjects.is_empty() {
                write_subjects(csv.with_extension("subjects.csv"), &subjects, &remarks)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
