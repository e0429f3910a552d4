//! What the numbers show and what they do not, in words.
//!
//! A difference is called clear where its p stays below 0.05 after Holm's correction and its interval over
//! seeds leaves out 0: p alone, which is over subjects, would take the luck of some trainings for a method's
//! doing. It is told with its size, intervals and p. Where none is clear, nothing is said to be equal: the
//! intervals say what is not ruled out.

use std::collections::BTreeSet;

use super::compare::{CLEAR, Comparison, Comparisons, Group, every};
use super::level::{LEVEL, Level};
use super::parts::{Differences, Part};
use super::statistics::{mean, smallest_p};
use super::words::{interval, listed, number, p_in_words, signed, title};
use crate::data::PHANTOM;
use crate::evaluate::Dice;
use crate::settings::{Centre, Method};
use crate::sweep::{Arm, Candidate, Results, Table};

/// From so many on, seeds tell well how far trainings differ.
const MANY_SEEDS: usize = 10;

/// Fewer test subjects than this are few for a bootstrap by percentiles.
const FEW: usize = 20;

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
        let mut limits = missing(results);
        limits.extend(reach(results));
        limits.extend(Some(power(&groups, parts).join(" ")).filter(|said| !said.is_empty()));
        limits.extend(seeds(results, &groups));
        limits.extend(levels(comparisons));
        Verdict { shown, limits }
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
    if compared.iter().any(|(_, c)| !c.is_clear()) {
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
        "{found}. Clear is what has a p below {CLEAR} over test subjects, after Holm's correction, and a \
         95 % interval over seeds that leaves out 0."
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
    let mut said = Vec::new();
    let mut luck = Vec::new();
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
            let lucky = of(false);
            if !lucky.is_empty() {
                let places = places(&names(&lucky));
                luck.push(format!("{} {way} {than}{places}", title(method)));
            }
        }
    }
    if !luck.is_empty() {
        said.push(format!(
            "p was below {CLEAR} too for {}, but seeds do not bear this out: another training may come out \
             otherwise.",
            listed(&luck)
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
             the mean did too: look at the single subjects.",
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
    let intervals = if several { "95 % intervals within" } else { "95 % interval" };
    let mut text = match of(&|c| Some([c.mean.abs(); 2])) {
        Some([low, high]) if several => format!("by {low:.3} to {high:.3} Dice"),
        Some([size, _]) => format!("by {size:.3} Dice"),
        None => String::new(),
    };
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

/// Whom the numbers speak of.
fn reach(results: &Results) -> Vec<String> {
    let mut said = Vec::new();
    let tested = results.cells.iter().map(|cell| cell.record.test_subjects).max().unwrap_or(0);
    let pretrained = results.plan.arms.iter().any(|arm| arm.method != Method::Scratch);
    let shared = if pretrained { ", and one pretraining serves all cells of a method" } else { "" };
    said.push(format!(
        "All cells test on the same {} of one split of one cohort{shared}. p and intervals take the trained \
         networks as they are: they tell how sure a mean over such subjects is, not what another training, \
         another pretraining, another split or another cohort would give.",
        number(tested, "subject")
    ));
    if let Some(valid) = results.roles.as_ref().map(|roles| roles.valid.len()).filter(|n| *n > 0) {
        said.push(format!(
            "Labels of {} chose settings and the weights that were tested, in all cells; they are not among \
             the labelled subjects that are counted.",
            number(valid, "validation subject")
        ));
    }
    let by_labels = |arm: &&Arm| {
        let centre = |candidate: &Candidate| candidate.settings.pretrain.centre == Centre::Labels;
        arm.method != Method::Scratch && arm.candidates.iter().any(centre)
    };
    if results.plan.arms.iter().filter(by_labels).count() > 0 {
        said.push(
            "Pretraining centred its views on the hearts by the labels of all training subjects, as the \
             study did (pretrain.centre=labels): it saw where hearts are, and with few labelled subjects \
             scratch did not. pretrain.centre=motion finds them without labels."
                .into(),
        );
    }
    said.extend(growth_of(results));
    said.extend(devices(results));
    if results.source.as_deref().is_some_and(|source| source.contains(PHANTOM)) {
        said.push(
            "The cohort is drawn by the program: it tells how methods compare on drawn hearts, and \
             nothing of patients."
                .into(),
        );
    }
    said
}

/// What was added to the sweep by somebody who may have seen its results.
fn growth_of(results: &Results) -> Option<String> {
    let (plan, begun) = (&results.plan, results.plan.begun());
    let counts = |counts: &[Option<usize>]| -> Vec<String> {
        counts.iter().map(|c| c.map_or("all".to_owned(), |count| count.to_string())).collect()
    };
    let methods = |methods: &[Method]| -> Vec<String> {
        methods.iter().map(|&method| title(method).to_owned()).collect()
    };
    let seeds = |seeds: &[u64]| -> Vec<String> { seeds.iter().map(u64::to_string).collect() };
    let added = |what: &str, now: Vec<String>, before: Vec<String>| {
        let new: Vec<String> = now.into_iter().filter(|item| !before.contains(item)).collect();
        (!new.is_empty()).then(|| format!("{what} {}", listed(&new)))
    };
    let added = [
        added("methods", methods(&plan.methods()), methods(&begun.methods)),
        added("numbers of labelled subjects", counts(&plan.counts), counts(&begun.counts)),
        added("seeds", seeds(&plan.seeds), seeds(&begun.seeds)),
    ];
    let added: Vec<String> = added.into_iter().flatten().collect();
    (!added.is_empty()).then(|| {
        format!(
            "Added after the sweep had begun, perhaps with a look at what it had come to: {}.",
            listed(&added)
        )
    })
}

/// Where work was done, if on more than one kind of device.
fn devices(results: &Results) -> Option<String> {
    let cells = results.cells.iter().map(|cell| &cell.record.ending);
    let tried = results.choices.iter().flat_map(|choice| &choice.candidates);
    let tried = tried.flat_map(|t| t.pretrained.iter().chain(t.trial.iter().map(|t| &t.ending)));
    let found: BTreeSet<&str> =
        cells.chain(tried).filter_map(|ending| ending.device.as_deref()).collect();
    (found.len() > 1).then(|| {
        let found: Vec<String> = found.into_iter().map(str::to_owned).collect();
        format!("Work was done on {}, whose rounding differs.", listed(&found))
    })
}

/// What tests of so few subjects and so many comparisons can show.
fn power(groups: &[&Group], parts: &[Part]) -> Vec<String> {
    let main: Vec<&[Comparison]> = groups.iter().map(|g| g.against_scratch.as_slice()).collect();
    let of = "By labelled subjects: ".to_owned();
    let mut said: Vec<String> = smallest(&main).map(|line| of + &line).into_iter().collect();
    let mut families: Vec<&[Comparison]> = main.clone();
    for part in parts {
        let rows: Vec<&[Comparison]> =
            part.differences.iter().map(|of| of.comparisons.as_slice()).collect();
        // Of vendors that were left out there are fewer.
        if fewest(&rows) < fewest(&main) {
            let of = format!("{}: ", part.title);
            said.extend(smallest(&rows).map(|line| of + &line));
        }
        families.extend(rows);
    }
    families.retain(|family| !family.is_empty());
    if families.len() > 1 {
        said.push(format!(
            "p is corrected over the methods of a count, or of a row of another table, and not over all \
             {} comparisons: were these very networks equally good on such subjects, about one in twenty of \
             the {} rows could still have a p below {CLEAR} by chance, and by the luck of trainings more.",
            families.iter().map(|family| family.len()).sum::<usize>(),
            families.len()
        ));
    }
    if let Some(subjects) = fewest(&families).filter(|subjects| *subjects < FEW) {
        said.push(format!(
            "Bootstrap intervals of as few as {} are somewhat too narrow.",
            number(subjects, "subject")
        ));
    }
    said
}

/// The fewest subjects of any comparison.
fn fewest(families: &[&[Comparison]]) -> Option<usize> {
    families.iter().flat_map(|family| family.iter()).map(|c| c.subjects.len()).min()
}

/// The smallest p that these tests could give, where it is not next to nothing.
fn smallest(families: &[&[Comparison]]) -> Option<String> {
    let (subjects, methods) = (fewest(families)?, families.iter().map(|f| f.len()).max()?);
    let least = smallest_p(subjects);
    let corrected = (least * methods as f64).min(1.0);
    let none = if corrected >= CLEAR { ": with so few, no difference could be shown" } else { "" };
    (corrected >= 1e-4).then(|| {
        format!(
            "a test of {} can give no p below {least:.4} ({corrected:.4} after correction for {}){none}.",
            number(subjects, "subject"),
            number(methods, "comparison")
        )
    })
}

/// How far seeds differ.
fn seeds(results: &Results, groups: &[&Group]) -> Option<String> {
    if results.plan.seeds.len() == 1 {
        return Some(
            "One seed only: how far another training would differ is not known, so that no difference can \
             be told from the luck of one training."
                .into(),
        );
    }
    let width = |c: &Comparison| {
        let low = c.seeds.iter().copied().reduce(f64::min)?;
        let high = c.seeds.iter().copied().reduce(f64::max)?;
        (c.seeds.len() > 1).then_some((low, high))
    };
    let widest = groups
        .iter()
        .flat_map(|group| group.against_scratch.iter().map(move |c| (group, c)))
        .filter_map(|(group, c)| width(c).map(|(low, high)| (group, c, low, high)))
        .max_by(|a, b| (a.3 - a.2).total_cmp(&(b.3 - b.2)))?;
    let (group, c, low, high) = widest;
    let seeds = number(results.plan.seeds.len(), "seed");
    let few = if results.plan.seeds.len() < MANY_SEEDS { " are few" } else { "" };
    Some(format!(
        "{seeds}{few}: the difference between {} and scratch with {} labelled subjects, where seeds differed \
         most, was {} with one seed and {} with another.",
        title(c.method),
        group.count_in_words(),
        signed(low),
        signed(high)
    ))
}

/// Whether validation Dice went on rising.
fn levels(comparisons: &Comparisons) -> Option<String> {
    let (mut rising, mut level, mut unknown) = (vec![], vec![], vec![]);
    for &method in &comparisons.methods {
        if comparisons.table(Table::Subjects).all(|group| group.side(method).is_none()) {
            continue;
        }
        let mut known = false;
        let mut counts = Vec::new();
        for group in comparisons.table(Table::Subjects) {
            let cells = group.side(method).map_or(&[][..], |side| &side.cells);
            let gains: Vec<f64> =
                cells.iter().filter_map(|c| Level::of_dice(&c.looks)).map(|l| l.gain()).collect();
            known |= !gains.is_empty();
            if let Some(gain) = mean(&gains).filter(|gain| *gain >= LEVEL) {
                counts.push(format!("{} with {}", signed(gain), group.count_in_words()));
            }
        }
        match (known, counts.is_empty()) {
            (false, _) => unknown.push(title(method).to_owned()),
            (true, true) => level.push(title(method).to_owned()),
            (true, false) => rising.push(format!("{} ({})", title(method), listed(&counts))),
        }
    }
    let mut said = Vec::new();
    if !rising.is_empty() {
        said.push(format!(
            "Validation Dice still rose by {LEVEL} or more over the last quarter of fine-tuning: {}. A \
             difference may be one of training time",
            listed(&rising)
        ));
    }
    if !level.is_empty() {
        said.push(format!(
            "Validation Dice of {} rose by less than {LEVEL} over the last quarter of fine-tuning, while \
             learning rates fell: more steps may still change it",
            listed(&level)
        ));
    }
    if !unknown.is_empty() {
        said.push(format!(
            "Whether {} had levelled off is not known: no validation Dice was taken over the last half",
            listed(&unknown)
        ));
    }
    (!said.is_empty()).then(|| said.join(". ") + ".")
}

/// What there is no result of.
fn missing(results: &Results) -> Vec<String> {
    let mut said = Vec::new();
    let failed = results.lost.iter().filter(|lost| lost.failed.is_some()).count();
    let waiting = results.lost.len() - failed;
    let all = results.lost.len() + results.cells.len();
    let what = match (failed, waiting) {
        (0, 0) => None,
        (0, 1) => Some("1 is not done yet".into()),
        (0, _) => Some(format!("{waiting} are not done yet")),
        (_, 0) => Some(format!("{failed} failed")),
        _ => Some(format!("{failed} failed and {waiting} are not done yet")),
    };
    if let Some(what) = what {
        said.push(format!("Of {all} cells {what}; what is said here is of the others."));
    }
    for choice in results.choices.iter().filter(|choice| choice.chosen.is_none()) {
        let over = choice.candidates.iter().all(|tried| tried.trial.is_some());
        let what = if over {
            "every setting that was tried failed"
        } else {
            "settings are not chosen yet"
        };
        said.push(format!("{}: {what}.", title(choice.method)));
    }
    said
}
