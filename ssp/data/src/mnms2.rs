//! M&Ms-2: `NNN/` with `NNN_SA_CINE.nii.gz` (4D) and, for ED and ES, `NNN_SA_ED.nii.gz` and
//! `NNN_SA_ED_gt.nii.gz` (3D); long-axis files are passed over. A table tells disease and vendor.
//!
//! Which phase is ED and which ES is found by matching the single frames in the cine.
//!
//! Subjects of pathology NOR, HCM or LV may also be in M&Ms; when both sets are used they can be left
//! out ([`Mnms2::without_shared`]), as the study does.
//!
//! Martín-Isla et al., *Deep Learning Segmentation of the Right Ventricle in Cardiac MRI: The M&Ms
//! Challenge*, IEEE JBHI 2023.

use std::path::PathBuf;

use super::dataset::{
    Dataset, LabelledPhase, Layout, Listing, Loaded, Remarks, STUDY_LABELS, assemble,
    read_labels_for,
};
use super::nifti::{self, Volume};
use super::open::{check_unique, volume_named};
use super::subject::Moment;
use super::table::Table;
use crate::{Error, Result};

/// The single frames, by the names that files give them.
const MOMENTS: [(Moment, &str); 2] = [(Moment::EndDiastole, "ED"), (Moment::EndSystole, "ES")];

/// Subjects in M&Ms-2's layout.
pub struct Mnms2 {
    listings: Vec<Listing>,
    cases: Vec<Case>,
    shared: Vec<Listing>,
}

struct Case {
    cine: Option<PathBuf>,
    /// ED and ES: image and labels.
    frames: [(Option<PathBuf>, Option<PathBuf>); 2],
}

impl Mnms2 {
    /// Lists the subjects in the given folders; the table is looked for beside and above them.
    ///
    /// # Errors
    /// If two folders have one name, or the table cannot be read.
    pub fn new(folders: Vec<PathBuf>) -> Result<Mnms2> {
        let table = Table::find(&folders, "SUBJECT_CODE")?;
        let mut listings = Vec::new();
        let mut cases = Vec::new();
        for folder in folders {
            let Some(name) = folder.file_name() else { continue };
            let id = name.to_string_lossy().into_owned();
            let cine = volume_named(&folder, &format!("{id}_SA_CINE"));
            let frames = MOMENTS.map(|(_, moment)| {
                let image = volume_named(&folder, &format!("{id}_SA_{moment}"));
                (image, volume_named(&folder, &format!("{id}_SA_{moment}_gt")))
            });
            let images = cine.iter().chain(frames.iter().filter_map(|(image, _)| image.as_ref()));
            let labels = frames.iter().filter_map(|(_, labels)| labels.as_ref());
            let cell = |column: &str| table.get(&id, column);
            listings.push(Listing {
                vendor: cell("VENDOR"),
                pathology: cell("DISEASE"),
                labelled: frames.iter().any(|(_, labels)| labels.is_some()),
                files: images.chain(labels).chain(&table.files).cloned().collect(),
                id: id.clone(),
            });
            cases.push(Case { cine, frames });
        }
        check_unique(&listings)?;
        Ok(Mnms2 { listings, cases, shared: vec![] })
    }

    /// Leaves out the subjects that may also be in M&Ms; who is not in the table may be, too.
    ///
    /// # Errors
    /// When no subject's pathology is told.
    pub fn without_shared(self) -> Result<Mnms2> {
        if let (Some(first), true) =
            (self.listings.first(), self.listings.iter().all(|listing| listing.pathology.is_none()))
        {
            return Err(first.wrong(
                "M&Ms is used too, and only a table of pathologies tells which subjects may be in both: put \
                 M&Ms-2's dataset_information.csv (with columns SUBJECT_CODE and DISEASE, divided by commas) \
                 above the subjects' folders, or use one of the two alone",
            ));
        }
        let all = self.listings.into_iter().zip(self.cases);
        let (shared, kept): (Vec<_>, Vec<_>) = all.partition(|(l, _)| may_be_in_mnms(l));
        let (listings, cases) = kept.into_iter().unzip();
        let shared = shared.into_iter().map(|(listing, _)| listing).collect();
        Ok(Mnms2 { listings, cases, shared })
    }
}

/// Whether a subject of M&Ms-2 may also be in M&Ms: its pathology is NOR, HCM or LV, or not told.
pub fn may_be_in_mnms(listing: &Listing) -> bool {
    listing.pathology.as_deref().is_none_or(|name| matches!(name, "NOR" | "HCM" | "LV"))
}

impl Dataset for Mnms2 {
    fn layout(&self) -> Layout {
        Layout::Mnms2
    }

    fn subjects(&self) -> &[Listing] {
        &self.listings
    }

    fn left_out(&self) -> &[Listing] {
        &self.shared
    }

    fn load(&self, index: usize) -> Result<Loaded> {
        let (listing, case) = (&self.listings[index], &self.cases[index]);
        let mut remarks = Remarks::default();
        let (image, phases) = case.image(listing, &mut remarks)?;
        let mut labelled = Vec::new();
        for (n, (moment, name)) in MOMENTS.into_iter().enumerate() {
            let Some(path) = &case.frames[n].1 else { continue };
            let phase = phases[n].ok_or_else(|| {
                Error::file(
                    path,
                    format!("there is no {}_SA_{name}.nii.gz to these labels", listing.id),
                )
            })?;
            let volume = read_labels_for(&image.header, path, &STUDY_LABELS, &mut remarks)?;
            if volume.header.dims[3] != 1 {
                return Err(Error::file(
                    path,
                    "labels of one frame were expected, and it has phases",
                ));
            }
            labelled.push(LabelledPhase { phase, moment, labels: volume.labels });
        }
        assemble(listing, image, labelled, remarks)
    }
}

impl Case {
    /// The stack, and the phases of ED and ES in it.
    fn image(
        &self,
        listing: &Listing,
        remarks: &mut Remarks,
    ) -> Result<(Volume, [Option<usize>; 2])> {
        let mut frames = Vec::new();
        for (image, _) in &self.frames {
            frames.push(image.as_ref().map(nifti::read).transpose()?);
        }
        let mut phases = [None; 2];
        let Some(cine) = &self.cine else {
            let present = frames.iter().map(Option::is_some);
            let mut next = 0;
            for (phase, present) in phases.iter_mut().zip(present) {
                *phase = present.then_some(next);
                next += usize::from(present);
            }
            remarks.push(format!("no SA_CINE file; {next} frames are stacked"));
            let joined = Volume::join(frames.into_iter().flatten().collect());
            return Ok((joined.map_err(|what| listing.wrong(what))?, phases));
        };
        let cine = nifti::read(cine)?;
        for (n, frame) in frames.iter().enumerate() {
            let (Some(frame), Some(path)) = (frame, &self.frames[n].0) else { continue };
            let found = phase_of(frame, &cine).map_err(|what| Error::file(path, what))?;
            phases[n] = Some(found);
        }
        if let [Some(ed), Some(es)] = phases
            && ed == es
        {
            return Err(listing.wrong(format!("ED and ES frame both match phase {ed} of the cine")));
        }
        Ok((cine, phases))
    }
}

/// The phase of a cine that a single frame shows: the first of those that differ least from it, if
/// the mean difference is below a hundredth of the frame's mean.
fn phase_of(frame: &Volume, cine: &Volume) -> std::result::Result<usize, String> {
    if frame.header.dims[..3] != cine.header.dims[..3] || frame.header.dims[3] != 1 {
        return Err(format!(
            "a frame of {} voxels is none of the cine's of {}",
            frame.header.shape(),
            cine.header.shape()
        ));
    }
    let difference = |phase: usize| -> f64 {
        let pairs = frame.voxels.iter().zip(cine.phase(phase));
        pairs.map(|(a, b)| f64::from((a - b).abs())).sum()
    };
    let size: f64 = frame.voxels.iter().map(|voxel| f64::from(voxel.abs())).sum();
    let differences = (0..cine.header.dims[3]).map(|phase| (phase, difference(phase)));
    match differences.min_by(|a, b| a.1.total_cmp(&b.1)) {
        Some((phase, least)) if least <= 0.01 * size => Ok(phase),
        Some((phase, least)) => Err(format!(
            "is no phase of the cine: phase {phase} comes closest, and differs by {:.1}% on average",
            100.0 * least / size
        )),
        None => Err("the cine has no phase".into()),
    }
}
