//! How the results were produced: data, settings, time, and every cell.

use std::path::PathBuf;

use maud::html;

use super::settings::changes;
use crate::arm::Pretraining;
use crate::report::document::{Cell, Section, Table};
use crate::report::format::{duration, labelled, number};
use crate::report::statistics::mean;
use crate::{MissingCell, Subsets, SweepResults};

/// The section.
pub fn provenance(results: &SweepResults) -> Section {
    let (failed, waiting): (Vec<&MissingCell>, Vec<&MissingCell>) =
        results.missing.iter().partition(|cell| cell.failed.is_some());
    let mut failures = Table::new(["Failed cell", "Reason", "Last weights"]);
    for MissingCell { cell, failed, checkpoint } in failed {
        let checkpoint =
            checkpoint.as_ref().map_or(String::new(), |path| path.display().to_string());
        failures.rows.push(vec![
            Cell::text(cell.description()),
            Cell::long(failed.as_deref().unwrap_or_default()),
            Cell::text(checkpoint),
        ]);
    }
    Section::page_only("provenance", "How the results were produced")
        .table(facts(results))
        .table(failures)
        .heading("Settings that differ from the preset")
        .table(changes(results))
        .text(
            "The file settings.json of each run has all its settings, and sweep.json those of all candidates.",
        )
        .html(html! {
            @if !waiting.is_empty() {
                details {
                    summary { "Cells that are not completed yet: " (waiting.len()) }
                    ul { @for missing in &waiting { li { (missing.cell.description()) } } }
                }
            }
            details {
                summary { "Completed cells: " (results.cells.len()) }
                (cells(results).to_html())
            }
        })
}

/// Data, split, network, time and program.
fn facts(results: &SweepResults) -> Table {
    let plan = &results.plan;
    let settings = plan.shared();
    let folders = |paths: &[PathBuf], none: &str| match paths {
        [] => none.to_owned(),
        paths => list(paths.iter().map(|path| path.display().to_string())),
    };
    let subsets = match plan.subsets {
        Subsets::Drawn => "; with the same seed, a smaller set is part of every larger one",
        Subsets::Published => ", as in the files of the study",
    };
    let network = &settings.network;
    let facts = [
        ("Data", folders(&plan.data, "the built-in cohort")),
        ("Test subjects", folders(&plan.test, "held out of the data")),
        ("Roles", roles(results)),
        (
            "Split",
            settings.subjects.split.clone().unwrap_or_else(|| {
                let seed = settings.subjects.split_seed.unwrap_or(settings.seed);
                format!("drawn with seed {seed}")
            }),
        ),
        ("Labelled subjects", list(plan.counts.iter().map(|&count| labelled(count))) + subsets),
        ("Seeds", list(plan.seeds.iter().map(u64::to_string))),
        ("Preset", settings.preset.name().to_owned()),
        (
            "Network",
            format!(
                "{0} x {0} pixels of {1} mm; channels {2:?}",
                network.size, network.spacing, network.channels
            ),
        ),
        ("Time", times(results)),
        ("Program", format!("cine {}", env!("CARGO_PKG_VERSION"))),
    ];
    let row = |(name, value)| vec![Cell::text(name), Cell::long(value)];
    Table { rows: facts.map(row).into(), ..Table::new(["Property", "Value"]) }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn roles(results: &SweepResults) -> String {
    let Some(roles) = &results.roles else { return "not known yet".into() };
    format!(
        "{} for training, {} of them labelled; {} for validation; {} for testing",
        number(roles.train.len(), "subject"),
        roles.labelled.len(),
        roles.valid.len(),
        roles.test.len()
    )
}

/// The time that each kind of work took.
fn times(results: &SweepResults) -> String {
    let cells = results.cells.iter().map(|cell| cell.record.outcome.seconds).sum();
    let candidates = results.choices.iter().flat_map(|choice| &choice.candidates);
    let trials = candidates.filter_map(|c| c.trial.as_ref()).map(|t| t.outcome.seconds).sum();
    let choices = results.plan.arms.iter().zip(&results.choices);
    let pretraining = choices.flat_map(|(arm, choice)| {
        let first = Pretraining::all(arm).into_iter().map(|pretraining| pretraining.index);
        first.filter_map(|index| choice.candidates.get(index)?.pretrained.as_ref())
    });
    let pretraining = pretraining.map(|outcome| outcome.seconds).sum();
    let parts: [(&str, f64); 3] =
        [("cells", cells), ("trials", trials), ("pretraining", pretraining)];
    let parts = parts.into_iter().filter(|(_, seconds)| *seconds > 0.0);
    match list(parts.map(|(name, seconds)| format!("{name} {}", duration(seconds)))) {
        none if none.is_empty() => "nothing is completed yet".into(),
        parts => format!("{parts}; summed over all processes"),
    }
}

/// Every completed cell.
fn cells(results: &SweepResults) -> Table {
    let mut table = Table::new(["Cell", "Dice", "Labelled", "Tested", "Seconds"]);
    for done in &results.cells {
        let dice: Vec<f64> = done.frames.iter().map(|row| row.dice.mean()).collect();
        table.rows.push(vec![
            Cell::text(done.record.cell.description()),
            Cell::optional(mean(&dice).map(|dice| format!("{dice:.3}"))),
            Cell::number(done.record.train_subjects),
            Cell::number(done.record.test_subjects),
            Cell::number(format!("{:.0}", done.record.outcome.seconds)),
        ]);
    }
    table
}
