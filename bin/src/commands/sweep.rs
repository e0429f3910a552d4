//! `cine sweep`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use common::Watcher;
use common::{Error, Result};
use settings::Method;
use settings::published::Configs;
use sweep::{self, Plan, SettingGrid, Shard, StudyTable, Subsets, SweepOptions, SweepSummary};

use crate::interrupt::{self, Work};
use crate::options::{Device, MethodName, SettingOptions};
use crate::print;
use crate::watch::Terminal;

/// Trains every method with every number of labelled subjects and every seed, and compares them.
///
/// First, the settings of each method are chosen on validation subjects (--try). Then each cell, a method with a
/// number of labelled subjects and a seed, is fine-tuned from the chosen pretraining and tested. All cells test
/// on the same subjects. With the same seed, a smaller set of labelled subjects is part of every larger one.
///
/// A sweep is a folder. The same command resumes it after an interruption, as does cine sweep --out DIR.
/// Several processes can work on it at once. Counts, seeds, methods and tables can be added later and keep
/// finished cells (cine sweep --out DIR --seeds 5).
///
/// The result is report.html, table.md and table.csv, with paired tests of each method against training from
/// scratch.
#[derive(Debug, Args)]
pub struct Sweep {
    /// Methods; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    methods: Vec<MethodName>,

    /// Numbers of labelled subjects, or all; 5,10,25,all by default.
    #[arg(long, value_delimiter = ',', value_parser = count)]
    counts: Vec<Count>,

    /// Number of seeds (3 means 0, 1 and 2), or a list of seeds separated by commas; 3 by default.
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,

    /// A data folder, as for cine train; by default the built-in cohort of 60 subjects. Repeatable.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,

    /// A folder of test subjects that are not in --data. Repeatable.
    #[arg(long, value_name = "DIR")]
    test: Vec<PathBuf>,

    /// A file with the subjects for training, validation and testing, as for cine train.
    #[arg(long, value_name = "FILE")]
    split: Option<PathBuf>,

    /// How labelled subjects are selected; drawn at random by default.
    #[arg(long, value_enum)]
    subsets: Option<SubsetName>,

    #[command(flatten)]
    settings: SettingOptions,

    /// Change a setting of one method, such as mim:pretrain.epochs=60. Repeatable.
    #[arg(long, value_name = "METHOD:KEY=VALUE")]
    set_for: Vec<String>,

    /// Values of a setting, of one method or all, from which the best is chosen on validation subjects:
    /// finetune.steps=400,800 or mim:pretrain.learning_rate=0.02,0.1. With several settings, every
    /// combination is tried. A method without any tries default learning rates, except with --preset paper.
    /// Repeatable.
    #[arg(long = "try", value_name = "[METHOD:]KEY=V,V")]
    grids: Vec<String>,

    /// Try nothing but what --try gives.
    #[arg(long)]
    as_given: bool,

    /// Further tables of the study: fine-tuning with labels of one cardiac phase, with labels of some vendors,
    /// without augmentation.
    #[arg(long, value_enum, value_delimiter = ',')]
    tables: Vec<TableName>,

    /// Numbers of labelled subjects of these tables; the largest of --counts by default.
    #[arg(long, value_delimiter = ',', value_parser = count, requires = "tables")]
    table_counts: Vec<Count>,

    /// Vendors whose labels the table of vendors uses; the first half of them by default.
    #[arg(long, value_delimiter = ',', requires = "tables")]
    vendors: Vec<String>,

    /// The folder of the sweep.
    #[arg(long, value_name = "DIR", default_value = "sweep")]
    out: PathBuf,

    /// Do only every n-th cell, starting with the k-th: k/n, for job arrays.
    #[arg(long, value_name = "K/N", value_parser = shard, default_value = "1/1")]
    shard: Shard,

    /// Do failed cells again. A training that diverged diverges again: try lower learning rates in another
    /// folder.
    #[arg(long)]
    retry: bool,

    /// Only show the amount of work and check that it can be done.
    #[arg(long)]
    dry_run: bool,

    /// Only show the progress.
    #[arg(long, conflicts_with_all = PLAN_OPTIONS)]
    status: bool,

    /// Only write the report of the cells completed so far.
    #[arg(long, conflicts_with_all = PLAN_OPTIONS, conflicts_with = "status")]
    report: bool,

    /// The device.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SubsetName {
    /// At random; with the same seed, a smaller set is part of every larger one.
    Drawn,
    /// By the files of the study in the folder of --split: <split>-nr10-seed0.yaml, <split>-Vendor-A_B.yaml.
    Published,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TableName {
    /// Labels of end-diastole only, and of end-systole only.
    Phases,
    /// Labels of some vendors only (--vendors).
    Vendors,
    /// No augmentation in fine-tuning.
    Augmentation,
}

/// Options that have no effect together with --status or --report.
const PLAN_OPTIONS: [&str; 19] = [
    "methods",
    "counts",
    "seeds",
    "data",
    "test",
    "split",
    "subsets",
    "config",
    "preset",
    "set",
    "set_for",
    "grids",
    "as_given",
    "tables",
    "table_counts",
    "vendors",
    "shard",
    "retry",
    "dry_run",
];

/// A single larger number is probably meant as a seed, not as a number of seeds.
const MAX_SEEDS: u64 = 1000;

/// A number of labelled subjects; none for all.
#[derive(Clone, Copy, Debug)]
struct Count(Option<usize>);

fn count(text: &str) -> std::result::Result<Count, String> {
    match text.trim() {
        "all" => Ok(Count(None)),
        number => match number.parse() {
            Ok(count) if count > 0 => Ok(Count(Some(count))),
            _ => Err("takes numbers above 0, or all".into()),
        },
    }
}

fn shard(text: &str) -> std::result::Result<Shard, String> {
    let parts = text.split_once('/').map(|(number, of)| (number.parse(), of.parse()));
    match parts {
        Some((Ok(number), Ok(of))) if (1..=of).contains(&number) => Ok(Shard { number, of }),
        _ => Err("takes k/n with k from 1 to n, such as 3/16".into()),
    }
}

impl Sweep {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        if self.status {
            print(&sweep::status(&self.out)?.to_string());
            return Ok(ExitCode::SUCCESS);
        }
        if self.report {
            print(&sweep::write(&self.out)?);
            return Ok(ExitCode::SUCCESS);
        }
        let watcher = Terminal::new();
        interrupt::set_work(Work::Sweep(self.out.clone()));
        let existing = match Plan::exists_in(&self.out) {
            true => Some(Plan::read(&self.out)?),
            false if self.retry => {
                let what = "holds no sweep with failed cells; leave out --retry";
                return Err(Error::File { path: self.out, what: what.into() });
            }
            false => None,
        };
        let plan = self.options()?.plan(existing.as_ref(), &watcher)?;
        if self.dry_run {
            sweep::check(&self.out, &plan, &watcher)?;
            return Ok(ExitCode::SUCCESS);
        }
        let device = self.device.open(&|text| watcher.note(text))?;
        let SweepSummary { failed, report } =
            sweep::run(&self.out, &plan, self.shard, self.retry, &device, &watcher)?;
        print(&report);
        print(&format!("\nsweep folder: {}\n", self.out.display()));
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The options of the sweep.
    fn options(&self) -> Result<SweepOptions> {
        let mut changes: Vec<(Option<Method>, String)> = Vec::new();
        changes.extend(self.settings.set.iter().map(|change| (None, change.clone())));
        for change in &self.set_for {
            let (method, setting) = of_method("--set-for", change)?;
            if method.is_none() {
                return Err(Error::Setting(format!("--set-for {change}: takes METHOD:KEY=VALUE")));
            }
            changes.push((method, setting.to_owned()));
        }
        let counts = |counts: &[Count]| counts.iter().map(|count| count.0).collect();
        Ok(SweepOptions {
            methods: self.methods.iter().map(|&method| method.into()).collect(),
            counts: counts(&self.counts),
            seeds: self.seeds()?,
            data: self.data.clone(),
            test: self.test.clone(),
            split: self.split.clone(),
            subsets: self.subsets.map(|subsets| match subsets {
                SubsetName::Drawn => Subsets::Drawn,
                SubsetName::Published => Subsets::Published,
            }),
            configs: Configs::read(&self.settings.config)?,
            preset: self.settings.preset.map(Into::into),
            changes,
            grids: self.grids.iter().map(|text| grid(text)).collect::<Result<_>>()?,
            as_given: self.as_given,
            tables: self.tables.iter().map(|&table| table.into()).collect(),
            table_counts: counts(&self.table_counts),
            vendors: self.vendors.clone(),
        })
    }

    /// The given seeds; a single number counts seeds.
    fn seeds(&self) -> Result<Vec<u64>> {
        match self.seeds.as_slice() {
            [count] if *count > MAX_SEEDS => Err(Error::Setting(format!(
                "--seeds {count}: takes a number up to {MAX_SEEDS}, or a list of seeds separated by commas"
            ))),
            [count] if *count > 0 => Ok((0..*count).collect()),
            seeds => Ok(seeds.to_vec()),
        }
    }
}

impl From<TableName> for StudyTable {
    fn from(name: TableName) -> Self {
        match name {
            TableName::Phases => StudyTable::Phases,
            TableName::Vendors => StudyTable::Vendors,
            TableName::Augmentation => StudyTable::Augmentation,
        }
    }
}

/// Splits an optional method from a setting: `mim:pretrain.epochs=60`.
fn of_method<'a>(option: &str, text: &'a str) -> Result<(Option<Method>, &'a str)> {
    let key = text.split('=').next().unwrap_or_default();
    let Some((name, _)) = key.split_once(':') else { return Ok((None, text)) };
    let found = Method::ALL.into_iter().find(|method| method.name() == name);
    let method = found
        .ok_or_else(|| Error::Setting(format!("{option} {text}: there is no method {name}")))?;
    Ok((Some(method), &text[name.len() + 1..]))
}

/// Parses `KEY=VALUE,VALUE` or `METHOD:KEY=VALUE,VALUE`.
fn grid(text: &str) -> Result<SettingGrid> {
    let (method, setting) = of_method("--try", text)?;
    match setting.split_once('=') {
        Some((key, values)) if !values.is_empty() => Ok(SettingGrid {
            method,
            key: key.trim().to_owned(),
            values: values.split(',').map(|value| value.trim().to_owned()).collect(),
        }),
        _ => Err(Error::Setting(format!(
            "--try {text}: takes KEY=VALUE,VALUE or METHOD:KEY=VALUE,VALUE"
        ))),
    }
}
