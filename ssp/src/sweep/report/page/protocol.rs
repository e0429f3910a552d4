//! How the settings of each arm were chosen, before anything was tested.

use maud::{Markup, html};

use super::chart::{Axis, Chart, Line, Point};
use super::marks::legend_of;
use crate::settings::Method;
use crate::sweep::report::level::{LEVEL, Level};
use crate::sweep::report::verdict::title;
use crate::sweep::{Choice, Done, Look, Results, Tried};

/// The section.
pub fn protocol(results: &Results) -> Markup {
    let chosen = results.choices.iter().any(|choice| choice.candidates.len() > 1);
    let (labelled, seed) = (results.plan.counts[0], results.plan.seeds[0]);
    let labelled = labelled.map_or("all".into(), |count| count.to_string());
    html! {
        section id="protocol" {
            h2 { "How settings were chosen" }
            @if chosen {
                p { "By validation subjects alone, before any cell was tested: each candidate was pretrained, \
                     fine-tuned with " (labelled) " labelled subjects (seed " (seed) "), and the one with the \
                     highest Dice on the validation subjects at its lowest validation loss was taken for all \
                     cells of the method. “Last quarter” is what the best validation Dice of the last \
                     quarter of the steps had over that of the quarter before; below " (LEVEL) " it counts as \
                     levelled off." }
            } @else {
                p { "Nothing was chosen: settings are as they were given. The validation curves of the cells \
                     show whether they had levelled off: below " (LEVEL) " over the last quarter of the steps \
                     counts as such." }
            }
            @for choice in &results.choices { (arm(results, choice)) }
        }
    }
}

fn arm(results: &Results, choice: &Choice) -> Markup {
    let of_method = |done: &&Done| done.record.cell.method == choice.method;
    let cells: Vec<&Done> = results.cells.iter().filter(of_method).collect();
    let tried = choice.candidates.len() > 1;
    html! {
        h3 { (title(choice.method)) }
        @if tried {
            (candidates(choice))
        } @else if choice.method != Method::Scratch {
            @if let Some(level) = choice.candidates.first().and_then(|c| Level::of_loss(&c.pretraining)) {
                p { (pretraining_in_words(level)) }
            }
        }
        @let levels: Vec<f64> = cells.iter().filter_map(|c| Level::of_dice(&c.looks)).map(|l| l.gain()).collect();
        @if !levels.is_empty() {
            @let level = levels.iter().filter(|gain| **gain < LEVEL).count();
            p { "Cells: " (level) " of " (levels.len()) " had levelled off; their last quarter added "
                (format!("{:+.3}", levels.iter().sum::<f64>() / levels.len() as f64).replace('-', "−"))
                " on average." }
        }
        div.grid {
            @if tried {
                (curves("Validation Dice of what was tried", named(choice, |c| &c.finetuning), |l| l.dice, "Dice"))
            }
            @if choice.method != Method::Scratch {
                (curves("Validation loss of pretraining", pretrainings(choice), |l| Some(l.loss), "loss"))
            }
            (curves("Validation Dice of the cells", of_cells(&cells), |l| l.dice, "Dice"))
        }
        @if tried {
            @let names = choice.candidates.iter().enumerate();
            (legend_of(&names.map(|(n, c)| (n, c.changes.clone())).collect::<Vec<_>>()))
        }
    }
}

fn candidates(choice: &Choice) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { "Tried" } th.n { "Validation Dice" } th.n { "Last quarter" } th.n { "Pretraining loss" }
                th { "" }
            } }
            tbody { @for (index, tried) in choice.candidates.iter().enumerate() {
                @let taken = choice.chosen == Some(index);
                tr {
                    td { @for change in tried.changes.split(' ') { code { (change) } " " } }
                    td.n.clear[taken] { (dice(tried)) }
                    td.n { (Level::of_dice(&tried.finetuning).map_or("–".into(), |l| signed(l.gain()))) }
                    td.n { (loss(tried)) }
                    td { @if taken { "taken" } @else { (trouble(tried)) } }
                }
            } }
        } }
    }
}

fn dice(tried: &Tried) -> String {
    let dice = tried.trial.as_ref().and_then(|trial| trial.dice);
    dice.map_or("–".into(), |dice| format!("{dice:.3}"))
}

/// The last validation loss of pretraining, and by how much of itself it fell at the end.
fn loss(tried: &Tried) -> String {
    match (tried.pretraining.last(), Level::of_loss(&tried.pretraining)) {
        (Some(last), Some(level)) => {
            format!("{:.3} ({:+.1} %)", last.loss, 100.0 * level.gain() / level.before.abs())
        }
        (Some(last), None) => format!("{:.3}", last.loss),
        _ => "–".into(),
    }
}

/// Why a candidate has no result.
fn trouble(tried: &Tried) -> String {
    match &tried.trial {
        None => "not over".into(),
        Some(trial) => trial.ending.why.clone().unwrap_or_default(),
    }
}

fn pretraining_in_words(level: Level) -> String {
    format!(
        "Pretraining: validation loss {:.3}, {} % in the last quarter.",
        level.last,
        signed_by(100.0 * level.gain() / level.before.abs(), 1)
    )
}

fn signed(value: f64) -> String {
    signed_by(value, 3)
}

fn signed_by(value: f64, places: usize) -> String {
    format!("{value:+.places$}").replace('-', "−")
}

/// Curves by name and style.
type Named<'a> = Vec<(String, usize, &'a [Look])>;

fn named<'a>(choice: &'a Choice, looks: impl Fn(&'a Tried) -> &'a Vec<Look>) -> Named<'a> {
    let candidates = choice.candidates.iter().enumerate();
    candidates.map(|(n, c)| (c.changes.clone(), n, looks(c).as_slice())).collect()
}

/// Those of candidates that share a pretraining once.
fn pretrainings(choice: &Choice) -> Named<'_> {
    let mut all = named(choice, |c| &c.pretraining);
    let mut seen: Vec<&[Look]> = Vec::new();
    all.retain(|(_, _, looks)| {
        let new = !seen.contains(looks);
        seen.push(looks);
        new
    });
    all
}

fn of_cells<'a>(cells: &[&'a Done]) -> Named<'a> {
    // A colour for each count.
    let mut counts: Vec<String> = Vec::new();
    let mut named = Vec::new();
    for done in cells {
        let count = done.record.cell.count();
        let style = counts.iter().position(|known| *known == count).unwrap_or(counts.len());
        if style == counts.len() {
            counts.push(count.clone());
        }
        named.push((done.record.cell.described(), style, done.looks.as_slice()));
    }
    named
}

fn curves(
    heading: &str,
    named: Named,
    value: impl Fn(&Look) -> Option<f64>,
    what: &'static str,
) -> Markup {
    let lines: Vec<Line> = named
        .into_iter()
        .map(|(name, style, looks)| {
            let point = |look: &Look| {
                let y = value(look).filter(|value| value.is_finite())?;
                Some(Point { x: look.step as f64, y, spread: None })
            };
            Line { name, style, points: looks.iter().filter_map(point).collect() }
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    if lines.is_empty() {
        return html! {};
    }
    let points = || lines.iter().flat_map(|line| &line.points);
    let (x, y) = (
        Axis::over("optimiser steps", points().map(|p| p.x), 4),
        Axis::over(what, points().map(|p| p.y), 5),
    );
    Chart { title: heading.to_owned(), x, y, lines }.figure()
}
