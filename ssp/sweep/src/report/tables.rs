//! The tables of the study: which cells and frames their rows average, and what they compare.

use super::compare::{Comparison, Comparisons, FrameFilter, Group, all_frames, corrected};
use crate::StudyTable;
use data::vendor::vendor_letter;
use evaluate::FrameRow;

/// A table of the study.
pub struct Table<'a> {
    /// Which one.
    pub kind: StudyTable,
    /// Its heading.
    pub title: &'static str,
    /// What it compares.
    pub description: &'static str,
    /// Heading of the column with the names of the rows.
    pub head: &'static str,
    /// Rows of mean Dice.
    pub rows: Vec<Row<'a>>,
    /// Paired differences.
    pub differences: Vec<Differences>,
}

/// A row of mean Dice: selected frames of a group.
pub struct Row<'a> {
    /// What they have in common.
    pub name: String,
    /// The group.
    pub group: &'a Group<'a>,
    /// Selects the frames.
    pub filter: Box<dyn Fn(&FrameRow) -> bool>,
}

/// Paired differences whose p values are corrected together.
pub struct Differences {
    /// Where the methods are compared: `Unseen ED, all 36`.
    pub name: String,
    /// What each method is compared with.
    pub reference: &'static str,
    /// One for each method.
    pub comparisons: Vec<Comparison>,
}

const SCRATCH: &str = "scratch";
const WITH_AUGMENTATION: &str = "itself with augmentation";

/// What methods are compared with.
pub const REFERENCES: [&str; 2] = [SCRATCH, WITH_AUGMENTATION];

/// The tables that have completed cells, that by labelled subjects first.
pub fn tables<'a>(comparisons: &'a Comparisons<'a>) -> Vec<Table<'a>> {
    let empty = |kind, title, description, head| Table {
        kind,
        title,
        description,
        head,
        rows: vec![],
        differences: vec![],
    };
    let mut subjects = empty(
        StudyTable::Subjects,
        "Dice by method and labelled subjects",
        "Mean over LV, myocardium and RV, frames and test subjects; ± is the standard deviation over seeds \
         (divisor n − 1). Where a method has fewer seeds than planned, their number is given.",
        "Labelled",
    );
    let mut phases = empty(
        StudyTable::Phases,
        "Unseen cardiac phases",
        "Fine-tuned with labels of one phase only, tested on this phase and on the other. Pretraining used \
         images of every phase, and settings were chosen with labels of both.",
        "Tested on",
    );
    let mut vendors = empty(
        StudyTable::Vendors,
        "Unseen vendors",
        "Fine-tuned and validated with labels of some vendors only, tested on subjects of these vendors and \
         of the others. Pretraining used images of all vendors, and settings were chosen on validation \
         subjects of all.",
        "Tested on",
    );
    let mut augmentation = empty(
        StudyTable::Augmentation,
        "With and without augmentation",
        "Fine-tuned with and without augmentation of the labelled slices. Pretraining used augmentation in \
         both.",
        "Labelled",
    );
    for group in comparisons.table(StudyTable::Subjects) {
        subjects.add_row(group.count(), group, all_frames);
        subjects.add_minus_scratch(group.count(), group, &all_frames);
    }
    phases.add_phases(comparisons);
    for group in comparisons.table(StudyTable::Vendors) {
        vendors.add_vendors(group, comparisons.baseline(group));
    }
    for group in comparisons.table(StudyTable::Augmentation) {
        augmentation.add_augmentation(group, comparisons.baseline(group));
    }
    let all = [subjects, phases, vendors, augmentation];
    all.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

impl<'a> Table<'a> {
    /// For each count and tested phase: labels of both phases, of this one, of the other.
    fn add_phases(&mut self, comparisons: &'a Comparisons<'a>) {
        let mut counts: Vec<Option<usize>> =
            comparisons.table(StudyTable::Phases).map(|group| group.labelled).collect();
        counts.sort_by_key(|count| count.unwrap_or(usize::MAX));
        counts.dedup();
        for labelled in counts {
            let of_count =
                || comparisons.table(StudyTable::Phases).filter(|g| g.labelled == labelled);
            let both = of_count().next().and_then(|group| comparisons.baseline(group));
            for tested in ["ED", "ES"] {
                let filter = move |row: &FrameRow| row.moment.name() == tested;
                for group in both.into_iter().chain(of_count()) {
                    let count = group.count();
                    let (labels, unseen) = match group.variant {
                        "" => ("ED and ES", false),
                        labels => (labels, labels != tested),
                    };
                    let mark = if unseen { " (unseen)" } else { "" };
                    let name = format!("{tested}{mark}, labels of {labels}, {count}");
                    self.add_row(name, group, filter);
                    if unseen {
                        self.add_minus_scratch(format!("Unseen {tested}, {count}"), group, &filter);
                    }
                }
            }
        }
    }

    fn add_vendors(&mut self, group: &'a Group<'a>, baseline: Option<&'a Group<'a>>) {
        let names = group.variant;
        let count = format!("{:.0}", group.train_subjects());
        for seen in [true, false] {
            let labelled: Vec<String> = names.split('+').map(str::to_owned).collect();
            let filter = move |row: &FrameRow| {
                let vendor = row.vendor.as_deref().map(vendor_letter);
                vendor.is_some_and(|vendor| labelled.iter().any(|name| name == vendor) == seen)
            };
            let (tested, mark) = if seen { ("", "") } else { ("not ", " (unseen)") };
            self.add_row(
                format!("{tested}{names}{mark}, labels of {count} of {names}"),
                group,
                filter.clone(),
            );
            if let Some(group) = baseline {
                let count = format!("{:.0}", group.train_subjects());
                let name = format!("{tested}{names}, labels of {count} of all vendors");
                self.add_row(name, group, filter.clone());
            }
            if !seen {
                let name = format!("Unseen vendors, labels of {names}, {count}");
                self.add_minus_scratch(name, group, &filter);
            }
        }
    }

    fn add_augmentation(&mut self, group: &'a Group<'a>, baseline: Option<&'a Group<'a>>) {
        let count = group.count();
        self.add_row(format!("{count}, without augmentation"), group, all_frames);
        self.add_minus_scratch(format!("Without augmentation, {count}"), group, &all_frames);
        let Some(with) = baseline else { return };
        self.add_row(format!("{count}, with augmentation"), with, all_frames);
        let without = group.methods.iter();
        let found = without
            .filter_map(|cells| cells.minus(with.of_method(cells.method)?, &all_frames))
            .collect();
        let name = format!("Without minus with augmentation, {count}");
        self.add_differences(name, WITH_AUGMENTATION, found);
    }

    fn add_row(
        &mut self,
        name: String,
        group: &'a Group<'a>,
        filter: impl Fn(&FrameRow) -> bool + 'static,
    ) {
        self.rows.push(Row { name, group, filter: Box::new(filter) });
    }

    fn add_minus_scratch(&mut self, name: String, group: &Group, filter: FrameFilter) {
        self.add_differences(name, SCRATCH, group.minus_scratch(filter));
    }

    fn add_differences(&mut self, name: String, reference: &'static str, found: Vec<Comparison>) {
        if !found.is_empty() {
            self.differences.push(Differences { name, reference, comparisons: corrected(found) });
        }
    }
}
