//! M&Ms: `<ID>/<ID>_sa.nii.gz` and `<ID>_sa_gt.nii.gz`, both 4D, and a table of subjects.
//!
//! Labels are zero but for end-diastole and end-systole. Some of the table's phase numbers are wrong,
//! so the two phases that carry labels are taken, and the one with more labelled voxels is ED. A
//! subject's vendor is the table's letter (A Siemens, B Philips, C General Electric, D Canon).
//!
//! Campello et al., *Multi-Centre, Multi-Vendor and Multi-Disease Cardiac Segmentation: The M&Ms
//! Challenge*, IEEE TMI 2021.

use std::path::PathBuf;

use super::dataset::{
    Dataset, Layout, Listing, Loaded, Remarks, STUDY_LABELS, assemble, labelled_phases,
    read_labels_for,
};
use super::nifti;
use super::open::{check_unique, volume_named};
use super::subject::Moment;
use super::table::Table;
use crate::{Error, Result};

/// Subjects in M&Ms' layout.
pub struct Mnms {
    listings: Vec<Listing>,
    cases: Vec<Case>,
}

struct Case {
    image: PathBuf,
    labels: Option<PathBuf>,
    /// ED and ES as the table has them, from 0.
    phases: [Option<usize>; 2],
}

impl Mnms {
    /// Lists the subjects in the given folders; the table is looked for beside and above them.
    ///
    /// # Errors
    /// If two folders have one name, or the table cannot be read.
    pub fn new(folders: Vec<PathBuf>) -> Result<Mnms> {
        let table = Table::find(&folders, "External code")?;
        let mut listings = Vec::new();
        let mut cases = Vec::new();
        for folder in folders {
            let Some(name) = folder.file_name() else { continue };
            let id = name.to_string_lossy().into_owned();
            let Some(image) = volume_named(&folder, &format!("{id}_sa")) else { continue };
            let labels = volume_named(&folder, &format!("{id}_sa_gt"));
            let cell = |column: &str| table.get(&id, column);
            let number = |column: &str| cell(column).and_then(|cell| cell.parse().ok());
            listings.push(Listing {
                vendor: cell("Vendor"),
                pathology: cell("Pathology"),
                labelled: labels.is_some(),
                files: [&image].into_iter().chain(&labels).chain(&table.files).cloned().collect(),
                id: id.clone(),
            });
            cases.push(Case { image, labels, phases: [number("ED"), number("ES")] });
        }
        check_unique(&listings)?;
        Ok(Mnms { listings, cases })
    }
}

impl Dataset for Mnms {
    fn layout(&self) -> Layout {
        Layout::Mnms
    }

    fn subjects(&self) -> &[Listing] {
        &self.listings
    }

    fn load(&self, index: usize) -> Result<Loaded> {
        let (listing, case) = (&self.listings[index], &self.cases[index]);
        let image = nifti::read(&case.image)?;
        let mut remarks = Remarks::default();
        let mut labelled = Vec::new();
        if let Some(path) = &case.labels {
            let volume = read_labels_for(&image.header, path, &STUDY_LABELS, &mut remarks)?;
            let (own, phases) = (volume.header.dims[3], image.header.dims[3]);
            if own != phases {
                return Err(Error::file(path, format!("has {own} phases, and its image {phases}")));
            }
            labelled = labelled_phases(&volume, &mut remarks);
            match labelled.len() {
                0 => remarks.push("the file of labels holds none"),
                1 => {
                    labelled[0].moment = match Some(labelled[0].phase) {
                        phase if phase == case.phases[0] => Moment::EndDiastole,
                        phase if phase == case.phases[1] => Moment::EndSystole,
                        _ => Moment::Other,
                    };
                    remarks.push("only one phase carries labels");
                }
                2 => remarks.notes.extend(disagreement(&case.phases, &labelled)),
                // Said already.
                _ => {}
            }
        }
        assemble(listing, image, labelled, remarks)
    }
}

/// What to say if the table names other phases than those that carry labels.
fn disagreement(
    table: &[Option<usize>; 2],
    labelled: &[super::dataset::LabelledPhase],
) -> Option<String> {
    let found = [Moment::EndDiastole, Moment::EndSystole].map(|moment| {
        labelled.iter().find(|phase| phase.moment == moment).map(|phase| phase.phase)
    });
    let [Some(ed), Some(es)] = *table else { return None };
    if found == *table {
        return None;
    }
    let [found_ed, found_es] = found.map(|phase| phase.unwrap_or_default());
    Some(format!(
        "the table has ED {ed}, ES {es}; the labels say ED {found_ed}, ES {found_es}, and are believed"
    ))
}
