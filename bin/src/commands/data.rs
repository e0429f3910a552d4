//! `cine data`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use common::Result;
use data::inspect::{Severity, inspect};

use crate::print;

/// Look at data.
#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// What was found, how it was read, and what is wrong with it.
    Inspect {
        /// NIfTI files, subjects or whole data sets.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
}

impl Data {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let DataCommand::Inspect { paths } = self.command;
        let mut unusable = false;
        for path in paths {
            let found = inspect(&path);
            print(&found.to_string());
            unusable |= found.gravest() == Some(Severity::Error);
        }
        Ok(if unusable { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
