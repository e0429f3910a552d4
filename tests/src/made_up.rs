//! A sweep that never ran: its folder, filled with numbers that are drawn.

use std::path::{Path, PathBuf};

use common::Watcher;
use data::CardiacPhase;
use evaluate::{
    Dice, FrameMeasurements, FrameRow, SliceDice, SliceRow, SurfaceDistance, write_frames,
    write_slices,
};
use figures::{Curves, Series};
use serde_json::json;
use settings::Method;
use sweep::{Cell, CellRecord, Outcome, Plan, SettingGrid, StudyTable, SweepOptions, TrialResult};
use tensor::random::{Purpose, Stream};
use train::roles::Roles;
use train::run::folder::RunFolder;
use train::run::metrics::{Metrics, Record as Row};

/// Someone who watches and says nothing.
pub struct Quiet;

impl Watcher for Quiet {
    fn note(&self, _: &str) {}
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64, _: &str) {}
    fn end(&self) {}
}

/// What its cells come to.
pub struct MadeUp<'a> {
    /// Test subjects.
    pub subjects: usize,
    /// By how much a method is ahead of scratch at a count.
    pub ahead: &'a dyn Fn(Method, Option<usize>) -> f64,
    /// Why a cell has failed; none if it has not.
    pub failed: &'a dyn Fn(&Cell) -> Option<&'static str>,
    /// What the validation Dice still rises by over the last quarter.
    pub rise: f64,
    /// By how much Dice differs between cells at most, for no reason but their training.
    pub luck: f64,
    /// Whether vendors are told, and worst cases drawn.
    pub whole: bool,
}

impl Default for MadeUp<'_> {
    fn default() -> Self {
        MadeUp {
            subjects: 12,
            ahead: &|_, _| 0.0,
            failed: &|_| None,
            rise: 0.001,
            luck: 0.0,
            whole: true,
        }
    }
}

/// All five methods by four counts by three seeds, with every table, settings that were tried, and a cell
/// that has failed. MIM is ahead with 5 labelled subjects, DINO behind with any number.
pub fn whole(folder: &Path) -> Plan {
    let mut options = SweepOptions {
        methods: Method::ALL.to_vec(),
        counts: vec![Some(5), Some(10), Some(25), None],
        seeds: vec![0, 1, 2],
        as_given: true,
        tables: vec![StudyTable::Phases, StudyTable::Vendors, StudyTable::Augmentation],
        vendors: vec!["A".into(), "B".into()],
        ..SweepOptions::default()
    };
    let rates = ["0.05", "0.1"].map(str::to_owned).to_vec();
    let key = "finetune.optimisation.learning_rate".to_owned();
    options.grids = vec![SettingGrid { method: Some(Method::Scratch), key, values: rates.clone() }];
    let key = "pretrain.optimisation.learning_rate".to_owned();
    options.grids.push(SettingGrid { method: Some(Method::Mim), key, values: rates });
    let made_up = MadeUp {
        ahead: &|method, labelled| match (method, labelled) {
            (Method::Mim, Some(5)) => 0.04,
            (Method::Dino, _) => -0.04,
            _ => 0.0,
        },
        luck: 0.02,
        failed: &|cell| {
            (cell.name() == "subjects/pcl-10-s1")
                .then_some("finetune: the loss became NaN <in epoch 3>")
        },
        ..MadeUp::default()
    };
    made_up.write(&options, folder)
}

impl MadeUp<'_> {
    fn roles(&self, labelled: usize) -> Roles {
        let ids = |from, count| (from..from + count).map(|n| format!("subject{n:02}")).collect();
        let (train, valid, test) = (ids(20, 36), ids(60, 8), ids(0, self.subjects));
        Roles { train, valid, test, labelled: ids(20, labelled) }
    }

    /// Writes it as `options` has it.
    pub fn write(&self, options: &SweepOptions, folder: &Path) -> Plan {
        self.write_plan(&options.plan(None, &Quiet).unwrap(), folder)
    }

    /// Writes a plan, beside what the folder holds of one.
    pub fn write_plan(&self, plan: &Plan, folder: &Path) -> Plan {
        let plan = plan.write(folder).unwrap();
        write(&RunFolder::new(folder).split(), &self.roles(36));
        for arm in &plan.arms {
            let tried = arm.candidates.len();
            for index in 0..tried {
                if arm.method != Method::Scratch {
                    let name = if tried == 1 { String::new() } else { format!("-{}", index + 1) };
                    let run = folder.join(format!("pretrain/{}{name}", arm.method.name()));
                    self.training(&RunFolder::new(&run), "pretrain", index as u64);
                    write(&run.join("pretraining.json"), &done(90.0));
                }
                if tried > 1 {
                    let run = folder.join(format!("protocol/{}-{}", arm.method.name(), index + 1));
                    self.training(&RunFolder::new(&run), "finetune", index as u64);
                    let trial =
                        TrialResult { outcome: done(60.0), dice: Some(0.7 + 0.01 * index as f64) };
                    write(&run.join("trial.json"), &trial);
                }
            }
        }
        for (index, cell) in plan.cells().iter().enumerate() {
            self.cell(cell, folder, index as u64);
        }
        plan
    }

    fn cell(&self, cell: &Cell, folder: &Path, index: u64) {
        let run = cell.folder(folder);
        std::fs::create_dir_all(run.path()).unwrap();
        let (train_subjects, test_subjects) = (cell.labelled.unwrap_or(36), self.subjects);
        let record =
            |outcome| CellRecord { cell: cell.clone(), outcome, train_subjects, test_subjects };
        let path = run.path().join("cell.json");
        if let Some(reason) = (self.failed)(cell) {
            let checkpoint = Some(PathBuf::from("finetune/progress.safetensors"));
            return write(
                &path,
                &record(Outcome { checkpoint, ..Outcome::failed(reason.to_owned()) }),
            );
        }
        self.training(&run, "finetune", index);
        let mut stream = Stream::new(1, Purpose::CHECK, index as u32, 0);
        let labels = (train_subjects as f64).ln();
        let luck = self.luck * stream.uniform(-0.5, 0.5);
        let level = 0.6 + 0.06 * labels + (self.ahead)(cell.method, cell.labelled) + luck;
        let (mut frames, mut slices) = (Vec::new(), Vec::new());
        for number in 0..self.subjects {
            // Subjects differ by more than methods do.
            let of_subject = 0.1 * ((number * 7) % 11) as f64 / 11.0 - 0.05;
            let of_subject = of_subject + stream.uniform(-0.02, 0.02);
            for (phase, moment) in [(0, CardiacPhase::EndDiastole), (9, CardiacPhase::EndSystole)] {
                let mut near = |by: f64| {
                    let noise = stream.uniform(-0.01, 0.01);
                    (level + of_subject + by + noise).clamp(0.0, 1.0)
                };
                let dice = Dice::from_values([near(0.06), near(0.0), near(-0.06)]);
                let subject = format!("subject{number:02}");
                for slice in 0..6 {
                    let position = slice as f64 / 5.0;
                    let by = -0.6 * (position - 0.4).powi(2);
                    let dice = Dice::from_values([near(by), near(by), near(by - 0.05)]);
                    let slice = SliceDice { slice, position, dice };
                    slices.push(SliceRow { subject: subject.clone(), moment, phase, slice });
                }
                let vendor = self.whole.then(|| ["A", "B", "C", "D"][number % 4].to_owned());
                let measurements = self.whole.then(|| measured(number, moment, dice));
                let pathology = None;
                frames.push(FrameRow {
                    subject,
                    moment,
                    phase,
                    dice,
                    measurements,
                    vendor,
                    pathology,
                });
            }
        }
        write_frames(run.frames(), &frames).unwrap();
        write_slices(run.slices(), &slices).unwrap();
        write(&run.result(), &json!({ "data": "built-in phantom, 60 subjects" }));
        write(&run.split(), &self.roles(train_subjects));
        if self.whole {
            let line = Series::new("a line", vec![(0.0, 0.0), (1.0, 1.0)]);
            let picture = Curves::new("a picture", "x", "y").with(line).draw().unwrap();
            std::fs::create_dir_all(run.pictures()).unwrap();
            picture.write(run.pictures().join("test-worst.png")).unwrap();
        }
        write(&path, &record(done(62.5)));
    }

    /// The books of a training whose validation Dice rises and levels off.
    fn training(&self, run: &RunFolder, stage: &str, seed: u64) {
        std::fs::create_dir_all(run.path()).unwrap();
        let mut metrics = Metrics::create(run.metrics()).unwrap();
        for look in 1..=16u64 {
            let share = look as f64 / 16.0;
            let late = (share - 0.75).max(0.0) * 4.0 * self.rise;
            let dice = 0.75 * (1.0 - (-9.0 * share).exp()) + late + 0.02 * (seed % 5) as f64;
            metrics
                .append(&Row {
                    stage: stage.to_owned(),
                    epoch: look as usize,
                    step: 50 * look,
                    validation_loss: Some(1.2 - dice),
                    validation_dice: (stage == "finetune").then_some(dice),
                    ..Row::default()
                })
                .unwrap();
        }
    }
}

/// Of a heart whose volumes are predicted too large by what Dice lacks.
fn measured(number: usize, moment: CardiacPhase, dice: Dice) -> FrameMeasurements {
    let full = if moment == CardiacPhase::EndDiastole { 1.0 } else { 0.45 };
    let true_ml = [120.0 + number as f64, 90.0, 130.0].map(|ml| ml * full);
    let values = dice.values();
    let off = |structure: usize| true_ml[structure] * (2.0 - values[structure]) * 0.95;
    let far =
        |value: f64| SurfaceDistance { hd95: 30.0 * (1.0 - value), assd: 8.0 * (1.0 - value) };
    FrameMeasurements {
        distances: values.map(|value| Some(far(value))),
        predicted_ml: [off(0), off(1), off(2)],
        true_ml,
    }
}

fn done(seconds: f64) -> Outcome {
    Outcome::done(seconds)
}

fn write(path: &Path, value: &impl serde::Serialize) {
    std::fs::write(path, serde_json::to_vec_pretty(value).unwrap()).unwrap();
}
