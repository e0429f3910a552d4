//! What the numbers show, in words; what they do not show is told by `limits.rs`.
//!
//! A difference is called clear where its p stays below 0.05 after Holm's correction and its interval over
//! seeds leaves out 0: p alone, which is over subjects, would take the luck of some trainings for a method's
//! doing. It is told with its size, intervals and p. Where none is clear, nothing is said to be equal: the
//! intervals say what is not ruled out.

use super::compare::{CLEAR, Comparison, Comparisons, Group, every};
use super::limits::{limits, missing};
use super::parts::{Differences, Part};
use super::words::{interval, listed, number, p_in_words, title};
use crate::{Results, Table};
use evaluate::Dice;
use settings::Method;

/// Sentences.
pub struct Verdict {
    /// What the numbers show, the most important first.
    pub shown: Vec<String>,
    /// What they do not, and what they rest on.
    pub limits: Vec<String>,
}

impl Verdict {
    /// Of a sweep as far as it has come.
    pub fn of(results: &Results, comparisons: &Comparisons, parts: &[Part]) -> Self {
        if results.cells.is_empty() {
            let shown = vec!["No cell is done yet: there is nothing to say.".into()];
            return Verdict { shown, limits: missing(results) };
        }
        let groups: Vec<&Group> = comparisons.table(Table::Subjects).collect();
        let mut shown = by_count(&groups);
        shown.extend(growth(&groups));
        shown.extend(parts.iter().filter_map(of_part));
        Verdict { shown, limits: limits(results, comparisons, parts) }
    }
}

/// A comparison and where it was made: `5`, `Unseen ED, all 36`.
type At<'a> = (String, &'a Comparison);

/// Who was ahead of scratch, who behind, and where nothing can be told.
fn by_count(groups: &[&Group]) -> Vec<String> {
    let compared: Vec<At> = groups
        .iter()
        .flat_map(|group| group.against_scratch.iter().map(|c| (group.count_in_words(), c)))
        .collect();
    if compared.is_empty() {
        return vec![
            "No pretraining is compared with training from scratch: that takes cells of both with the \
             same seeds."
                .into(),
        ];
    }
    let with = |counts: &[String]| format!(" with {} labelled subjects", listed(counts));
    let mut said = vec![headline(&compared)];
    said.extend(told(&compared, "scratch", &with));
    if open(&compared).is_some() {
        said.push(
            "Differences within these intervals are neither shown nor ruled out: an interval across 0 does \
             not show that methods are equal."
                .into(),
        );
    }
    said
}

/// How many differences are clear, and what is called so.
fn headline(compared: &[At]) -> String {
    let all = number(compared.len(), "comparison");
    let clear = || compared.iter().map(|(_, c)| c).filter(|c| c.is_clear());
    let ahead = clear().filter(|c| c.mean > 0.0).count();
    let found = match (ahead, clear().count() - ahead) {
        (0, 0) => {
            format!("No pretraining differed clearly from training from scratch, in {all}")
        }
        (ahead, behind) => format!(
            "In {all} with training from scratch, pretraining was clearly ahead in {ahead} and clearly \
             behind in {behind}"
        ),
    };
    format!(
        "{found}. Clear is what has a p below {CLEAR} over test subjects, after Holm's correction, and 95 % \
         intervals over subjects and over seeds that leave out 0."
    )
}

/// The same of another table, in one go.
fn of_part(part: &Part) -> Option<String> {
    let named = |names: &[String]| format!(" ({})", names.join("; "));
    let mut said = Vec::new();
    for (than, none) in [
        ("scratch", "No pretraining differed clearly from scratch."),
        ("itself with augmentation", "No method differed clearly from itself with augmentation."),
    ] {
        let of = part.differences.iter().filter(|of| of.than == than);
        let compared: Vec<At> = of
            .flat_map(|Differences { name, comparisons, .. }| {
                comparisons.iter().map(|c| (name.clone(), c))
            })
            .collect();
        if !compared.is_empty() && !compared.iter().any(|(_, c)| c.is_clear()) {
            said.push(none.to_owned());
        }
        said.extend(told(&compared, than, &named));
    }
    (!said.is_empty()).then(|| format!("{}. {}", part.title, said.join(" ")))
}

/// Clear differences method by method, those that may be luck, and what the others leave open.
fn told(compared: &[At], than: &str, places: &dyn Fn(&[String]) -> String) -> Vec<String> {
    let (mut said, mut luck, mut single) = (Vec::new(), Vec::new(), Vec::new());
    for method in Method::ALL {
        for (way, ahead) in [("ahead of", true), ("behind", false)] {
            let of = |clear: bool| -> Vec<&At> {
                let same = |(_, c): &&At| c.method == method && (c.mean > 0.0) == ahead;
                let sure = |(_, c): &&At| c.is_clear_of_networks() && c.is_clear() == clear;
                compared.iter().filter(same).filter(sure).collect()
            };
            let clear = of(true);
            if !clear.is_empty() {
                let places = places(&names(&clear));
                said.push(format!(
                    "{} was {way} {than}{places}, {}.",
                    title(method),
                    sizes(&clear)
                ));
            }
            let (several, one): (Vec<&At>, Vec<&At>) =
                of(false).into_iter().partition(|(_, c)| c.over_seeds.is_some());
            for (found, kept) in [(several, &mut luck), (one, &mut single)] {
                if !found.is_empty() {
                    let (places, size) = (places(&names(&found)), size(&found));
                    kept.push(format!("{} {way} {than}{places} ({size})", title(method)));
                }
            }
        }
    }
    let too = if said.is_empty() { "" } else { " too" };
    if !luck.is_empty() {
        said.push(format!(
            "p was below {CLEAR}{too} for {}, but seeds do not bear this out: another training may come out \
             otherwise.",
            listed(&luck)
        ));
    }
    if !single.is_empty() {
        said.push(format!(
            "p was below {CLEAR}{too} for {}; one seed cannot tell this from the luck of a training.",
            listed(&single)
        ));
    }
    let torn: Vec<String> = compared
        .iter()
        .filter(|(_, c)| c.is_of_two_minds())
        .map(|(place, c)| format!("{}{}", title(c.method), places(std::slice::from_ref(place))))
        .collect();
    if !torn.is_empty() {
        said.push(format!(
            "For {} most test subjects went one way (p below {CLEAR}) and a few so far the other way that \
             the mean did too, or may be nothing: look at the single subjects.",
            listed(&torn)
        ));
    }
    said.extend(open(compared));
    said
}

fn names(compared: &[&At]) -> Vec<String> {
    compared.iter().map(|(place, _)| place.clone()).collect()
}

/// `by 0.028 to 0.040 Dice (95 % intervals within −0.045 to −0.023 over subjects and −0.052 to −0.013 over
/// seeds; p = 0.002 at most)`.
fn sizes(compared: &[&At]) -> String {
    let of = |value: &dyn Fn(&Comparison) -> Option<[f64; 2]>| {
        let all = compared.iter().filter_map(|(_, c)| value(c));
        all.reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])])
    };
    let several = compared.len() > 1;
    let mut text = size(compared);
    let intervals = if several { "95 % intervals within" } else { "95 % interval" };
    let p = compared.iter().map(|(_, c)| c.corrected).fold(0.0, f64::max);
    let (subjects, seeds) = (of(&|c| c.interval), of(&|c| c.over_seeds));
    if let (Some(subjects), Some(seeds)) = (subjects, seeds) {
        text += &format!(
            " ({intervals} {} over subjects and {} over seeds; {}{})",
            interval(subjects),
            interval(seeds),
            p_in_words(p),
            if several { " at most" } else { "" }
        );
    }
    text
}

/// `by 0.028 to 0.040 Dice`.
fn size(compared: &[&At]) -> String {
    let sizes = || compared.iter().map(|(_, c)| c.mean.abs());
    let (low, high) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max));
    match compared.len() {
        0 | 1 => format!("by {high:.3} Dice"),
        _ => format!("by {low:.3} to {high:.3} Dice"),
    }
}

/// What no p speaks of.
fn open(compared: &[At]) -> Option<String> {
    let open = || compared.iter().map(|(_, c)| c).filter(|c| c.corrected >= CLEAR);
    let low = open().filter_map(|c| c.interval).map(|i| i[0]).reduce(f64::min)?;
    let high = open().filter_map(|c| c.interval).map(|i| i[1]).reduce(f64::max)?;
    let count = open().count();
    let which = match (count == compared.len(), count) {
        (true, 1) => "In this comparison".to_owned(),
        (true, _) => format!("In all {count}"),
        (false, 1) => "In one other".to_owned(),
        (false, _) => format!("In {count} others"),
    };
    Some(format!(
        "{which} p was {CLEAR} or above; 95 % intervals over subjects reach from {}.",
        interval([low, high])
    ))
}

/// What labels alone do, next to which a difference between methods is large or small.
fn growth(groups: &[&Group]) -> Option<String> {
    let (first, last) = (groups.first()?, groups.last()?);
    let dice = |group: &Group| Some(group.side(Method::Scratch)?.spread(Dice::mean, &every)?.mean);
    if first.labelled == last.labelled {
        return None;
    }
    Some(format!(
        "From scratch, Dice went from {:.3} with labels of {} to {:.3} with labels of {}.",
        dice(first)?,
        first.count_in_words(),
        dice(last)?,
        last.count_in_words()
    ))
}
