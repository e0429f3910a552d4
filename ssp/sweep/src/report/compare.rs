//! Groups of cells that can be compared, and their paired differences.

use std::collections::BTreeMap;

use super::format::labelled;
use super::statistics::{MeanSd, bootstrap, direction, holm, mean, student, wilcoxon};
use crate::{CompletedCell, StudyTable, SweepResults};
use evaluate::{Dice, FrameRow};
use settings::Method;

/// Selects frames.
pub type FrameFilter<'a> = &'a dyn Fn(&FrameRow) -> bool;

/// Selects every frame.
pub fn all_frames(_: &FrameRow) -> bool {
    true
}

/// The Dice of one structure, or the mean of all.
pub type DiceOf = fn(&Dice) -> f64;

/// The structures and their names.
pub const STRUCTURES: [(&str, DiceOf); 3] = [
    ("LV", |dice| dice.left_ventricle),
    ("Myocardium", |dice| dice.myocardium),
    ("RV", |dice| dice.right_ventricle),
];

/// All groups of a sweep.
pub struct Comparisons<'a> {
    /// Methods in the order of the plan.
    pub methods: Vec<Method>,
    /// By table, variant and count, in the order of the plan; only those with a completed cell.
    pub groups: Vec<Group<'a>>,
}

/// Cells that differ in method and seed only.
pub struct Group<'a> {
    /// The table of the study.
    pub table: StudyTable,
    /// Name of the variant.
    pub variant: &'a str,
    /// Labelled subjects; none for all.
    pub labelled: Option<usize>,
    /// Planned seeds of each method.
    pub seeds: usize,
    /// The completed cells of each method, in the order of the plan.
    pub methods: Vec<MethodCells<'a>>,
}

/// The completed cells of a method in a group, one for each seed.
#[derive(Clone)]
pub struct MethodCells<'a> {
    /// The method.
    pub method: Method,
    /// Its cells.
    pub cells: Vec<&'a CompletedCell>,
}

/// The paired difference in Dice between two sets of cells with the same test subjects and seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The method of the first set.
    pub method: Method,
    /// Mean difference for each seed that both sets have.
    pub seeds: Vec<f64>,
    /// 95 % interval of the mean over seeds, by Student's t; none for fewer than two seeds.
    pub over_seeds: Option<[f64; 2]>,
    /// Difference for each test subject, averaged over seeds, frames and structures.
    pub subjects: Vec<f64>,
    /// Mean over subjects.
    pub mean: f64,
    /// 95 % bootstrap interval of the mean over subjects; none for fewer than two.
    pub over_subjects: Option<[f64; 2]>,
    /// Sign of the rank sum of Wilcoxon's test: positive if the ranks favour the first set.
    pub direction: f64,
    /// p of Wilcoxon's signed-rank test over subjects.
    pub p: f64,
    /// The same after Holm's correction over the comparisons with the same labels and frames.
    pub p_holm: f64,
    /// Trainings on either side whose network outlines nothing.
    pub outline_nothing: usize,
}

/// Significance level of the corrected p.
pub const ALPHA: f64 = 0.05;

/// What a comparison shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Better, by all criteria.
    ClearlyBetter,
    /// Worse, by all criteria.
    ClearlyWorse,
    /// p is low, but the interval over seeds includes 0. The random course of a training moves all test
    /// subjects alike, so a test over subjects alone takes it for a difference between methods.
    SeedsDisagree,
    /// p is low, but there is one seed only.
    OneSeed,
    /// p is low because most subjects differ in one direction, but a few differ so far in the other that
    /// the mean does too, or that its interval includes 0.
    SubjectsDisagree,
    /// p is not low.
    Open,
    /// A network on either side outlines nothing, so that its training failed, and the difference is that
    /// of a failure.
    OutlinesNothing,
}

impl Comparison {
    /// What it shows.
    pub fn finding(&self) -> Finding {
        let includes_0 = |[low, high]: [f64; 2]| low <= 0.0 && high >= 0.0;
        if self.outline_nothing > 0 {
            return Finding::OutlinesNothing;
        }
        if self.p_holm >= ALPHA {
            return Finding::Open;
        }
        if self.over_subjects.is_some_and(includes_0) || self.mean * self.direction < 0.0 {
            return Finding::SubjectsDisagree;
        }
        match self.over_seeds {
            None => Finding::OneSeed,
            Some(interval) if includes_0(interval) => Finding::SeedsDisagree,
            Some(_) if self.mean > 0.0 => Finding::ClearlyBetter,
            Some(_) => Finding::ClearlyWorse,
        }
    }
}

impl<'a> Comparisons<'a> {
    /// The comparisons of the completed cells.
    pub fn of(results: &'a SweepResults) -> Self {
        let plan = &results.plan;
        let methods = plan.methods();
        let counts = plan.counts.iter().map(|&labelled| (StudyTable::Subjects, "", labelled));
        let variants = plan.variants.iter().flat_map(|variant| {
            let counts = variant.counts.iter();
            counts.map(|&labelled| (variant.table, variant.name.as_str(), labelled))
        });
        let groups = counts.chain(variants).filter_map(|(table, variant, labelled)| {
            let of_method = |&method: &Method| {
                let wanted = |done: &&CompletedCell| {
                    let cell = &done.record.cell;
                    (cell.table, cell.variant.as_str(), cell.labelled, cell.method)
                        == (table, variant, labelled, method)
                };
                let cells: Vec<_> = results.cells.iter().filter(wanted).collect();
                (!cells.is_empty()).then_some(MethodCells { method, cells })
            };
            let methods: Vec<MethodCells> = methods.iter().filter_map(of_method).collect();
            let seeds = plan.seeds.len();
            let group = Group { table, variant, labelled, seeds, methods };
            (!group.methods.is_empty()).then_some(group)
        });
        Comparisons { groups: groups.collect(), methods }
    }

    /// The groups of a table.
    pub fn table(&self, table: StudyTable) -> impl Iterator<Item = &Group<'a>> {
        self.groups.iter().filter(move |group| group.table == table)
    }

    /// The group without a variant that has as many labelled subjects.
    pub fn baseline(&self, group: &Group<'_>) -> Option<&Group<'a>> {
        self.table(StudyTable::Subjects).find(|other| other.labelled == group.labelled)
    }
}

impl<'a> Group<'a> {
    /// The cells of a method.
    pub fn of_method(&self, method: Method) -> Option<&MethodCells<'a>> {
        self.methods.iter().find(|cells| cells.method == method)
    }

    /// Each pretraining minus scratch on the selected frames.
    pub fn minus_scratch(&self, filter: FrameFilter) -> Vec<Comparison> {
        let Some(scratch) = self.of_method(Method::Scratch) else { return vec![] };
        let others = self.methods.iter().filter(|cells| cells.method != Method::Scratch);
        others.filter_map(|cells| cells.minus(scratch, filter)).collect()
    }

    /// Subjects whose labels were used, on average over the cells.
    pub fn train_subjects(&self) -> f64 {
        let cells = self.methods.iter().flat_map(|method| &method.cells);
        let counts: Vec<f64> = cells.map(|cell| cell.record.train_subjects as f64).collect();
        mean(&counts).unwrap_or(0.0)
    }

    /// The number of labelled subjects: `5`, `all 36`.
    pub fn count(&self) -> String {
        match self.labelled {
            Some(_) => labelled(self.labelled),
            None => format!("all {:.0}", self.train_subjects()),
        }
    }
}

impl MethodCells<'_> {
    /// Mean and standard deviation over seeds of the mean Dice of the selected frames.
    pub fn dice(&self, dice_of: DiceOf, filter: FrameFilter) -> Option<MeanSd> {
        let of_cell = |cell: &&CompletedCell| {
            let frames = cell.frames.iter().filter(|row| filter(row));
            mean(&frames.map(|row| dice_of(&row.dice)).collect::<Vec<_>>())
        };
        MeanSd::of(&self.cells.iter().filter_map(of_cell).collect::<Vec<_>>())
    }

    /// These cells minus others, on the selected frames; none without a common seed and subject.
    pub fn minus(&self, others: &MethodCells, filter: FrameFilter) -> Option<Comparison> {
        let (mut seeds, mut outline_nothing) = (Vec::new(), 0);
        let mut by_subject: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for cell in &self.cells {
            let same_seed = |c: &&&CompletedCell| c.record.cell.seed == cell.record.cell.seed;
            let Some(other) = others.cells.iter().find(same_seed) else { continue };
            outline_nothing += [*cell, *other].iter().filter(|c| c.outlines_nothing).count();
            let theirs = dice_by_subject(other, filter);
            let mut of_seed = Vec::new();
            for (subject, dice) in dice_by_subject(cell, filter) {
                if let Some(other) = theirs.get(subject) {
                    by_subject.entry(subject).or_default().push(dice - other);
                    of_seed.push(dice - other);
                }
            }
            seeds.extend(mean(&of_seed));
        }
        let subjects: Vec<f64> = by_subject.into_values().filter_map(|d| mean(&d)).collect();
        let p = wilcoxon(&subjects);
        Some(Comparison {
            method: self.method,
            over_seeds: student(&seeds),
            seeds,
            mean: mean(&subjects)?,
            over_subjects: bootstrap(&subjects),
            direction: direction(&subjects),
            subjects,
            p,
            p_holm: p,
            outline_nothing,
        })
    }
}

/// Mean Dice of each subject over structures and the selected frames.
pub fn dice_by_subject<'a>(cell: &'a CompletedCell, filter: FrameFilter) -> BTreeMap<&'a str, f64> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for row in cell.frames.iter().filter(|row| filter(row)) {
        values.entry(&row.subject).or_default().push(row.dice.mean());
    }
    values.into_iter().filter_map(|(subject, dice)| Some((subject, mean(&dice)?))).collect()
}

/// The comparisons with p corrected over all of them by Holm's method.
pub fn corrected(mut comparisons: Vec<Comparison>) -> Vec<Comparison> {
    let all = holm(&comparisons.iter().map(|comparison| comparison.p).collect::<Vec<_>>());
    comparisons.iter_mut().zip(all).for_each(|(comparison, p)| comparison.p_holm = p);
    comparisons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_difference_has_a_low_p_and_both_intervals_beyond_0() {
        let clear = Comparison {
            method: Method::Mim,
            seeds: vec![0.02, 0.03],
            over_seeds: Some([0.01, 0.04]),
            subjects: vec![0.02, 0.03],
            mean: 0.025,
            over_subjects: Some([0.02, 0.03]),
            direction: 1.0,
            p: 0.001,
            p_holm: 0.004,
            outline_nothing: 0,
        };
        let worse = Comparison {
            over_seeds: Some([-0.04, -0.01]),
            mean: -0.025,
            over_subjects: Some([-0.03, -0.02]),
            direction: -1.0,
            ..clear.clone()
        };
        let cases = [
            (clear.clone(), Finding::ClearlyBetter),
            (worse, Finding::ClearlyWorse),
            (
                Comparison { over_subjects: Some([-0.004, 0.03]), ..clear.clone() },
                Finding::SubjectsDisagree,
            ),
            (Comparison { direction: -1.0, ..clear.clone() }, Finding::SubjectsDisagree),
            (
                Comparison { over_seeds: Some([-0.01, 0.06]), ..clear.clone() },
                Finding::SeedsDisagree,
            ),
            (Comparison { over_seeds: None, ..clear.clone() }, Finding::OneSeed),
            (Comparison { outline_nothing: 1, ..clear.clone() }, Finding::OutlinesNothing),
            (Comparison { p_holm: 0.05, ..clear }, Finding::Open),
        ];
        for (comparison, finding) in cases {
            assert_eq!(comparison.finding(), finding, "{comparison:?}");
        }
    }
}
