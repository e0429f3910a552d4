//! The study's other tables: unseen phases, unseen vendors, augmentation. Their cells stand beside those
//! of the table of counts, of the same numbers of labelled subjects.

use super::compare::{Comparison, Comparisons, Group, Keep, corrected, every};
use crate::Table;
use data::vendor::vendor_letter;
use evaluate::FrameRow;
use settings::Method;

/// One of these tables.
pub struct Part<'a> {
    /// Its heading.
    pub title: &'static str,
    /// What it compares.
    pub what: &'static str,
    /// What a row is.
    pub head: &'static str,
    /// Its rows.
    pub rows: Vec<Row<'a>>,
    /// Paired differences, by what they are of.
    pub differences: Vec<Differences>,
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

/// Paired differences of methods, corrected for one another.
pub struct Differences {
    /// In a few words, for a heading.
    pub name: String,
    /// What a method is compared with, after its name: `was ahead of ...`.
    pub than: &'static str,
    /// By method.
    pub comparisons: Vec<Comparison>,
}

const SCRATCH: &str = "scratch";
const ITSELF: &str = "itself with augmentation";

/// The tables that there are cells of.
pub fn parts<'a>(comparisons: &'a Comparisons<'a>) -> Vec<Part<'a>> {
    let empty = |title, what, head| Part { title, what, head, rows: vec![], differences: vec![] };
    let mut phases = empty(
        "Unseen cardiac phases",
        "Trained with labels of one phase only, tested on that and on the other. Pretraining saw images \
         of every phase, and settings were chosen by labels of both.",
        "Tested on",
    );
    let mut vendors = empty(
        "Unseen vendors",
        "Trained and validated with labels of some vendors only, tested on subjects of these and of the \
         others. Pretraining saw images of all vendors, and settings were chosen by validation subjects of \
         all.",
        "Tested on",
    );
    let mut augmentation = empty(
        "With and without augmentation",
        "Fine-tuned on labelled slices as they are, and augmented. Pretraining was augmented in both.",
        "Labelled subjects",
    );
    phases.add_phases(comparisons);
    for group in comparisons.table(Table::Vendors) {
        vendors.add_vendors(group, comparisons.beside(group));
    }
    for group in comparisons.table(Table::Augmentation) {
        augmentation.add_augmentation(group, comparisons.beside(group));
    }
    [phases, vendors, augmentation].into_iter().filter(|part| !part.rows.is_empty()).collect()
}

impl<'a> Part<'a> {
    /// For each count and each phase that is tested on: labels of both phases, of one, of the other.
    fn add_phases(&mut self, comparisons: &'a Comparisons<'a>) {
        let mut counts: Vec<Option<usize>> =
            comparisons.table(Table::Phases).map(|group| group.labelled).collect();
        counts.sort_by_key(|count| count.unwrap_or(usize::MAX));
        counts.dedup();
        for labelled in counts {
            let of_count = || comparisons.table(Table::Phases).filter(|g| g.labelled == labelled);
            let both = of_count().next().and_then(|group| comparisons.beside(group));
            for moment in ["ED", "ES"] {
                let of = move |row: &FrameRow| row.moment.name() == moment;
                for group in both.into_iter().chain(of_count()) {
                    let count = group.count_in_words();
                    let (labels, unseen) = match group.variant {
                        "" => ("ED and ES", ""),
                        labels if labels == moment => (labels, ""),
                        labels => (labels, " (unseen)"),
                    };
                    let name = format!("{moment}{unseen}, labels of {labels}, {count}");
                    self.rows.push(Row { name, group, keep: Box::new(of) });
                    if !unseen.is_empty() {
                        self.less_scratch(format!("Unseen {moment}, {count}"), group, &of);
                    }
                }
            }
        }
    }

    fn add_vendors(&mut self, group: &'a Group<'a>, beside: Option<&'a Group<'a>>) {
        let names = group.variant;
        for seen in [true, false] {
            let labelled: Vec<String> = names.split('+').map(str::to_owned).collect();
            let of = move |row: &FrameRow| {
                let vendor = row.vendor.as_deref().map(vendor_letter);
                vendor.is_some_and(|vendor| labelled.iter().any(|name| name == vendor) == seen)
            };
            let tested = match seen {
                true => names.to_owned(),
                false => format!("not {names} (unseen)"),
            };
            let name = format!("{tested}, labels of {:.0} of {names}", group.train_subjects());
            self.rows.push(Row { name, group, keep: Box::new(of.clone()) });
            if let Some(group) = beside {
                let tested = tested.replace(" (unseen)", "");
                let name =
                    format!("{tested}, labels of {:.0} of all vendors", group.train_subjects());
                self.rows.push(Row { name, group, keep: Box::new(of.clone()) });
            }
            if !seen {
                let name = format!("Unseen vendors, {:.0} of {names}", group.train_subjects());
                self.less_scratch(name, group, &of);
            }
        }
    }

    fn add_augmentation(&mut self, group: &'a Group<'a>, beside: Option<&'a Group<'a>>) {
        let count = group.count_in_words();
        let name = format!("{count}, without augmentation");
        self.rows.push(Row { name, group, keep: Box::new(every) });
        self.less_scratch(format!("Without augmentation, {count}"), group, &every);
        let Some(with) = beside else { return };
        let name = format!("{count}, with augmentation");
        self.rows.push(Row { name, group: with, keep: Box::new(every) });
        let sides = group.sides.iter();
        let found = sides.filter_map(|side| side.less(with.side(side.method)?, &every)).collect();
        let name = format!("Without less with augmentation, {count}");
        self.add(name, ITSELF, found);
    }

    /// Each pretraining less scratch, on the frames that are kept.
    fn less_scratch(&mut self, name: String, group: &Group, keep: Keep) {
        let Some(scratch) = group.side(Method::Scratch) else { return };
        let others = group.sides.iter().filter(|side| side.method != Method::Scratch);
        self.add(name, SCRATCH, others.filter_map(|side| side.less(scratch, keep)).collect());
    }

    fn add(&mut self, name: String, than: &'static str, found: Vec<Comparison>) {
        if !found.is_empty() {
            self.differences.push(Differences { name, than, comparisons: corrected(found) });
        }
    }
}
