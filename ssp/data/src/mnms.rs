//! M&Ms: `<ID>/<ID>_sa.nii.gz` and `<ID>_sa_gt.nii.gz`, both 4D, and a table of subjects.
//!
//! Only end-diastole and end-systole are labelled. Some phase numbers in the table are wrong, so the
//! two phases with labels are used, and the one with more labelled voxels is end-diastole. A subject's
//! vendor is the table's letter (A Siemens, B Philips, C General Electric, D Canon).
//!
//! Campello et al., *Multi-Centre, Multi-Vendor and Multi-Disease Cardiac Segmentation: The M&Ms
//! Challenge*, IEEE TMI 2021.

use std::path::{Path, PathBuf};

use super::assemble::{STUDY_LABELS, assemble, read_cine_labels};
use super::dataset::{Dataset, DatasetLayout, LoadedSubject, SubjectEntry, SubjectFiles};
use super::diagnostics::Diagnostics;
use super::nifti;
use super::subject::{CardiacPhase, LabelledFrame};
use super::subject_folder::{SubjectFolder, id_of};
use super::subject_table::SubjectTable;
use super::text;
use crate::Result;

struct Files {
    folder: SubjectFolder,
    image: PathBuf,
    labels: Option<PathBuf>,
    /// What the table says of the phases of end-diastole and end-systole.
    table_phases: [Option<String>; 2],
    /// Whether some subject's phase in the table is 0.
    table_has_0: bool,
}

/// Lists the subjects in the given folders; the table is searched for in the folders above them.
pub(super) fn list(folders: Vec<PathBuf>) -> Result<Dataset> {
    let table = SubjectTable::find(&folders, "External code")?;
    let phases = |id: &str| ["ED", "ES"].map(|column| table.get(id, column));
    let is_0 = |text: Option<String>| text.is_some_and(|text| text::whole_number(&text) == Some(0));
    let ids: Vec<String> = folders.iter().map(|folder| id_of(folder)).collect();
    let table_has_0 = ids.iter().any(|id| phases(id).into_iter().any(is_0));
    let warnings = table.warnings(&ids, &["Vendor", "Pathology"]);
    let mut subjects = Vec::new();
    for (folder, id) in folders.iter().zip(ids) {
        let files = Files::find(folder, phases(&id), table_has_0);
        let mut found = Vec::new();
        if let Ok(files) = &files {
            found.extend([&files.image].into_iter().chain(&files.labels).cloned());
            found = found.into_iter().flat_map(nifti::files_of).collect();
            found.extend(table.files.iter().cloned());
        }
        let entry = SubjectEntry {
            vendor: table.get(&id, "Vendor"),
            pathology: table.get(&id, "Pathology"),
            labelled: files.as_ref().is_ok_and(|files| files.labels.is_some()),
            files: found,
            id,
        };
        subjects.push((entry, files.map_err(|error| error.to_string())));
    }
    Ok(Dataset::new(DatasetLayout::Mnms, subjects)?.with_warnings(warnings))
}

impl SubjectFiles for Files {
    fn load(&self, entry: &SubjectEntry) -> Result<LoadedSubject> {
        let mut image = nifti::read(&self.image)?;
        let mut diagnostics = Diagnostics::default();
        diagnostics.warnings.extend(self.folder.warning_of_unused());
        let mut frames = Vec::new();
        if let Some(path) = &self.labels {
            frames = read_cine_labels(&mut image.header, path, &STUDY_LABELS, &mut diagnostics)?;
            match &mut frames[..] {
                [only] => self.assign_only(only, &mut diagnostics),
                [_, _] => self.compare_with_table(&frames, &mut diagnostics),
                _ => {}
            }
        }
        assemble(entry, image, frames, diagnostics)
    }
}

impl Files {
    fn find(folder: &Path, table_phases: [Option<String>; 2], table_has_0: bool) -> Result<Files> {
        let mut folder = SubjectFolder::read(folder)?;
        let labels = folder.take("sa_gt")?;
        let Some(image) = folder.take("sa")? else {
            let wanted = format!("{0}_sa.nii.gz nor {0}_sa.nii", folder.id);
            return Err(folder.without_image(&wanted));
        };
        Ok(Files { folder, image, labels, table_phases, table_has_0 })
    }

    /// Of a single phase, volumes say nothing.
    fn assign_only(&self, only: &mut LabelledFrame, diagnostics: &mut Diagnostics) {
        let names = |first: usize| {
            self.table_numbers().map(|number| number.is_some_and(|n| n == only.phase + first))
        };
        let found = match names(0) {
            [false, false] if !self.table_has_0 => names(1),
            found => found,
        };
        only.cardiac_phase = match found {
            [true, false] => CardiacPhase::EndDiastole,
            [false, true] => CardiacPhase::EndSystole,
            _ => CardiacPhase::Other,
        };
        let line = format!("only phase {} carries labels", only.phase);
        match (only.cardiac_phase, self.table_in_words()) {
            (CardiacPhase::Other, Some(table)) => diagnostics.warn(format!(
                "the table says {table}, and {line}; it is used as neither ED nor ES"
            )),
            _ if names(0) != found => diagnostics.warn(format!(
                "the table seems to count phases from 1, and {line}; it is used as {}",
                only.cardiac_phase.name()
            )),
            _ => diagnostics.note(line),
        }
    }

    /// Reports that the table names other phases than those that carry labels.
    fn compare_with_table(&self, frames: &[LabelledFrame], diagnostics: &mut Diagnostics) {
        let phase = |cardiac_phase| {
            frames.iter().find(|f| f.cardiac_phase == cardiac_phase).map(|frame| frame.phase)
        };
        let found = [phase(CardiacPhase::EndDiastole), phase(CardiacPhase::EndSystole)];
        let (table, Some(words)) = (self.table_numbers(), self.table_in_words()) else { return };
        if table == found {
            return;
        }
        let [ed, es] = found.map(|phase| phase.unwrap_or_default());
        let line =
            format!("the table says {words}, the labels ED {ed}, ES {es}; the labels are used");
        match !self.table_has_0 && table == found.map(|phase| phase.map(|phase| phase + 1)) {
            true => diagnostics.note(format!("{line} (the table seems to count from 1)")),
            false => diagnostics.warn(line),
        }
    }

    fn table_numbers(&self) -> [Option<usize>; 2] {
        self.table_phases.each_ref().map(|text| text::whole_number(text.as_ref()?))
    }

    /// None if the table says nothing.
    fn table_in_words(&self) -> Option<String> {
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".into());
        let [ed, es] = self.table_phases.each_ref().map(word);
        self.table_phases.iter().any(Option::is_some).then(|| format!("ED {ed}, ES {es}"))
    }
}
