//! What the numbers of a sweep do not show, and what they rest on, in words.

use std::collections::BTreeSet;

use super::compare::{CLEAR, Comparison, Comparisons, Group};
use super::level::{LEVEL, Level};
use super::parts::Part;
use super::statistics::{mean, smallest_p};
use super::words::{listed, number, signed, title};
use crate::{Arm, Candidate, Results, Table};
use settings::{Centre, Method};

/// From so many on, seeds tell well how far trainings differ.
const MANY_SEEDS: usize = 10;

/// Fewer test subjects than this are few for a bootstrap by percentiles.
const FEW: usize = 20;

/// Sentences, the most important first.
pub fn limits(results: &Results, comparisons: &Comparisons, parts: &[Part]) -> Vec<String> {
    let groups: Vec<&Group> = comparisons.table(Table::Subjects).collect();
    let mut said = missing(results);
    said.extend(reach(results));
    said.extend(Some(power(&groups, parts).join(" ")).filter(|said| !said.is_empty()));
    said.extend(seeds(results, &groups));
    said.extend(levels(comparisons));
    said
}

/// Whom the numbers speak of.
fn reach(results: &Results) -> Vec<String> {
    let mut said = Vec::new();
    let tested = results.cells.iter().map(|cell| cell.record.test_subjects).max().unwrap_or(0);
    let pretrained = results.plan.arms.iter().any(|arm| arm.method != Method::Scratch);
    let shared = if pretrained { ", and one pretraining serves all cells of a method" } else { "" };
    said.push(format!(
        "All cells test on the same {} of one split of one cohort{shared}. p and intervals over subjects \
         take the trained networks as they are: they tell how sure a mean over such subjects is, not what \
         another training, another pretraining, another split or another cohort would give.",
        number(tested, "subject")
    ));
    if let Some(valid) = results.roles.as_ref().map(|roles| roles.valid.len()).filter(|n| *n > 0) {
        let tried = results.plan.arms.iter().any(|arm| arm.candidates.len() > 1);
        let mut all = results.plan.arms.iter().flat_map(|arm| &arm.candidates);
        let looked = all.any(|candidate| {
            let finetune = &candidate.settings.finetune;
            finetune.validate_every > 0 || finetune.validate_steps > 0
        });
        let what: Vec<String> = [(tried, "settings"), (looked, "the weights that were tested")]
            .into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, what)| what.to_owned())
            .collect();
        if !what.is_empty() {
            said.push(format!(
                "Labels of {} chose {}; they are not among the labelled subjects that are counted.",
                number(valid, "validation subject"),
                listed(&what)
            ));
        }
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
    if results.plan.data.is_empty() {
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
    if let Some(subjects) = fewest(&families).filter(|subjects| (2..FEW).contains(subjects)) {
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
    // Of the family that can show most.
    let of = |family: &&[Comparison]| {
        Some(smallest_p(family.iter().map(|c| c.subjects.len()).max()?) * family.len() as f64)
    };
    let best = families.iter().filter_map(of).fold(f64::INFINITY, f64::min);
    let none = if best >= CLEAR { ": with so few, no difference could be shown" } else { "" };
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
            "Validation Dice of {} rose by less than {LEVEL} over the last quarter of fine-tuning: more \
             steps may still change it, the more so where learning rates fell",
            listed(&level)
        ));
    }
    if !unknown.is_empty() {
        said.push(format!(
            "Whether {} had levelled off is not known: there were too few looks at validation subjects in the \
             last half",
            listed(&unknown)
        ));
    }
    (!said.is_empty()).then(|| said.join(". ") + ".")
}

/// What there is no result of.
pub fn missing(results: &Results) -> Vec<String> {
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
