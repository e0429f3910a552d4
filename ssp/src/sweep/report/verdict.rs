//! What the numbers show and what they do not, in words.

use super::compare::{CLEAR, Comparison, Comparisons, Group, every};
use super::level::{LEVEL, Level};
use super::statistics::{mean, smallest_p};
use crate::data::PHANTOM;
use crate::evaluate::Dice;
use crate::settings::Method;
use crate::sweep::{Results, Table};

/// Sentences, the most important first.
pub fn sentences(results: &Results, comparisons: &Comparisons) -> Vec<String> {
    if results.cells.is_empty() {
        return vec!["No cell is done yet: there is nothing to say.".into()];
    }
    let groups: Vec<&Group> = comparisons.table(Table::Subjects).collect();
    let mut said = Vec::new();
    said.extend(differences(&groups));
    said.extend(growth(&groups));
    said.extend(reach(results, &groups));
    said.extend(levels(results, comparisons));
    said.extend(missing(results));
    said
}

/// Who is ahead of scratch, who behind, and where nothing can be told.
fn differences(groups: &[&Group]) -> Vec<String> {
    let compared: Vec<&&Group> = groups.iter().filter(|g| !g.against_scratch.is_empty()).collect();
    if compared.is_empty() {
        return vec![
            "No pretraining is compared with training from scratch: that takes cells of both with \
             the same seeds."
                .into(),
        ];
    }
    let mut said = Vec::new();
    for group in &compared {
        for c in group.against_scratch.iter().filter(|c| c.is_clear()) {
            said.push(clear(group, c));
        }
    }
    let rest: Vec<&&&Group> = compared
        .iter()
        .filter(|group| !group.against_scratch.iter().any(Comparison::is_clear))
        .collect();
    if said.is_empty() {
        said.push(format!(
            "No pretraining differed clearly from training from scratch (p below {CLEAR} after Holm's \
             correction), with any number of labelled subjects."
        ));
    }
    let intervals: Vec<[f64; 2]> = rest
        .iter()
        .flat_map(|group| group.against_scratch.iter().filter_map(|c| c.interval))
        .collect();
    let low = intervals.iter().map(|i| i[0]).reduce(f64::min);
    let high = intervals.iter().map(|i| i[1]).reduce(f64::max);
    if let (Some(low), Some(high)) = (low, high) {
        let counts: Vec<String> = rest.iter().map(|group| group.count_in_words()).collect();
        said.push(format!(
            "With {} labelled subjects none did. The 95 % intervals there reach from {low:+.3} to \
             {high:+.3}: differences of that size are neither shown nor ruled out.",
            listed(&counts)
        ));
    }
    said
}

fn clear(group: &Group, c: &Comparison) -> String {
    let way = if c.mean > 0.0 { "ahead of" } else { "behind" };
    let interval = c
        .interval
        .map_or(String::new(), |[low, high]| format!(" (95 % interval {low:+.3} to {high:+.3})"));
    let methods = match group.against_scratch.len() {
        1 => String::new(),
        n => format!(" after Holm's correction for {n} methods"),
    };
    format!(
        "With {} labelled subjects {} was {way} scratch by {:.3} Dice{interval}, p {}{methods}.",
        group.count_in_words(),
        title(c.method),
        c.mean.abs(),
        p_in_words(c.corrected)
    )
}

/// How much labels alone do, next to which a difference between methods is large or small.
fn growth(groups: &[&Group]) -> Option<String> {
    let (first, last) = (groups.first()?, groups.last()?);
    let dice = |group: &Group| Some(group.side(Method::Scratch)?.spread(Dice::mean, &every)?.mean);
    if first.labelled == last.labelled {
        return None;
    }
    Some(format!(
        "From scratch, Dice went from {:.3} with {} labelled subjects to {:.3} with {}.",
        dice(first)?,
        first.count_in_words(),
        dice(last)?,
        last.count_in_words()
    ))
}

/// What the numbers cannot speak of.
fn reach(results: &Results, groups: &[&Group]) -> Vec<String> {
    let mut said = Vec::new();
    let tested = results.cells.iter().map(|cell| cell.record.test_subjects).max().unwrap_or(0);
    let pretrained = results.plan.arms.iter().any(|arm| arm.method != Method::Scratch);
    let shared = if pretrained { ", and one pretraining serves all cells of a method" } else { "" };
    said.push(format!(
        "All cells test on the same {tested} subjects of one split{shared}: p and intervals speak of \
         these subjects, not of another split, another pretraining or another cohort."
    ));
    let comparisons = groups.iter().flat_map(|group| &group.against_scratch);
    let fewest = comparisons.map(|c| (c.subjects.len(), c.subjects.len())).min();
    let most = groups.iter().map(|group| group.against_scratch.len()).max().unwrap_or(0);
    if let Some((subjects, _)) = fewest {
        let least = smallest_p(subjects) * most as f64;
        if least >= CLEAR {
            said.push(format!(
                "With {subjects} test subjects no test of {most} methods can go below p = {least:.2}: \
                 no difference could have been shown."
            ));
        }
    }
    if results.plan.seeds.len() == 1 {
        said.push("One seed only: nothing is known of the spread between seeds.".into());
    }
    if results.source.as_deref().is_some_and(|source| source.contains(PHANTOM)) {
        said.push(
            "The cohort is drawn by the program: it tells how methods compare on drawn hearts, and \
             nothing of patients."
                .into(),
        );
    }
    said
}

/// Arms that might have gone on rising.
fn levels(results: &Results, comparisons: &Comparisons) -> Option<String> {
    let mut rising = Vec::new();
    let mut known = false;
    for &method in &comparisons.methods {
        let of_method = results.cells.iter().filter(|cell| cell.record.cell.method == method);
        let gains: Vec<f64> = of_method
            .filter_map(|cell| Level::of_dice(&cell.looks))
            .map(|level| level.gain())
            .collect();
        known |= !gains.is_empty();
        if let Some(gain) = mean(&gains).filter(|gain| *gain >= LEVEL) {
            rising.push(format!("{} ({gain:+.3})", title(method)));
        }
    }
    if !known {
        return Some(
            "Nothing is known of whether trainings had levelled off: no validation Dice was taken \
             over their last half."
                .into(),
        );
    }
    if rising.is_empty() {
        return Some(format!(
            "Every method had levelled off: over the last quarter of fine-tuning, validation Dice rose \
             by less than {LEVEL} on average."
        ));
    }
    Some(format!(
        "Validation Dice still rose over the last quarter of fine-tuning, on average over cells: {}. \
         With more steps differences may come out otherwise.",
        listed(&rising)
    ))
}

fn missing(results: &Results) -> Option<String> {
    let failed = results.lost.iter().filter(|lost| lost.failed.is_some()).count();
    let waiting = results.lost.len() - failed;
    let all = results.lost.len() + results.cells.len();
    let what = match (failed, waiting) {
        (0, 0) => return None,
        (0, _) => format!("{waiting} are not done"),
        (_, 0) => format!("{failed} failed"),
        _ => format!("{failed} failed and {waiting} are not done"),
    };
    Some(format!("Of {all} cells {what}; what is said here is of the others."))
}

/// A method as it is written.
pub fn title(method: Method) -> &'static str {
    match method {
        Method::Scratch => "scratch",
        Method::SimClr => "SimCLR",
        Method::Pcl => "PCL",
        Method::Dino => "DINO",
        Method::Mim => "MIM",
    }
}

/// A p as it is written: `= 0.012`, `< 0.001`.
pub fn p_in_words(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("= {p:.3}") }
}

/// `5`, `5 and 10`, `5, 10 and 25`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
