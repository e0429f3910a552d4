//! What limits the conclusions of a sweep.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::compare::{ALPHA, Comparison, Comparisons};
use super::convergence::{DICE_MARGIN, LastQuarters};
use super::document::{Cell, Section, Table};
use super::format::{labelled, number, signed, title};
use super::statistics::{mean, smallest_p};
use super::tables;
use crate::{Candidate, StudyTable, SweepResults};
use evaluate::FrameRow;
use settings::{Centre, Method};

/// Fewer seeds than this say little about how far trainings differ.
const MANY_SEEDS: usize = 10;

/// With fewer test subjects than this, percentile bootstrap intervals are noticeably too narrow.
const MANY_SUBJECTS: usize = 20;

/// The section.
pub fn limits(
    results: &SweepResults,
    comparisons: &Comparisons,
    tables: &[tables::Table],
) -> Section {
    let section = Section::new("limits", "Limits");
    if results.cells.is_empty() {
        return section.list("", missing(results));
    }
    let mut items = missing(results);
    items.extend(same_for_all_cells(results));
    items.extend(labels_used(results));
    items.extend(added_later(results));
    items.extend(devices(results));
    if results.plan.data.is_empty() {
        items.push(
            "The cohort is synthetic, drawn by the program. The results do not carry over to patients."
                .into(),
        );
    }
    items.extend(seeds(results, tables));
    let files: Vec<(PathBuf, &[FrameRow])> =
        results.cells.iter().map(|cell| (cell.run.frames(), &cell.frames[..])).collect();
    items.extend(other_frames(&files));
    items.extend(warnings(results));
    items.extend(multiple_tests(tables));
    section
        .list("", items)
        .heading("Power of the tests")
        .text(
            "The smallest p that Wilcoxon’s test can give for as many subjects, before and after Holm’s \
             correction. Where it is not below 0.05, no difference can be clear, however large.",
        )
        .table(power(tables))
        .heading("Convergence of fine-tuning")
        .text(format!(
            "Change of the best validation Dice from the third to the last quarter of the optimiser steps, \
             mean over seeds. From {DICE_MARGIN} on, the training had not levelled off (marked “rising”), and a \
             difference between methods may be one of training time. More steps may also improve a training \
             that had levelled off, in particular where its learning rate decreased. – : too few validation \
             passes."
        ))
        .table(convergence(comparisons))
}

/// Cells, as the files of their results and what they hold, whose test frames are not those of the first:
/// their means are not comparable.
fn other_frames(cells: &[(PathBuf, &[FrameRow])]) -> Option<String> {
    let frames = |rows: &[FrameRow]| -> BTreeSet<(String, &'static str, usize)> {
        rows.iter().map(|row| (row.subject.clone(), row.moment.name(), row.phase)).collect()
    };
    let (first_file, first) = cells.first()?;
    let first = frames(first);
    let mut others = cells.iter().filter(|(_, rows)| frames(rows) != first);
    let (other_file, _) = others.next()?;
    Some(format!(
        "Warning for {} of {} cells: their test frames are not those of the first cell, and means over other \
         frames cannot be compared: {} against {}. Remove the folders of such cells, and they are done again.",
        1 + others.count(),
        cells.len(),
        other_file.display(),
        first_file.display()
    ))
}

/// What may make results wrong, each line once with the number of cells that it is about.
fn warnings(results: &SweepResults) -> impl Iterator<Item = String> {
    /// The others are in `result.json` of the cells.
    const MOST: usize = 20;
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for line in results.cells.iter().flat_map(|cell| &cell.warnings) {
        match counts.iter_mut().find(|(known, _)| known == line) {
            Some((_, count)) => *count += 1,
            None => counts.push((line, 1)),
        }
    }
    let (all, more) = (results.cells.len(), counts.len().saturating_sub(MOST));
    let lines = counts.into_iter().take(MOST);
    let lines: Vec<String> = lines
        .map(|(line, count)| match count == all {
            true => format!("Warning: {line}."),
            false => format!("Warning for {count} of {all} cells: {line}."),
        })
        .collect();
    let rest =
        (more > 0).then(|| format!("And {more} more warnings, in result.json of the cells."));
    lines.into_iter().chain(rest)
}

/// What has no result.
fn missing(results: &SweepResults) -> Vec<String> {
    let all = results.missing.len() + results.cells.len();
    let failed = results.missing.iter().filter(|cell| cell.failed.is_some()).count();
    let waiting = results.missing.len() - failed;
    let mut items = Vec::new();
    for (count, what) in [(failed, "failed"), (waiting, "not completed yet")] {
        if count > 0 {
            items.push(format!("Cells {what}: {count} of {all}. The report covers the others."));
        }
    }
    for choice in results.choices.iter().filter(|choice| choice.chosen.is_none()) {
        let over = choice.candidates.iter().all(|candidate| candidate.trial.is_some());
        let what = if over { "every candidate failed" } else { "settings are not chosen yet" };
        items.push(format!("{}: {what}.", title(choice.method)));
    }
    items
}

fn same_for_all_cells(results: &SweepResults) -> Vec<String> {
    let tested = results.cells.iter().map(|cell| cell.record.test_subjects).max().unwrap_or(0);
    let mut items = vec![format!(
        "All cells are tested on the same {} of one split of one cohort. p and the intervals over subjects \
         describe these trained networks on such subjects. They do not cover another training, pretraining, \
         split or cohort.",
        number(tested, "subject")
    )];
    if results.plan.arms.iter().any(|arm| arm.method != Method::Scratch) {
        items.push("All cells of a method share one pretraining.".into());
    }
    items
}

/// Labels that were used in other ways than to fine-tune.
fn labels_used(results: &SweepResults) -> Vec<String> {
    let arms = &results.plan.arms;
    let candidates = || arms.iter().flat_map(|arm| &arm.candidates);
    let mut items = Vec::new();
    let validated = candidates().any(|candidate| {
        let finetune = &candidate.settings.finetune;
        finetune.validate_every > 0 || finetune.validate_steps > 0
    });
    let chosen = match (arms.iter().any(|arm| arm.candidates.len() > 1), validated) {
        (true, true) => "the settings and the weights to test",
        (true, false) => "the settings",
        (false, true) => "the weights to test",
        (false, false) => "",
    };
    let valid = results.roles.as_ref().map_or(0, |roles| roles.valid.len());
    if valid > 0 && !chosen.is_empty() {
        items.push(format!(
            "The labels of {} chose {chosen}. These subjects do not count as labelled.",
            number(valid, "validation subject")
        ));
    }
    let centred = |candidate: &Candidate| {
        let settings = &candidate.settings;
        settings.method != Method::Scratch && settings.pretrain.centre == Centre::Labels
    };
    if candidates().any(centred) {
        items.push(
            "Pretraining centred its crops on the hearts by the labels of all training subjects, as in the \
             study (pretrain.centre=labels). Scratch with few labelled subjects did not have this information. \
             pretrain.centre=motion needs no labels."
                .into(),
        );
    }
    items
}

/// What was added to the sweep after it had begun.
fn added_later(results: &SweepResults) -> Option<String> {
    let (plan, initial) = (&results.plan, results.plan.initial());
    let methods = plan.methods().into_iter().filter(|method| !initial.methods.contains(method));
    let counts = plan.counts.iter().filter(|count| !initial.counts.contains(count));
    let seeds = plan.seeds.iter().filter(|seed| !initial.seeds.contains(seed));
    let added = [
        ("methods", methods.map(|method| title(method).to_owned()).collect::<Vec<_>>()),
        ("numbers of labelled subjects", counts.map(|&count| labelled(count)).collect()),
        ("seeds", seeds.map(u64::to_string).collect()),
    ];
    let added = added.iter().filter(|(_, new)| !new.is_empty());
    let added: Vec<String> =
        added.map(|(what, new)| format!("{what} {}", new.join(", "))).collect();
    (!added.is_empty()).then(|| {
        format!("Added after the start, possibly with results in view: {}.", added.join("; "))
    })
}

/// The devices, if more than one.
fn devices(results: &SweepResults) -> Option<String> {
    let cells = results.cells.iter().map(|cell| &cell.record.outcome);
    let candidates = results.choices.iter().flat_map(|choice| &choice.candidates);
    let candidates = candidates
        .flat_map(|c| c.pretrained.iter().chain(c.trial.iter().map(|trial| &trial.outcome)));
    let found: BTreeSet<&str> =
        cells.chain(candidates).filter_map(|outcome| outcome.device.as_deref()).collect();
    let list = found.iter().copied().collect::<Vec<_>>().join(", ");
    (found.len() > 1).then(|| format!("Devices with different rounding were used: {list}."))
}

/// How far seeds differ in a comparison by labelled subjects.
fn seeds(results: &SweepResults, tables: &[tables::Table]) -> Option<String> {
    let count = results.plan.seeds.len();
    if count == 1 {
        return Some(
            "There is one seed only, so the variation between trainings is unknown and no difference can be \
             clear."
                .into(),
        );
    }
    let rows = tables.iter().filter(|table| table.kind == StudyTable::Subjects);
    let rows = rows.flat_map(|table| &table.differences);
    let ranges = rows.flat_map(|row| row.comparisons.iter().map(move |c| (&row.name, c)));
    let ranges = ranges.filter(|(_, c)| c.seeds.len() > 1).map(|(name, c)| {
        let low = c.seeds.iter().copied().fold(f64::INFINITY, f64::min);
        let high = c.seeds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (name, c.method, low, high)
    });
    let (name, method, low, high) = ranges.max_by(|a, b| (a.3 - a.2).total_cmp(&(b.3 - b.2)))?;
    let few = if count < MANY_SEEDS { ", which is few" } else { "" };
    Some(format!(
        "There are {count} seeds{few}. They differ most for {} with {name} labelled: its difference from scratch \
         ranges from {} to {}.",
        title(method),
        signed(low),
        signed(high)
    ))
}

/// What correction within a group leaves open, and intervals over few subjects.
fn multiple_tests(tables: &[tables::Table]) -> Vec<String> {
    let rows: Vec<&[Comparison]> = tables.iter().flat_map(rows_of).collect();
    let all: usize = rows.iter().map(|row| row.len()).sum();
    let mut items = Vec::new();
    if rows.len() > 1 {
        items.push(format!(
            "p is corrected over the methods of a group, not over all {all} comparisons in {} groups. If these \
             networks did not differ at all, about 1 in 20 groups would still have a p below {ALPHA}, and more by \
             the random course of the trainings.",
            rows.len()
        ));
    }
    if let Some(subjects) = fewest_subjects(&rows).filter(|n| (2..MANY_SUBJECTS).contains(n)) {
        items.push(format!(
            "Bootstrap intervals over as few as {} are somewhat too narrow.",
            number(subjects, "subject")
        ));
    }
    items
}

fn rows_of<'a>(table: &'a tables::Table) -> impl Iterator<Item = &'a [Comparison]> {
    table.differences.iter().map(|row| row.comparisons.as_slice())
}

fn fewest_subjects(rows: &[&[Comparison]]) -> Option<usize> {
    rows.iter().flat_map(|row| row.iter()).map(|c| c.subjects.len()).min()
}

/// The smallest p of each table.
fn power(tables: &[tables::Table]) -> Table {
    let mut found = Table::new([
        "Table",
        "Subjects",
        "Comparisons of a group",
        "Smallest p",
        "Corrected",
        "p < 0.05 possible",
    ]);
    for table in tables {
        let rows: Vec<&[Comparison]> = rows_of(table).collect();
        let Some(subjects) = fewest_subjects(&rows) else { continue };
        let methods = rows.iter().map(|row| row.len()).max().unwrap_or(1);
        // Whether any group can: the one with the most subjects decides.
        let of_row = |row: &&[Comparison]| {
            Some(smallest_p(row.iter().map(|c| c.subjects.len()).max()?) * row.len() as f64)
        };
        let best = rows.iter().filter_map(of_row).fold(f64::INFINITY, f64::min);
        let p = smallest_p(subjects);
        let written = |p: f64| match p {
            p if p < 1e-4 => "< 0.0001".to_owned(),
            p => format!("{:.4}", p.min(1.0)),
        };
        found.rows.push(vec![
            Cell::text(table.title),
            Cell::number(subjects),
            Cell::number(methods),
            Cell::number(written(p)),
            Cell::number(written(p * methods as f64)),
            Cell::text(if best < ALPHA { "yes" } else { "no" }),
        ]);
    }
    found
}

/// Changes of validation Dice in the last quarter, by cells of a group and method.
fn convergence(comparisons: &Comparisons) -> Table {
    let methods = &comparisons.methods;
    let heads = ["Cells"].into_iter().chain(methods.iter().map(|&method| title(method)));
    let mut table = Table::new(heads);
    for group in &comparisons.groups {
        let change = |&method: &Method| {
            let cells = group.of_method(method).map_or(&[][..], |method| &method.cells);
            let changes = cells.iter().filter_map(|cell| LastQuarters::of_dice(&cell.validations));
            let change = mean(&changes.map(|quarters| quarters.change()).collect::<Vec<_>>());
            // Validation Dice that stays at its start is no sign of convergence.
            if cells.iter().any(|cell| cell.outlines_nothing) {
                return Cell::text("outlines nothing").strong(true);
            }
            let rising = change.is_some_and(|change| change >= DICE_MARGIN);
            Cell::optional(change.map(signed))
                .strong(rising)
                .detail(rising.then(|| "rising".into()))
        };
        let variant = match group.table {
            StudyTable::Subjects => String::new(),
            table => format!("{} {}, ", table.name(), group.variant),
        };
        let name = Cell::text(format!("{variant}{} labelled", group.count()));
        table.rows.push([name].into_iter().chain(methods.iter().map(change)).collect());
    }
    table
}

#[cfg(test)]
mod tests {
    use data::CardiacPhase;
    use evaluate::Dice;

    use super::*;

    #[test]
    fn cells_that_were_tested_on_other_frames_are_named() {
        let row = |subject: &str, phase| FrameRow {
            subject: subject.into(),
            moment: CardiacPhase::Other,
            phase,
            dice: Dice::from_values([0.5; 3]),
            measurements: None,
            vendor: None,
            pathology: None,
        };
        let whole = [row("a", 0), row("a", 7), row("b", 0)];
        let renamed = [row("a", 0), row("a", 7), row("c", 0)];
        let found = |second: &[FrameRow]| {
            other_frames(&[("x.csv".into(), &whole), ("y.csv".into(), second)])
        };
        assert_eq!(other_frames(&[]), None);
        assert_eq!(found(&whole), None);
        for other in [&whole[..2], &renamed[..]] {
            let line = found(other).unwrap();
            assert!(line.contains("1 of 2 cells") && line.contains("y.csv"), "{line}");
        }
    }
}
