//! The tables of the study.

use serde::{Deserialize, Serialize};

/// The tables of the study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StudyTable {
    /// Methods by numbers of labelled subjects.
    Subjects,
    /// Fine-tuning with labels of one cardiac phase.
    Phases,
    /// Fine-tuning with labels of some vendors.
    Vendors,
    /// Fine-tuning without augmentation.
    Augmentation,
}

impl StudyTable {
    /// Every table.
    pub const ALL: [StudyTable; 4] =
        [StudyTable::Subjects, StudyTable::Phases, StudyTable::Vendors, StudyTable::Augmentation];

    /// Its name on the command line and in paths.
    pub fn name(self) -> &'static str {
        match self {
            StudyTable::Subjects => "subjects",
            StudyTable::Phases => "phases",
            StudyTable::Vendors => "vendors",
            StudyTable::Augmentation => "augmentation",
        }
    }
}
