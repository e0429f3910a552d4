//! How the settings of each arm were chosen, before any of its cells was tested.

use maud::{Markup, html};

use super::chart::{Axis, Chart, Line, Point};
use super::marks::legend_of;
use super::settings::taken;
use crate::report::level::{LEVEL, LOSS_LEVEL, Level};
use crate::report::words::{number, percent, signed, title};
use crate::{Begun, Choice, Done, Look, Results, Table, Tried};
use settings::Method;

/// The section.
pub fn protocol(results: &Results) -> Markup {
    let chosen = results.choices.iter().any(|choice| choice.candidates.len() > 1);
    let Begun { counts, seeds, .. } = results.plan.begun();
    let (labelled, seed) = (counts[0], seeds[0]);
    let labelled = labelled.map_or("all".into(), |count| count.to_string());
    html! {
        section id="protocol" {
            h2 { "How settings were chosen" }
            @if chosen {
                p { "By validation subjects alone, before any cell of the method was tested: each candidate was pretrained, \
                     fine-tuned with " (labelled) " labelled subjects (seed " (seed) "), and the one with the \
                     highest Dice on the validation subjects at its lowest validation loss was taken for all \
                     cells of the method. Methods with one candidate take it: nothing was chosen there." }
            } @else {
                p { "Nothing was chosen: settings are as they were given. The validation curves of the cells \
                     show whether trainings had levelled off." }
            }
            p { "“Last quarter” compares the best value of the last quarter of the optimiser steps with the best \
                 of the quarter before: a gain of Dice below " (LEVEL) ", or a fall of the loss by less than "
                (format!("{:.0}", 100.0 * LOSS_LEVEL)) " % of itself, counts as levelled off. Where learning \
                 rates fall towards the end, so does what a step can change: a level end does not show that a \
                 longer training would give no more." }
            h3 { "What was taken" }
            (taken(results))
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
            } @else {
                p { "Whether its pretraining had levelled off is not known: too few validation losses were taken." }
            }
        }
        @let levels: Vec<f64> = cells.iter().filter_map(|c| Level::of_dice(&c.looks)).map(|l| l.gain()).collect();
        @if !levels.is_empty() {
            @let level = levels.iter().filter(|gain| **gain < LEVEL).count();
            p { "Of " (number(levels.len(), "cell")) " of all tables " (level) " had levelled off; their last \
                 quarter changed validation Dice by "
                (signed(levels.iter().sum::<f64>() / levels.len() as f64)) " on average." }
        } @else if !cells.is_empty() {
            p { "Whether its cells had levelled off is not known: too few validations gave a Dice." }
        }
        @let (by_count, counts) = of_cells(&cells);
        @if tried { p.faint { "What was tried:" } (legend_of(&key(choice))) }
        @if !counts.is_empty() { p.faint { "Cells, by labelled subjects:" } (legend_of(&counts)) }
        div.grid {
            @if tried {
                (curves("Validation Dice of what was tried", named(choice, |c| &c.finetuning), |l| l.dice, "Dice"))
            }
            @if choice.method != Method::Scratch {
                (curves("Validation loss of pretraining", pretrainings(choice), |l| Some(l.loss), "loss"))
            }
            (curves("Validation Dice of the cells, by labelled subjects", by_count, |l| l.dice, "Dice"))
        }
    }
}

/// What was tried, by the numbers of colours and markers.
fn key(choice: &Choice) -> Vec<(usize, String)> {
    choice.candidates.iter().enumerate().map(|(n, tried)| (n, brief(&tried.changes))).collect()
}

/// Changes in short: `pretraining rate 0.02, fine-tuning rate 0.4`.
fn brief(changes: &str) -> String {
    let short = |change: &str| {
        let (key, value) = change.split_once('=').unwrap_or((change, ""));
        let stage = match key.split('.').next() {
            Some("pretrain") => "pretraining",
            Some("finetune") => "fine-tuning",
            other => other.unwrap_or_default(),
        };
        let last = key.split('.').next_back().unwrap_or_default();
        let what = if last.ends_with("learning_rate") { "rate" } else { &last.replace('_', " ") };
        format!("{stage} {what} {value}")
    };
    changes.split(' ').map(short).collect::<Vec<_>>().join(", ")
}

fn candidates(choice: &Choice) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { "Tried" } th.n { "Validation Dice" } th.n { "Last quarter" }
                @if choice.method != Method::Scratch { th.n { "Pretraining loss" } th.n { "Last quarter" } }
                th { "" }
            } }
            tbody { @for (index, tried) in choice.candidates.iter().enumerate() {
                @let taken = choice.chosen == Some(index);
                tr {
                    td.tried { (brief(&tried.changes)) }
                    td.n.clear[taken] { (dice(tried)) }
                    td.n { (Level::of_dice(&tried.finetuning).map_or("–".into(), |l| signed(l.gain()))) }
                    @if choice.method != Method::Scratch {
                        td.n { (tried.pretraining.last().map_or("–".into(), |look| format!("{:.3}", look.loss))) }
                        td.n { (Level::of_loss(&tried.pretraining).map_or("–".into(), |l| percent(l.share()))) }
                    }
                    td.said { @if taken { "taken" } @else { (trouble(tried)) } }
                }
            } }
        } }
    }
}

fn dice(tried: &Tried) -> String {
    let dice = tried.trial.as_ref().and_then(|trial| trial.dice);
    dice.map_or("–".into(), |dice| format!("{dice:.3}"))
}

/// Why a candidate has no result.
fn trouble(tried: &Tried) -> String {
    let pretraining = tried.pretrained.as_ref().filter(|ending| !ending.is_done());
    match (&tried.trial, pretraining) {
        (_, Some(ending)) => ending.why.clone().unwrap_or_default(),
        (None, None) => "not over".into(),
        (Some(trial), None) => trial.ending.why.clone().unwrap_or_default(),
    }
}

fn pretraining_in_words(level: Level) -> String {
    let still = if level.share() <= -LOSS_LEVEL { "was still falling" } else { "had levelled off" };
    format!(
        "The validation loss of pretraining {still}: {:.3}, {} over the last quarter.",
        level.last,
        percent(level.share())
    )
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

/// Cells of the table of counts, a colour for each count, and what the colours mean.
fn of_cells<'a>(cells: &[&'a Done]) -> (Named<'a>, Vec<(usize, String)>) {
    let mut counts: Vec<(usize, String)> = Vec::new();
    let mut named = Vec::new();
    let by_count = |done: &&&Done| done.record.cell.table == Table::Subjects;
    for done in cells.iter().filter(by_count).filter(|done| !done.looks.is_empty()) {
        let count = done.record.cell.count();
        let style = counts.iter().position(|(_, known)| *known == count).unwrap_or(counts.len());
        if style == counts.len() {
            counts.push((style, count));
        }
        named.push((done.record.cell.described(), style, done.looks.as_slice()));
    }
    (named, counts)
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
