//! How the sweep was made: data, settings, time, and what is missing.

use maud::{Markup, html};
use serde_json::Value;

use crate::settings::Settings;
use crate::sweep::report::verdict::title;
use crate::sweep::{Results, Subsets};

/// The section.
pub fn made(results: &Results) -> Markup {
    let plan = &results.plan;
    let list = |items: Vec<String>| if items.is_empty() { "none".into() } else { items.join(", ") };
    let shared = &plan.arms[0].candidates[0].settings;
    let counts = plan.counts.iter().map(|c| c.map_or("all".to_owned(), |count| count.to_string()));
    let seconds: f64 = results.cells.iter().map(|cell| cell.record.ending.seconds).sum();
    let folders = |paths: &[std::path::PathBuf], none: &str| match paths {
        [] => none.to_owned(),
        paths => list(paths.iter().map(|path| path.display().to_string()).collect()),
    };
    let facts = [
        ("Data", folders(&plan.data, "the built-in cohort")),
        ("Test subjects", folders(&plan.test, "held out of the data")),
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
        ("Time of the cells", format!("{:.1} hours, all together", seconds / 3600.0)),
        ("Program", format!("cine {}", env!("CARGO_PKG_VERSION"))),
    ];
    html! {
        section id="made" {
            h2 { "How it was made" }
            div.scroll { table { tbody { @for (name, value) in &facts {
                tr { th { (name) } td { (value) } }
            } } } }
            h3 { "Settings that differ from the preset" }
            div.scroll { table {
                thead { tr { th { "Method" } th { "Settings" } } }
                tbody { @for choice in &results.choices {
                    @let candidate = choice.chosen.and_then(|chosen| choice.candidates.get(chosen));
                    tr {
                        td { (title(choice.method)) }
                        td { @match candidate {
                            Some(candidate) => @for change in changed(&candidate.settings) {
                                code { (change) } " "
                            },
                            None => "not chosen yet",
                        } }
                    }
                } }
            } }
            p.faint { "Every setting of every run is in its settings.json, and all that was tried in sweep.json." }
            @if !results.lost.is_empty() {
                h3 { "Cells without results" }
                div.scroll { table {
                    thead { tr { th { "Cell" } th { "Why" } th { "Last weights" } } }
                    tbody { @for lost in &results.lost { tr {
                        td { (lost.cell.described()) }
                        td { (lost.failed.as_deref().unwrap_or("not done")) }
                        td { @if let Some(path) = &lost.checkpoint { (path.display()) } }
                    } } }
                } }
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

/// `KEY=VALUE` of what is not as in the preset, but for what is of the subjects and the seed.
fn changed(settings: &Settings) -> Vec<String> {
    let preset = Settings::preset(settings.preset, settings.method).to_value();
    let (Ok(preset), Ok(found)) = (preset, settings.to_value()) else { return vec![] };
    let mut changes = Vec::new();
    differ("", &preset, &found, &mut changes);
    changes
}

fn differ(path: &str, preset: &Value, found: &Value, changes: &mut Vec<String>) {
    match (preset, found) {
        (Value::Object(preset), Value::Object(found)) => {
            for (key, value) in found {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differ(&path, preset.get(key).unwrap_or(&Value::Null), value, changes);
            }
        }
        _ if preset == found => {}
        _ => changes.push(format!("{path}={found}")),
    }
}
