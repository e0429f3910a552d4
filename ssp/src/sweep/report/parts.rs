//! The study's other tables: unseen phases, unseen vendors, augmentation. Their cells stand beside those
//! of the table of counts, of the same numbers of labelled subjects.

use super::compare::{Comparison, Comparisons, Group, Keep, corrected, every};
use crate::data::vendor::letter;
use crate::evaluate::FrameRow;
use crate::settings::Method;
use crate::sweep::Table;

/// One of these tables.
pub struct Part<'a> {
    /// Its heading.
    pub title: &'static str,
    /// What it compares.
    pub what: &'static str,
    /// Its rows.
    pub rows: Vec<Row<'a>>,
    /// Paired differences, by what they are of.
    pub differences: Vec<(String, Vec<Comparison>)>,
}

/// A row: some frames of a group.
pub struct Row<'a> {
    /// What they are.
    pub name: String,
    /// Whose.
    pub group: &'a Group<'a>,
    /// Which.
    pub keep: Box<dyn Fn(&FrameRow) -> bool>,
}

/// The tables that there are cells of.
pub fn parts<'a>(comparisons: &'a Comparisons<'a>) -> Vec<Part<'a>> {
    let empty = |title, what| Part { title, what, rows: vec![], differences: vec![] };
    let mut phases = empty(
        "Unseen cardiac phases",
        "Trained with labels of one phase only, tested on that and on the other. Pretraining saw images \
         of every phase.",
    );
    let mut vendors = empty(
        "Unseen vendors",
        "Trained with labels of some vendors only, tested on subjects of these and of the others. \
         Pretraining saw images of all vendors, without labels.",
    );
    let mut augmentation = empty(
        "With and without augmentation",
        "Fine-tuned on labelled slices as they are, and augmented. Pretraining was augmented in both.",
    );
    for group in &comparisons.groups {
        let beside = comparisons.beside(group);
        match group.table {
            Table::Subjects => {}
            Table::Phases => phases.add_phases(group, beside),
            Table::Vendors => vendors.add_vendors(group, beside),
            Table::Augmentation => augmentation.add_augmentation(group, beside),
        }
    }
    [phases, vendors, augmentation].into_iter().filter(|part| !part.rows.is_empty()).collect()
}

impl<'a> Part<'a> {
    fn add_phases(&mut self, group: &'a Group<'a>, beside: Option<&'a Group<'a>>) {
        let count = group.count_in_words();
        for moment in ["ED", "ES"] {
            let of = move |row: &FrameRow| row.moment.name() == moment;
            let seen = moment == group.variant;
            let word = if seen { "seen" } else { "unseen" };
            let name = format!("{moment}, {word}: {count} with labels of {}", group.variant);
            self.rows.push(Row { name, group, keep: Box::new(of) });
            if let Some(group) = beside {
                let name = format!("{moment}: {count} with labels of both");
                self.rows.push(Row { name, group, keep: Box::new(of) });
            }
            if !seen {
                self.less_scratch(format!("{moment}, unseen ({count})"), group, &of);
            }
        }
    }

    fn add_vendors(&mut self, group: &'a Group<'a>, beside: Option<&'a Group<'a>>) {
        let (count, names) = (group.train_subjects(), group.variant);
        for seen in [true, false] {
            let labelled: Vec<String> = names.split('+').map(str::to_owned).collect();
            let of = move |row: &FrameRow| {
                let vendor = row.vendor.as_deref().map(letter);
                vendor.is_some_and(|vendor| labelled.iter().any(|name| name == vendor) == seen)
            };
            let word = if seen { "seen" } else { "unseen" };
            let name = format!("{word} vendors: {count:.0} subjects of {names} with labels");
            self.rows.push(Row { name, group, keep: Box::new(of.clone()) });
            if let Some(group) = beside {
                let count = group.train_subjects();
                let name =
                    format!("{word} vendors: {count:.0} subjects of all vendors with labels");
                self.rows.push(Row { name, group, keep: Box::new(of.clone()) });
            }
            if !seen {
                self.less_scratch(format!("unseen vendors ({count:.0} of {names})"), group, &of);
            }
        }
    }

    fn add_augmentation(&mut self, group: &'a Group<'a>, beside: Option<&'a Group<'a>>) {
        let count = group.count_in_words();
        let name = format!("{count} with labels, without augmentation");
        self.rows.push(Row { name, group, keep: Box::new(every) });
        self.less_scratch(format!("less scratch, both without ({count})"), group, &every);
        let Some(with) = beside else { return };
        let name = format!("{count} with labels, with augmentation");
        self.rows.push(Row { name, group: with, keep: Box::new(every) });
        let sides = group.sides.iter();
        let found = sides.filter_map(|side| side.less(with.side(side.method)?, &every)).collect();
        self.differences.push((format!("without less with ({count})"), corrected(found)));
    }

    /// Each pretraining less scratch, on the frames that are kept.
    fn less_scratch(&mut self, name: String, group: &Group, keep: Keep) {
        let Some(scratch) = group.side(Method::Scratch) else { return };
        let others = group.sides.iter().filter(|side| side.method != Method::Scratch);
        let found: Vec<_> = others.filter_map(|side| side.less(scratch, keep)).collect();
        if !found.is_empty() {
            self.differences.push((name, corrected(found)));
        }
    }
}
