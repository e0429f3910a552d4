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
    /// Report what files and folders hold, how they are read, and what is wrong with them.
    Inspect {
        /// NIfTI files, subjects or whole data sets.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
}

impl Data {
    /// Prints a report for each path. The exit status is a failure if anything cannot be read.
    pub fn run(self) -> Result<ExitCode> {
        let DataCommand::Inspect { paths } = self.command;
        let mut status = ExitCode::SUCCESS;
        for path in paths {
            let inspection = inspect(&path);
            print(&inspection.to_string());
            if inspection.worst_severity() == Some(Severity::Error) {
                status = ExitCode::FAILURE;
            }
        }
        Ok(status)
    }
}
