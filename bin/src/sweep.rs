//! `cine sweep`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ssp::settings::{Method, Preset};
use ssp::sweep::{self, Plan, Shard};
use ssp::train::Watcher;
use ssp::{Error, Result};

use crate::options::{Device, MethodName, SettingOptions};
use crate::print;
use crate::watch::Terminal;

/// Trains every method with every number of labelled subjects and every seed, and compares them.
///
/// Each method is pretrained once. The sweep is a folder: the same command goes on where it was cut off
/// (so does `cine sweep --out DIR`), several processes may work on it at once, and each cell is done by
/// one of them. All cells test on the same subjects; the labelled subjects of a seed at one count are
/// among those at the next. It ends with table.csv and table.md, with paired tests of each method
/// against training from scratch.
#[derive(Debug, Args)]
pub struct Sweep {
    /// Methods; all if not given.
    #[arg(long, value_enum, value_delimiter = ',')]
    methods: Vec<MethodName>,

    /// Numbers of labelled subjects, or all; 2,5,all if not given.
    #[arg(long, value_delimiter = ',', value_parser = count)]
    counts: Vec<Count>,

    /// How many seeds (3 stands for 0, 1 and 2), or which, divided by commas; 3 if not given.
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,

    /// A folder of subjects, as of cine train. Repeatable.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,

    /// A folder of test subjects, none of them in --data. Repeatable.
    #[arg(long, value_name = "DIR")]
    test: Vec<PathBuf>,

    #[command(flatten)]
    settings: SettingOptions,

    /// Change a setting of one method, such as mim:finetune.pretrained_learning_rate=0.02. Repeatable.
    #[arg(long, value_name = "METHOD:KEY=VALUE")]
    set_for: Vec<String>,

    /// The sweep's folder.
    #[arg(long, value_name = "DIR", default_value = "sweep")]
    out: PathBuf,

    /// Do only every n-th cell, from the k-th on: k/n, for job arrays.
    #[arg(long, value_name = "K/N", value_parser = shard, default_value = "1/1")]
    shard: Shard,

    /// Do failed cells again.
    #[arg(long)]
    retry: bool,

    /// Only say how far it is.
    #[arg(long)]
    status: bool,

    /// Only write the tables of what is done so far.
    #[arg(long, conflicts_with = "status")]
    report: bool,

    /// Where to compute.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

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
        let device = self.device.open(&|text| watcher.note(text))?;
        let plan = match self.says_nothing() && self.out.join("sweep.json").exists() {
            true => Plan::read(&self.out)?,
            false => self.plan(&|text| watcher.note(text))?,
        };
        let failed = sweep::run(&self.out, &plan, self.shard, self.retry, &device, &watcher)?;
        print(&sweep::write(&self.out)?);
        print(&format!("\nsweep folder: {}\n", self.out.display()));
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Whether the command line leaves the plan to the folder.
    fn says_nothing(&self) -> bool {
        let SettingOptions { config, preset, set } = &self.settings;
        let lists = [self.data.is_empty(), self.test.is_empty(), config.is_empty()];
        let given = [self.set_for.is_empty(), set.is_empty(), self.seeds.is_empty()];
        let more = [self.methods.is_empty(), self.counts.is_empty(), preset.is_none()];
        [lists, given, more].concat().into_iter().all(|empty| empty)
    }

    fn plan(&self, note: &dyn Fn(&str)) -> Result<Plan> {
        let methods: Vec<Method> = match self.methods.is_empty() {
            true => Method::ALL.to_vec(),
            false => self.methods.iter().map(|&method| method.into()).collect(),
        };
        let mut data = self.data.clone();
        let mut arms = Vec::new();
        for method in methods {
            let mut of_method = SettingOptions {
                config: self.settings.config.clone(),
                preset: self.settings.preset,
                set: self.settings.set.clone(),
            };
            for change in &self.set_for {
                let Some((name, setting)) = change.split_once(':') else {
                    let what = format!("--set-for {change}: takes METHOD:KEY=VALUE");
                    return Err(Error::Setting(what));
                };
                if !Method::ALL.iter().any(|known| known.name() == name) {
                    let what = format!("--set-for {change}: there is no method {name}");
                    return Err(Error::Setting(what));
                }
                if name == method.name() {
                    of_method.set.push(setting.to_owned());
                }
            }
            let configured = of_method.resolve(Some(method), Preset::Demo, None)?;
            if data.is_empty() {
                data.extend(configured.data()?);
            }
            configured.notes.iter().for_each(|text| note(text));
            arms.push(configured.settings);
        }
        let counts = match self.counts.is_empty() {
            true => vec![Some(2), Some(5), None],
            false => self.counts.iter().map(|count| count.0).collect(),
        };
        let seeds = match self.seeds.as_slice() {
            [] => (0..3).collect(),
            [count] if *count > 0 => (0..*count).collect(),
            seeds => seeds.to_vec(),
        };
        Plan { arms, counts, seeds, data, test: self.test.clone() }.settled()
    }
}
