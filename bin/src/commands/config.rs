//! `cine config`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use common::Result;
use settings::published::published_keys;
use settings::{Method, Preset, Settings, keys};

use crate::options::{MethodName, SettingOptions};
use crate::{print, tell};

/// Look at settings.
#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print settings as the study's configurations, which --config reads back: that of
    /// pretraining, if there is any, and that of supervised training. What these have no key for
    /// is in a section cine.
    Show(Chosen),
    /// List every setting: what it means, its value, and the study's key for it.
    Keys(Chosen),
}

#[derive(Debug, Args)]
struct Chosen {
    /// The method; may be left out where --config says it.
    #[arg(long, value_enum)]
    method: Option<MethodName>,

    #[command(flatten)]
    settings: SettingOptions,
}

impl Chosen {
    fn settings(&self, default: Option<Method>) -> Result<Settings> {
        let method = self.method.map(Method::from).or(default);
        let configured = self.settings.resolve(method, Preset::Demo, None)?;
        configured.notes.iter().for_each(|note| tell(note));
        Ok(configured.settings)
    }
}

impl Config {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            ConfigCommand::Show(chosen) => print(&chosen.settings(None)?.to_published()?),
            ConfigCommand::Keys(chosen) => {
                let any = chosen.method.is_none() && chosen.settings.config.is_empty();
                let settings = chosen.settings(any.then_some(Method::Scratch))?;
                print(&listed(&settings, (!any).then_some(settings.method))?);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Columns of the terminal that a text may take.
const WIDTH: usize = 80;

/// Every setting: its value on the line of its key, and below it, indented, its meaning and the
/// study's key.
fn listed(settings: &Settings, method: Option<Method>) -> Result<String> {
    let keys = keys();
    let widest = keys.iter().map(|key| key.path.len()).max().unwrap_or_default();
    let mut text = String::new();
    for key in keys {
        let value = settings.value_at(&key.path)?;
        text += &format!("{:widest$}  {value}\n", key.path);
        let range =
            key.range.map_or(String::new(), |[low, high]| format!(" Takes {low} to {high}."));
        text += &wrapped(&format!("{}{range}", key.meaning));
        let study = published_keys(&key.path, method);
        if !study.is_empty() {
            text += &wrapped(&format!("study: {}", study.join(", ")));
        }
    }
    Ok(text)
}

/// Indented lines that fit the terminal.
fn wrapped(text: &str) -> String {
    const INDENT: &str = "    ";
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH => *line += &format!(" {word}"),
            _ => lines.push(format!("{INDENT}{word}")),
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}
