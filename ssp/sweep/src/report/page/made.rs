//! How the sweep was made: data, settings, time, and what is missing.

use maud::{Markup, html};

use super::settings::changes;
use crate::protocol::Pretraining;
use crate::report::words::{number, time};
use crate::{Lost, Plan, Results, Subsets};
use train::roles::Roles;

/// Cells that failed, and those that are not over.
fn lost(results: &Results) -> (Vec<&Lost>, Vec<&Lost>) {
    results.lost.iter().partition(|lost| lost.failed.is_some())
}

/// The section.
pub fn made(results: &Results) -> Markup {
    let plan = &results.plan;
    let list = |items: Vec<String>| if items.is_empty() { "none".into() } else { items.join(", ") };
    let shared = &plan.arms[0].candidates[0].settings;
    let counts = plan.counts.iter().map(|c| c.map_or("all".to_owned(), |count| count.to_string()));
    let folders = |paths: &[std::path::PathBuf], none: &str| match paths {
        [] => none.to_owned(),
        paths => list(paths.iter().map(|path| path.display().to_string()).collect()),
    };
    let facts = [
        ("Data", folders(&plan.data, "the built-in cohort")),
        ("Test subjects", folders(&plan.test, "held out of the data")),
        ("By role", roles(results)),
        (
            "Split",
            match &shared.subjects.split {
                Some(file) => file.clone(),
                None => {
                    format!("drawn from seed {}", shared.subjects.split_seed.unwrap_or(shared.seed))
                }
            },
        ),
        (
            "Labelled subjects",
            format!(
                "{}{}",
                list(counts.collect()),
                match plan.subsets {
                    Subsets::Drawn => "; of a seed, those of one count are among those of the next",
                    Subsets::Published => ", as in the study’s files",
                }
            ),
        ),
        ("Seeds", list(plan.seeds.iter().map(u64::to_string).collect())),
        ("Preset", shared.preset.name().to_owned()),
        (
            "Network",
            format!(
                "{} x {} pixels of {} mm; channels {:?}",
                shared.network.size,
                shared.network.size,
                shared.network.spacing,
                shared.network.channels
            ),
        ),
        ("Time", times(results)),
        ("Program", format!("cine {}", env!("CARGO_PKG_VERSION"))),
    ];
    html! {
        section id="made" {
            h2 { "How it was made" }
            div.scroll { table { tbody { @for (name, value) in &facts {
                tr { th { (name) } td { (value) } }
            } } } }
            h3 { "Settings that differ from the preset" }
            (changes(results))
            p.faint { "Every setting of every run is in its settings.json, and all that was tried in sweep.json." }
            @let (failed, waiting) = lost(results);
            @if !failed.is_empty() {
                h3 { "Cells that failed" }
                div.scroll { table {
                    thead { tr { th { "Cell" } th { "Why" } th { "Last weights" } } }
                    tbody { @for lost in failed { tr {
                        td { (lost.cell.described()) }
                        td.said { (lost.failed.as_deref().unwrap_or_default()) }
                        td { @if let Some(path) = &lost.checkpoint { (path.display()) } }
                    } } }
                } }
            }
            @if !waiting.is_empty() {
                details {
                    summary { "Cells that are not done yet: " (waiting.len()) }
                    ul { @for lost in waiting { li { (lost.cell.described()) } } }
                }
            }
            details {
                summary { "Every cell" }
                div.scroll { table {
                    thead { tr {
                        th { "Cell" } th.n { "Dice" } th.n { "With labels" } th.n { "Tested" } th.n { "Seconds" }
                    } }
                    tbody { @for done in &results.cells {
                        @let frames = done.frames.len() as f64;
                        @let dice = done.frames.iter().map(|row| row.dice.mean()).sum::<f64>() / frames;
                        tr {
                            td { (done.record.cell.described()) }
                            td.n { (format!("{dice:.3}")) }
                            td.n { (done.record.train_subjects) }
                            td.n { (done.record.test_subjects) }
                            td.n { (format!("{:.0}", done.record.ending.seconds)) }
                        }
                    } }
                } }
            }
        }
    }
}

/// Who trained, validated and tested.
fn roles(results: &Results) -> String {
    let Some(Roles { train, valid, test, labelled }) = &results.roles else {
        return "not known yet".into();
    };
    format!(
        "{} to train on, {} of them with labels; {} to validate; {} to test",
        number(train.len(), "subject"),
        labelled.len(),
        valid.len(),
        test.len()
    )
}

/// What the parts of the sweep took.
fn times(results: &Results) -> String {
    let Results { plan, choices, cells, .. } = results;
    let cells: f64 = cells.iter().map(|cell| cell.record.ending.seconds).sum();
    let trials = choices.iter().flat_map(|choice| &choice.candidates);
    let trials: f64 = trials.filter_map(|t| t.trial.as_ref()).map(|t| t.ending.seconds).sum();
    let parts = [("cells", cells), ("trials", trials), ("pretraining", pretraining(plan, results))];
    let parts = parts.iter().filter(|(_, seconds)| *seconds > 0.0);
    let parts: Vec<String> = parts.map(|(what, s)| format!("{} of {what}", time(*s))).collect();
    match parts.is_empty() {
        true => "nothing is done yet".into(),
        false => format!("{}, all processes together", parts.join(", ")),
    }
}

fn pretraining(plan: &Plan, results: &Results) -> f64 {
    let mut seconds = 0.0;
    for (arm, choice) in plan.arms.iter().zip(&results.choices) {
        for pretraining in Pretraining::all(arm) {
            let tried = choice.candidates.get(pretraining.index);
            seconds += tried.and_then(|t| t.pretrained.as_ref()).map_or(0.0, |e| e.seconds);
        }
    }
    seconds
}
