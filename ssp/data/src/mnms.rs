//! M&Ms: `<ID>/<ID>_sa.nii.gz` and `<ID>_sa_gt.nii.gz`, both 4D, and a table of subjects.
//!
//! Only end-diastole and end-systole are labelled. Some phase numbers in the table are wrong, so the
//! two phases with labels are used, and the one with more labelled voxels is end-diastole. A subject's
//! vendor is the table's letter (A Siemens, B Philips, C General Electric, D Canon).
//!
//! Campello et al., *Multi-Centre, Multi-Vendor and Multi-Disease Cardiac Segmentation: The M&Ms
//! Challenge*, IEEE TMI 2021.

use std::path::PathBuf;

use super::assemble::{assemble, read_cine_labels};
use super::dataset::{Dataset, DatasetLayout, LoadedSubject, SubjectEntry, SubjectFiles};
use super::diagnostics::Diagnostics;
use super::files::last_name;
use super::nifti::{self, volume_named};
use super::subject::{CardiacPhase, LabelledFrame};
use super::subject_table::SubjectTable;
use crate::Result;

struct Files {
    image: PathBuf,
    labels: Option<PathBuf>,
    /// The phases of end-diastole and end-systole in the table, from 0.
    table_phases: [Option<usize>; 2],
}

/// Lists the subjects in the given folders; the table is searched for in the folders above them.
pub(super) fn list(folders: Vec<PathBuf>) -> Result<Dataset> {
    let table = SubjectTable::find(&folders, "External code")?;
    let mut subjects = Vec::new();
    for folder in folders {
        let id = last_name(&folder);
        let Some(image) = volume_named(&folder, &format!("{id}_sa")) else { continue };
        let labels = volume_named(&folder, &format!("{id}_sa_gt"));
        let phase = |column: &str| table.get(&id, column).and_then(|cell| cell.parse().ok());
        let table_phases = [phase("ED"), phase("ES")];
        let entry = SubjectEntry {
            vendor: table.get(&id, "Vendor"),
            pathology: table.get(&id, "Pathology"),
            labelled: labels.is_some(),
            files: [&image].into_iter().chain(&labels).chain(&table.files).cloned().collect(),
            id,
        };
        subjects.push((entry, Files { image, labels, table_phases }));
    }
    Dataset::new(DatasetLayout::Mnms, subjects)
}

impl SubjectFiles for Files {
    fn load(&self, entry: &SubjectEntry) -> Result<LoadedSubject> {
        let image = nifti::read(&self.image)?;
        let mut diagnostics = Diagnostics::default();
        let mut frames = Vec::new();
        if let Some(path) = &self.labels {
            frames = read_cine_labels(&image.header, path, &mut diagnostics)?;
            match &mut frames[..] {
                [only] => {
                    let [end_diastole, end_systole] = self.table_phases;
                    only.cardiac_phase = match Some(only.phase) {
                        phase if phase == end_diastole => CardiacPhase::EndDiastole,
                        phase if phase == end_systole => CardiacPhase::EndSystole,
                        _ => CardiacPhase::Other,
                    };
                    diagnostics.note("only one phase carries labels");
                }
                [_, _] => diagnostics.notes.extend(self.table_disagrees(&frames)),
                _ => {}
            }
        }
        assemble(entry, image, frames, diagnostics)
    }
}

impl Files {
    /// What to note if the table names other phases than those that carry labels.
    fn table_disagrees(&self, frames: &[LabelledFrame]) -> Option<String> {
        let phase = |cardiac_phase| {
            frames.iter().find(|f| f.cardiac_phase == cardiac_phase).map(|frame| frame.phase)
        };
        let found = [phase(CardiacPhase::EndDiastole)?, phase(CardiacPhase::EndSystole)?];
        let table = [self.table_phases[0]?, self.table_phases[1]?];
        let in_words = |[ed, es]: [usize; 2]| format!("ED {ed}, ES {es}");
        (found != table).then(|| {
            let (table, found) = (in_words(table), in_words(found));
            format!("the table says {table}, the labels {found}; the labels are used")
        })
    }
}
