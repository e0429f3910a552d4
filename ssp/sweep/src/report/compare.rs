//! Cells that are comparable, and what comparing them gives.

use std::collections::BTreeMap;

use super::statistics::{Spread, bootstrap, direction, holm, mean, student, wilcoxon};
use crate::{Done, Results, Table};
use evaluate::{Dice, FrameRow};
use settings::Method;

/// A choice of frames.
pub type Keep<'a> = &'a dyn Fn(&FrameRow) -> bool;

/// Every frame.
pub fn every(_: &FrameRow) -> bool {
    true
}

/// What of a Dice is looked at.
pub type Score = fn(&Dice) -> f64;

/// The structures and their names.
pub const STRUCTURES: [(&str, Score); 3] = [
    ("LV", |dice| dice.left_ventricle),
    ("Myocardium", |dice| dice.myocardium),
    ("RV", |dice| dice.right_ventricle),
];

/// All groups of a sweep.
pub struct Comparisons<'a> {
    /// Methods of the plan, in its order.
    pub methods: Vec<Method>,
    /// By table, variant and count, as the plan has them; those without a cell that is done are left
    /// out.
    pub groups: Vec<Group<'a>>,
}

/// Cells that are alike but for method and seed.
pub struct Group<'a> {
    /// The table that they belong to.
    pub table: Table,
    /// The variant, by its name.
    pub variant: &'a str,
    /// Labelled subjects; none for all.
    pub labelled: Option<usize>,
    /// Seeds that each method is to have.
    pub seeds: usize,
    /// By method, in the plan's order.
    pub sides: Vec<Side<'a>>,
    /// Each pretraining against scratch, as far as there are cells of both.
    pub against_scratch: Vec<Comparison>,
}

/// The cells of a method in a group, one for each seed.
#[derive(Clone)]
pub struct Side<'a> {
    /// The method.
    pub method: Method,
    /// Its cells.
    pub cells: Vec<&'a Done>,
}

/// One side against another, on the same test subjects and with the same seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The method of the first side.
    pub method: Method,
    /// Mean difference of each seed that both have.
    pub seeds: Vec<f64>,
    /// 95 % interval of the mean over seeds; none of fewer than two.
    pub over_seeds: Option<[f64; 2]>,
    /// Difference of each test subject: first less second, averaged over seeds, frames and structures.
    pub subjects: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// 95 % bootstrap interval of the mean, over subjects; none of fewer than two.
    pub interval: Option<[f64; 2]>,
    /// Which way Wilcoxon's test finds differences to go.
    pub direction: f64,
    /// Wilcoxon's p.
    pub p: f64,
    /// The same after Holm's correction for the comparisons that it stands among.
    pub corrected: f64,
}

/// A corrected p below this counts as a clear difference.
pub const CLEAR: f64 = 0.05;

impl Comparison {
    /// Whether the corrected p is below 0.05, and speaks for what the mean says: other subjects like these
    /// would tell the same of these very networks.
    pub fn is_clear_of_networks(&self) -> bool {
        self.corrected < CLEAR && !self.is_of_two_minds()
    }

    /// Whether p is low because most subjects go one way, while a few go so far the other way that the mean
    /// does too, or may be nothing.
    pub fn is_of_two_minds(&self) -> bool {
        let open = self.interval.is_some_and(|[low, high]| low <= 0.0 && high >= 0.0);
        self.corrected < CLEAR && (open || self.mean * self.direction < 0.0)
    }

    /// Whether seeds bear it out besides: what a training's luck gives moves all test subjects alike, so
    /// that no number of them tells it from a difference between methods.
    pub fn is_clear(&self) -> bool {
        let beyond_luck = self.over_seeds.is_some_and(|[low, high]| low > 0.0 || high < 0.0);
        self.is_clear_of_networks() && beyond_luck
    }
}

impl<'a> Comparisons<'a> {
    /// Those of a sweep as far as it has come.
    pub fn of(results: &'a Results) -> Self {
        let plan = &results.plan;
        let methods: Vec<Method> = plan.arms.iter().map(|arm| arm.method).collect();
        let counts = plan.counts.iter().map(|&labelled| (Table::Subjects, "", labelled));
        let variants = plan.variants.iter().flat_map(|variant| {
            let counts = variant.counts.iter();
            counts.map(|&labelled| (variant.table, variant.name.as_str(), labelled))
        });
        let groups = counts.chain(variants).filter_map(|(table, variant, labelled)| {
            let sides: Vec<Side> = methods
                .iter()
                .map(|&method| Side::of(results, table, variant, labelled, method))
                .filter(|side| !side.cells.is_empty())
                .collect();
            let against_scratch = against_scratch(&sides);
            let seeds = plan.seeds.len();
            let group = Group { table, variant, labelled, seeds, sides, against_scratch };
            (!group.sides.is_empty()).then_some(group)
        });
        Comparisons { groups: groups.collect(), methods }
    }

    /// The groups of a table.
    pub fn table(&self, table: Table) -> impl Iterator<Item = &Group<'a>> {
        self.groups.iter().filter(move |group| group.table == table)
    }

    /// The group by counts that a variant's group is compared with.
    pub fn beside(&self, group: &Group<'_>) -> Option<&Group<'a>> {
        self.table(Table::Subjects).find(|other| other.labelled == group.labelled)
    }
}

impl<'a> Group<'a> {
    /// The cells of a method.
    pub fn side(&self, method: Method) -> Option<&Side<'a>> {
        self.sides.iter().find(|side| side.method == method)
    }

    /// Subjects whose labels were used, on average over the cells.
    pub fn train_subjects(&self) -> f64 {
        let cells = self.sides.iter().flat_map(|side| &side.cells);
        let counts: Vec<f64> = cells.map(|cell| cell.record.train_subjects as f64).collect();
        mean(&counts).unwrap_or(0.0)
    }

    /// The count in words: `5`, `all 36`.
    pub fn count_in_words(&self) -> String {
        match self.labelled {
            Some(count) => count.to_string(),
            None => format!("all {:.0}", self.train_subjects()),
        }
    }
}

impl<'a> Side<'a> {
    fn of(
        results: &'a Results,
        table: Table,
        variant: &str,
        labelled: Option<usize>,
        method: Method,
    ) -> Self {
        let wanted = |done: &&Done| {
            let cell = &done.record.cell;
            (cell.table, cell.variant.as_str(), cell.labelled, cell.method)
                == (table, variant, labelled, method)
        };
        Side { method, cells: results.cells.iter().filter(wanted).collect() }
    }

    /// The mean over frames of each seed's cell, of the frames that are kept.
    pub fn by_seed(&self, score: Score, keep: Keep) -> Vec<f64> {
        let of_cell = |cell: &&Done| {
            let kept = cell.frames.iter().filter(|row| keep(row));
            mean(&kept.map(|row| score(&row.dice)).collect::<Vec<_>>())
        };
        self.cells.iter().filter_map(of_cell).collect()
    }

    /// Mean over seeds of the mean Dice of the kept frames, and its spread.
    pub fn spread(&self, score: Score, keep: Keep) -> Option<Spread> {
        Spread::of(&self.by_seed(score, keep))
    }

    /// This side less another, of the frames that are kept; none if they share no seed or subject.
    pub fn less(&self, other: &Side, keep: Keep) -> Option<Comparison> {
        let mut seeds = Vec::new();
        let mut by_subject: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for cell in &self.cells {
            let same_seed = |c: &&&Done| c.record.cell.seed == cell.record.cell.seed;
            let Some(beside) = other.cells.iter().find(same_seed) else { continue };
            let theirs = by_subject_of(beside, keep);
            let mut of_seed = Vec::new();
            for (subject, dice) in by_subject_of(cell, keep) {
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
            interval: bootstrap(&subjects),
            direction: direction(&subjects),
            subjects,
            p,
            corrected: p,
        })
    }
}

/// Mean Dice of each subject over its kept frames and structures.
pub fn by_subject_of<'a>(cell: &'a Done, keep: Keep) -> BTreeMap<&'a str, f64> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for row in cell.frames.iter().filter(|row| keep(row)) {
        values.entry(&row.subject).or_default().push(row.dice.mean());
    }
    values.into_iter().filter_map(|(subject, dice)| Some((subject, mean(&dice)?))).collect()
}

/// Each pretraining less scratch, corrected for one another.
fn against_scratch(sides: &[Side]) -> Vec<Comparison> {
    let Some(scratch) = sides.iter().find(|side| side.method == Method::Scratch) else {
        return vec![];
    };
    let others = sides.iter().filter(|side| side.method != Method::Scratch);
    corrected(others.filter_map(|side| side.less(scratch, &every)).collect())
}

/// Comparisons that stand among one another, after Holm's correction.
pub fn corrected(mut comparisons: Vec<Comparison>) -> Vec<Comparison> {
    let all = holm(&comparisons.iter().map(|comparison| comparison.p).collect::<Vec<_>>());
    comparisons.iter_mut().zip(all).for_each(|(comparison, p)| comparison.corrected = p);
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
            interval: Some([0.02, 0.03]),
            direction: 1.0,
            p: 0.001,
            corrected: 0.004,
        };
        assert!(clear.is_clear() && !clear.is_of_two_minds());
        let torn = [
            Comparison { interval: Some([-0.004, 0.03]), ..clear.clone() },
            Comparison { direction: -1.0, ..clear.clone() },
        ];
        assert!(torn.iter().all(|c| c.is_of_two_minds() && !c.is_clear_of_networks()));
        let luck = Comparison { over_seeds: Some([-0.01, 0.06]), ..clear.clone() };
        assert!(luck.is_clear_of_networks() && !luck.is_clear());
        let open = Comparison { corrected: 0.06, ..clear };
        assert!(!open.is_clear_of_networks() && !open.is_of_two_minds());
    }
}
