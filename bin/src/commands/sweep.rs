//! `cine sweep`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use common::Watcher;
use common::{Error, Result};
use settings::Method;
use settings::published::Configs;
use sweep::{self, Ask, Ended, Plan, Shard, Subsets, Table, Try};

use crate::options::{Device, MethodName, SettingOptions};
use crate::watch::Terminal;
use crate::{interrupt, print};

/// Trains every method with every number of labelled subjects and every seed, and compares them.
///
/// First each method's settings are chosen by validation subjects (--try), each candidate pretrained once;
/// then every cell is fine-tuned from the chosen one and tested. The sweep is a folder: the same command goes on where it was
/// cut off (so does cine sweep --out DIR), several processes may work on it at once, and each cell is
/// done by one of them. More counts, seeds, methods and tables may be asked for later: what is done stays
/// (cine sweep --out DIR --seeds 5). All cells test on the same subjects; the labelled subjects of a seed at one count
/// are among those at the next. It ends with report.html, table.csv and table.md, with paired tests of
/// each method against training from scratch.
#[derive(Debug, Args)]
pub struct Sweep {
    /// Methods; all if not given.
    #[arg(long, value_enum, value_delimiter = ',')]
    methods: Vec<MethodName>,

    /// Numbers of labelled subjects, or all; 5,10,25,all if not given.
    #[arg(long, value_delimiter = ',', value_parser = count)]
    counts: Vec<Count>,

    /// How many seeds (3 stands for 0, 1 and 2), or which, divided by commas; 3 if not given.
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,

    /// A folder of subjects, as of cine train; the built-in cohort (of 60) if none is given. Repeatable.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,

    /// A folder of test subjects, none of them in --data. Repeatable.
    #[arg(long, value_name = "DIR")]
    test: Vec<PathBuf>,

    /// A file of the subjects that train, validate and test, as of cine train.
    #[arg(long, value_name = "FILE")]
    split: Option<PathBuf>,

    /// Where the labelled subjects of a count and seed come from; drawn if not given.
    #[arg(long, value_enum)]
    subsets: Option<SubsetName>,

    #[command(flatten)]
    settings: SettingOptions,

    /// Change a setting of one method, such as mim:pretrain.epochs=60. Repeatable.
    #[arg(long, value_name = "METHOD:KEY=VALUE")]
    set_for: Vec<String>,

    /// Values of a setting to choose among by the Dice of validation subjects, of one method or all:
    /// finetune.steps=400,800 or mim:pretrain.learning_rate=0.02,0.1. Of several settings, every
    /// combination. A method without any chooses among some rates, or none at --preset paper. Repeatable.
    #[arg(long = "try", value_name = "[METHOD:]KEY=V,V")]
    tries: Vec<String>,

    /// Choose among nothing but what --try gives.
    #[arg(long)]
    as_given: bool,

    /// More tables of the study: training with labels of one cardiac phase, of some vendors, without
    /// augmentation.
    #[arg(long, value_enum, value_delimiter = ',')]
    tables: Vec<TableName>,

    /// Numbers of labelled subjects of those tables; the largest of --counts if not given.
    #[arg(long, value_delimiter = ',', value_parser = count, requires = "tables")]
    table_counts: Vec<Count>,

    /// Vendors whose labels are used in the table of vendors; the first half of them if not given.
    #[arg(long, value_delimiter = ',', requires = "tables")]
    vendors: Vec<String>,

    /// The sweep's folder.
    #[arg(long, value_name = "DIR", default_value = "sweep")]
    out: PathBuf,

    /// Do only every n-th cell, from the k-th on: k/n, for job arrays.
    #[arg(long, value_name = "K/N", value_parser = shard, default_value = "1/1")]
    shard: Shard,

    /// Do failed cells again. A training that diverged does so again: give it lower rates by --try in
    /// another folder.
    #[arg(long)]
    retry: bool,

    /// Only say what there is to do, and whether it can be done.
    #[arg(long)]
    dry_run: bool,

    /// Only say how far it is.
    #[arg(long, conflicts_with_all = OF_A_PLAN)]
    status: bool,

    /// Only write the report of what is done so far.
    #[arg(long, conflicts_with_all = OF_A_PLAN, conflicts_with = "status")]
    report: bool,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SubsetName {
    /// Drawn; those of a seed at one count are among those at the next.
    Drawn,
    /// The study's files, beside that of --split: <split>-nr10-seed0.yaml, <split>-Vendor-A_B.yaml.
    Published,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TableName {
    /// Labels of end-diastole or of end-systole alone.
    Phases,
    /// Labels of some vendors alone (--vendors).
    Vendors,
    /// Labelled slices as they are.
    Augmentation,
}

/// Options that say what is to be done, and how.
const OF_A_PLAN: [&str; 19] = [
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
    "tries",
    "as_given",
    "tables",
    "table_counts",
    "vendors",
    "shard",
    "retry",
    "dry_run",
];

/// Beyond this, one number was meant to name a seed.
const MOST_SEEDS: u64 = 1000;

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
        let there = match Plan::is_in(&self.out) {
            true => Some(Plan::read(&self.out)?),
            false if self.retry => {
                let what =
                    "holds no sweep of which anything could be done again; leave --retry out";
                return Err(Error::File { path: self.out, what: what.into() });
            }
            false => None,
        };
        let plan = self.ask()?.plan(there.as_ref(), &watcher)?;
        if self.dry_run {
            sweep::check(&self.out, &plan, &watcher)?;
            return Ok(ExitCode::SUCCESS);
        }
        let device = self.device.open(&|text| watcher.note(text))?;
        interrupt::sweep_goes_on(&self.out);
        let Ended { failed, report } =
            sweep::run(&self.out, &plan, self.shard, self.retry, &device, &watcher)?;
        print(&report);
        print(&format!("\nsweep folder: {}\n", self.out.display()));
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// All that is asked of a sweep.
    fn ask(&self) -> Result<Ask> {
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
        Ok(Ask {
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
            tries: self.tries.iter().map(|text| tried(text)).collect::<Result<_>>()?,
            as_given: self.as_given,
            tables: self.tables.iter().map(|&table| table.into()).collect(),
            table_counts: counts(&self.table_counts),
            vendors: self.vendors.clone(),
        })
    }

    /// Those that are named; none if none are.
    fn seeds(&self) -> Result<Vec<u64>> {
        match self.seeds.as_slice() {
            [count] if *count > MOST_SEEDS => Err(Error::Setting(format!(
                "--seeds {count}: takes how many, up to {MOST_SEEDS}, or which, divided by commas"
            ))),
            [count] if *count > 0 => Ok((0..*count).collect()),
            seeds => Ok(seeds.to_vec()),
        }
    }
}

impl From<TableName> for Table {
    fn from(name: TableName) -> Self {
        match name {
            TableName::Phases => Table::Phases,
            TableName::Vendors => Table::Vendors,
            TableName::Augmentation => Table::Augmentation,
        }
    }
}

/// A text after the method that it is for, if it names one: `mim:pretrain.epochs=60`.
fn of_method<'a>(option: &str, text: &'a str) -> Result<(Option<Method>, &'a str)> {
    let key = text.split('=').next().unwrap_or_default();
    let Some((name, _)) = key.split_once(':') else { return Ok((None, text)) };
    let found = Method::ALL.into_iter().find(|method| method.name() == name);
    let method = found
        .ok_or_else(|| Error::Setting(format!("{option} {text}: there is no method {name}")))?;
    Ok((Some(method), &text[name.len() + 1..]))
}

fn tried(text: &str) -> Result<Try> {
    let (method, setting) = of_method("--try", text)?;
    match setting.split_once('=') {
        Some((key, values)) if !values.is_empty() => Ok(Try {
            method,
            key: key.trim().to_owned(),
            values: values.split(',').map(|value| value.trim().to_owned()).collect(),
        }),
        _ => Err(Error::Setting(format!(
            "--try {text}: takes KEY=VALUE,VALUE or METHOD:KEY=VALUE,VALUE"
        ))),
    }
}
