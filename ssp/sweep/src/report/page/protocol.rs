//! How the settings of each method were chosen, before any of its cells was tested.

use figures::Axis;
use figures::svg::{self, Chart, Line, Point};
use maud::{Markup, html};

use super::settings::rates;
use crate::report::convergence::{DICE_MARGIN, LOSS_MARGIN, LastQuarters};
use crate::report::document::{Cell, Section, Table};
use crate::report::format::{labelled, percent, signed, title};
use crate::{
    CandidateResult, CompletedCell, InitialPlan, SettingChoice, StudyTable, SweepResults,
    Validation,
};
use settings::Method;

/// The section.
pub fn protocol(results: &SweepResults) -> Section {
    let InitialPlan { counts, seeds, .. } = results.plan.initial();
    let chosen = match results.choices.iter().any(|choice| choice.candidates.len() > 1) {
        true => format!(
            "On validation subjects only, before any cell of the method was tested. Each candidate was \
             pretrained and fine-tuned with {} labelled subjects and seed {}. The candidate with the highest Dice \
             at its lowest validation loss is used for all cells of the method. A method with one candidate uses \
             it.",
            labelled(counts[0]),
            seeds[0]
        ),
        false => "No choice was made: every method has one candidate.".to_owned(),
    };
    let quarters = format!(
        "“Last quarter” is the change of the best validation value from the third to the last quarter of the \
         optimiser steps. A training had levelled off if its Dice rose by less than {DICE_MARGIN}, or its loss \
         fell by less than {:.0} %. Where the learning rate decreases, so does the effect of a step: a longer \
         training may still be better.",
        100.0 * LOSS_MARGIN
    );
    let section = Section::page_only("protocol", "How settings were chosen")
        .text(chosen)
        .heading("Chosen settings")
        .table(rates(results))
        .heading("Candidates")
        .text(quarters)
        .table(candidates(results));
    results.choices.iter().fold(section, |section, choice| {
        section.heading(title(choice.method)).html(figures(results, choice))
    })
}

/// Every candidate of every method, and how it went.
fn candidates(results: &SweepResults) -> Table {
    let mut table = Table::new([
        "Method",
        "Candidate",
        "Validation Dice",
        "Last quarter",
        "Pretraining loss",
        "Last quarter",
        "Status",
    ]);
    for choice in &results.choices {
        for (index, candidate) in choice.candidates.iter().enumerate() {
            let CandidateResult { trial, pretraining, finetuning, .. } = candidate;
            let chosen = choice.chosen == Some(index);
            let dice = trial.as_ref().and_then(|trial| trial.dice);
            let loss = pretraining.last().map(|pass| format!("{:.3}", pass.loss));
            let dice_change = LastQuarters::of_dice(finetuning).map(|q| signed(q.change()));
            let loss_change =
                LastQuarters::of_loss(pretraining).map(|q| percent(q.relative_change()));
            table.rows.push(vec![
                Cell::text(title(choice.method)),
                Cell::long(short(&candidate.changes)),
                Cell::optional(dice.map(|dice| format!("{dice:.3}"))).strong(chosen),
                Cell::optional(dice_change),
                Cell::optional(loss),
                Cell::optional(loss_change),
                Cell::long(if chosen { "chosen".to_owned() } else { failure(candidate) }),
            ]);
        }
    }
    table
}

/// Changes in short: `pretraining rate 0.02, fine-tuning rate 0.4`.
fn short(changes: &str) -> String {
    if changes.is_empty() {
        return "the only one".into();
    }
    let short = |change: &str| {
        let (key, value) = change.split_once('=').unwrap_or((change, ""));
        let stage = match key.split('.').next() {
            Some("pretrain") => "pretraining",
            Some("finetune") => "fine-tuning",
            other => other.unwrap_or_default(),
        };
        let last = key.split('.').next_back().unwrap_or_default();
        let name = if last.ends_with("learning_rate") { "rate" } else { &last.replace('_', " ") };
        format!("{stage} {name} {value}")
    };
    changes.split(' ').map(short).collect::<Vec<_>>().join(", ")
}

/// Why a candidate was not chosen, if it has no result.
fn failure(candidate: &CandidateResult) -> String {
    let pretraining = candidate.pretrained.as_ref().filter(|outcome| !outcome.is_done());
    match (&candidate.trial, pretraining) {
        (_, Some(outcome)) => outcome.reason.clone().unwrap_or_default(),
        (None, None) => "not completed".into(),
        (Some(trial), None) => trial.outcome.reason.clone().unwrap_or_default(),
    }
}

/// The validation curves of a method: its candidates and its cells.
fn figures(results: &SweepResults, choice: &SettingChoice) -> Markup {
    let several = choice.candidates.len() > 1;
    let names: Vec<(usize, String)> =
        choice.candidates.iter().enumerate().map(|(n, c)| (n, short(&c.changes))).collect();
    let (cells, counts) = cell_curves(results, choice.method);
    html! {
        @if several { p.faint { "Candidates:" } (svg::legend(&names)) }
        @if !counts.is_empty() { p.faint { "Cells, by labelled subjects:" } (svg::legend(&counts)) }
        div.grid {
            @if several {
                @let curves = candidate_curves(choice, |c| &c.finetuning);
                (chart("Validation Dice of the candidates", curves, |pass| pass.dice, "Dice"))
            }
            @if choice.method != Method::Scratch {
                @let curves = pretraining_curves(choice);
                (chart("Validation loss of pretraining", curves, |pass| Some(pass.loss), "loss"))
            }
            (chart("Validation Dice of the cells, by labelled subjects", cells, |pass| pass.dice, "Dice"))
        }
    }
}

/// The validation passes of trainings, each with a name and a style.
type Curves<'a> = Vec<(String, usize, &'a [Validation])>;

fn candidate_curves<'a>(
    choice: &'a SettingChoice,
    passes: impl Fn(&'a CandidateResult) -> &'a Vec<Validation>,
) -> Curves<'a> {
    let candidates = choice.candidates.iter().enumerate();
    candidates.map(|(n, c)| (c.changes.clone(), n, passes(c).as_slice())).collect()
}

/// The pretrainings of the candidates; one that several share appears once.
fn pretraining_curves(choice: &SettingChoice) -> Curves<'_> {
    let mut all = candidate_curves(choice, |c| &c.pretraining);
    let mut seen: Vec<&[Validation]> = Vec::new();
    all.retain(|(_, _, passes)| {
        let new = !seen.contains(passes);
        seen.push(passes);
        new
    });
    all
}

/// The cells of the table by labelled subjects with a style for each count, and the counts of the styles.
fn cell_curves(results: &SweepResults, method: Method) -> (Curves<'_>, Vec<(usize, String)>) {
    let mut counts: Vec<(usize, String)> = Vec::new();
    let mut curves = Vec::new();
    let wanted = |done: &&CompletedCell| {
        let cell = &done.record.cell;
        (cell.method, cell.table) == (method, StudyTable::Subjects)
    };
    let cells = results.cells.iter().filter(wanted);
    for done in cells.filter(|done| !done.validations.is_empty()) {
        let count = labelled(done.record.cell.labelled);
        let style = counts.iter().position(|(_, known)| *known == count).unwrap_or(counts.len());
        if style == counts.len() {
            counts.push((style, count));
        }
        curves.push((done.record.cell.description(), style, done.validations.as_slice()));
    }
    (curves, counts)
}

fn chart(
    heading: &str,
    curves: Curves,
    value: impl Fn(&Validation) -> Option<f64>,
    axis: &str,
) -> Markup {
    let lines: Vec<Line> = curves
        .into_iter()
        .map(|(name, style, passes)| {
            let point = |pass: &Validation| {
                let y = value(pass).filter(|value| value.is_finite())?;
                Some(Point { x: pass.step as f64, y, spread: None })
            };
            Line { name, style, points: passes.iter().filter_map(point).collect() }
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    if lines.is_empty() {
        return html! {};
    }
    let points = || lines.iter().flat_map(|line| &line.points);
    let x = Axis::covering("optimiser steps", points().map(|p| p.x), 4);
    let y = Axis::covering(axis, points().map(|p| p.y), 5);
    Chart { title: heading.to_owned(), x, y, lines }.figure()
}
