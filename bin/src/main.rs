//! The command line: parses, calls `ssp`, prints.

mod commands;
mod interrupt;
mod options;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use common::Error;
use common::text::line;

/// Self-supervised pretraining and segmentation of short-axis cardiac cine MR.
///
/// Trains a 2D U-Net to outline the left ventricle (LV), its myocardium (MYO) and the right
/// ventricle (RV), from scratch or after pretraining without labels, and says how well it does on
/// subjects that it was not trained on.
#[derive(Debug, Parser)]
#[command(name = "cine", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Threads to compute with; all cores if not given. Results do not depend on it.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MOST_THREADS))]
    threads: Option<u16>,
}

/// More threads than cores of any one machine. Each takes memory for its stack.
const MOST_THREADS: i64 = 1024;

const EXAMPLES: &str = "Examples:
  cine train --method pcl                          on the built-in phantom cohort, in minutes
  cine train --method pcl --data ACDC/training --preset small
  cine train --config mim-config.yaml --config baseline-config.yaml --data MnM
  cine sweep --data ACDC/training --preset small --counts 5,10,all --out sweep
  cine predict --weights runs/pcl-small-1 scan.nii.gz --out labels
  cine evaluate --weights runs/pcl-small-1 --data ACDC/testing
  cine data inspect ACDC/training/patient001

Images are read once and kept, ready for training, in the folder that CINE_CACHE names, or else in
~/.cache/cine. It can be removed at any time.

Exit codes: 0 done, 1 failed, 2 a command line or settings that make no sense, 130 interrupted (Ctrl-C),
143 terminated (SIGTERM), 129 hung up (SIGHUP).";

#[derive(Debug, Subcommand)]
enum Command {
    /// Pretrain, fine-tune and test; leaves a folder to look through.
    Train(commands::train::Train),
    /// Train many times: methods by numbers of labelled subjects by seeds, and compare.
    Sweep(commands::sweep::Sweep),
    /// Outline the heart in NIfTI files; writes label maps on the files' own grid.
    Predict(commands::predict::Predict),
    /// Compare with labels: 3D Dice per structure, frame and subject.
    Evaluate(commands::evaluate::Evaluate),
    /// Look at data.
    Data(commands::data::Data),
    /// Look at settings.
    Config(commands::config::Config),
    /// Measure speed and memory.
    Bench(commands::bench::Bench),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    interrupt::install_handler();
    // What the libraries warn of; results go to standard output.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .init();
    if let Some(why) = kernels::simd::refusal() {
        tell(&format!("error: {why}"));
        return ExitCode::from(2);
    }
    // This thread works with the others: handing each operation over to them would take as long as a small one.
    let threads = cli.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
    if let Err(error) = pool.build_global() {
        let asked =
            cli.threads.map_or_else(String::new, |threads| format!("--threads {threads}: "));
        tell(&format!("error: {asked}the system does not start as many threads: {error}"));
        return ExitCode::FAILURE;
    }
    let outcome = within_memory(|| match cli.command {
        Command::Train(command) => command.run(),
        Command::Sweep(command) => command.run(),
        Command::Predict(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Data(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Bench(command) => command.run(),
    });
    match outcome {
        Ok(code) => code,
        Err(Error::Interrupted(saved)) => interrupt::end(Some(&saved)),
        Err(error) => {
            // What a library below says may have several lines.
            tell(&format!("error: {}", error.to_string().replace('\n', " ")));
            ExitCode::from(if matches!(error, Error::Setting(_)) { 2 } else { 1 })
        }
    }
}

/// Runs a command; memory that the system does not have is a failure like any other.
fn within_memory(command: impl FnOnce() -> common::Result<ExitCode>) -> common::Result<ExitCode> {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.payload().is::<tensor::OutOfMemory>() {
            quiet(panic);
        }
    }));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(command));
    let outcome = outcome.unwrap_or_else(|payload| {
        let Some(&tensor::OutOfMemory { requested, live }) = payload.downcast_ref() else {
            std::panic::resume_unwind(payload)
        };
        let gib = |bytes: usize| bytes as f64 / (1u64 << 30) as f64;
        Err(Error::Data(format!(
            "out of memory: {:.1} GiB asked for beside {:.1} in use; {LOWER}",
            gib(requested),
            gib(live)
        )))
    });
    match outcome {
        Err(error) if error.is_out_of_device_memory() => {
            Err(Error::Data(format!("{error}; {LOWER}")))
        }
        outcome => outcome,
    }
}

/// What takes less memory.
const LOWER: &str = "lower the batch (pretrain.optimisation.batch, finetune.optimisation.batch, \
                     --batch) or the size of images (network.size, --size)";

/// Prints to standard output; a reader that has gone away is not an error. Names in the text cannot act on
/// the terminal.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(common::text::lines(text).as_bytes());
}

/// Prints a line to standard error, as [`print`]; a reader that has gone away does not end a training.
fn tell(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{}", common::text::lines(line));
}

/// Prints what may make results wrong, one line each.
fn warn(warnings: &[String]) {
    /// More lines than this hide the results above them.
    const MOST: usize = 20;
    warnings.iter().take(MOST).for_each(|text| tell(&line(&format!("warning: {text}"))));
    if let more @ 1.. = warnings.len().saturating_sub(MOST) {
        tell(&format!("warning: and {more} more; cine data inspect lists those of data"));
    }
}
