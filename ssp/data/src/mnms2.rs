//! M&Ms-2: `NNN/` with `NNN_SA_CINE.nii.gz` (4D) and, for ED and ES, `NNN_SA_ED.nii.gz` and
//! `NNN_SA_ED_gt.nii.gz` (3D); long-axis files are ignored. A table gives disease and vendor.
//!
//! The phases of ED and ES are found by matching the single frames with the cine.
//!
//! Subjects of pathology NOR, HCM or LV may also be in M&Ms. If both data sets are used, they can be
//! left out ([`without_shared`]), as in the study.
//!
//! Martín-Isla et al., *Deep Learning Segmentation of the Right Ventricle in Cardiac MRI: The M&Ms
//! Challenge*, IEEE JBHI 2023.

use std::path::{Path, PathBuf};

use super::assemble::{EMPTY_LABELS, STUDY_LABELS, assemble, read_frame_labels, read_frames};
use super::dataset::{Dataset, DatasetLayout, LoadedSubject, SubjectEntry, SubjectFiles};
use super::diagnostics::Diagnostics;
use super::nifti::{self, Volume};
use super::subject::{CardiacPhase, LabelledFrame};
use super::subject_folder::{SubjectFolder, id_of};
use super::subject_table::SubjectTable;
use crate::{Error, Result};

/// The two single frames, and their names in file names.
const FRAMES: [(CardiacPhase, &str); 2] =
    [(CardiacPhase::EndDiastole, "ED"), (CardiacPhase::EndSystole, "ES")];

struct Files {
    folder: SubjectFolder,
    cine: Option<PathBuf>,
    /// ED and ES.
    frames: [FrameFiles; 2],
}

struct FrameFiles {
    image: Option<PathBuf>,
    labels: Option<PathBuf>,
}

/// Lists the subjects in the given folders; the table is searched for in the folders above them.
pub(super) fn list(folders: Vec<PathBuf>) -> Result<Dataset> {
    let table = SubjectTable::find(&folders, "SUBJECT_CODE")?;
    let ids: Vec<String> = folders.iter().map(|folder| id_of(folder)).collect();
    let warnings = table.warnings(&ids, &["VENDOR", "DISEASE"]);
    let mut subjects = Vec::new();
    for (folder, id) in folders.iter().zip(ids) {
        let files = Files::find(folder);
        let mut found = Vec::new();
        if let Ok(files) = &files {
            let frames = &files.frames;
            let images = frames.iter().filter_map(|frame| frame.image.as_ref());
            let labels = frames.iter().filter_map(|frame| frame.labels.as_ref());
            let volumes = files.cine.iter().chain(images).chain(labels).cloned();
            found.extend(volumes.flat_map(nifti::files_of));
            found.extend(table.files.iter().cloned());
        }
        let entry = SubjectEntry {
            vendor: table.get(&id, "VENDOR"),
            pathology: table.get(&id, "DISEASE"),
            labelled: files.as_ref().is_ok_and(|f| f.frames.iter().any(|f| f.labels.is_some())),
            files: found,
            id,
        };
        subjects.push((entry, files.map_err(|error| error.to_string())));
    }
    Ok(Dataset::new(DatasetLayout::Mnms2, subjects)?.with_warnings(warnings))
}

/// Leaves out the subjects that may also be in M&Ms, including those that are not in the table.
/// It is an error if no subject's pathology is known.
pub(super) fn without_shared(all: Dataset) -> Result<Dataset> {
    match all.subjects() {
        [first, ..] if all.subjects().iter().all(|entry| entry.pathology.is_none()) => {
            Err(first.error(
                "M&Ms is used too, and without a table of pathologies the subjects that are in both data \
                 sets are unknown: put M&Ms-2's dataset_information.csv (with columns SUBJECT_CODE and \
                 DISEASE) above the subjects' folders, or use only one of the two",
            ))
        }
        _ => Ok(all.without(may_be_in_mnms)),
    }
}

/// Whether a subject of M&Ms-2 may also be in M&Ms: its pathology is NOR, HCM or LV, or unknown.
fn may_be_in_mnms(entry: &SubjectEntry) -> bool {
    entry.pathology.as_deref().is_none_or(|name| {
        ["NOR", "HCM", "LV"].iter().any(|shared| shared.eq_ignore_ascii_case(name))
    })
}

impl SubjectFiles for Files {
    fn load(&self, entry: &SubjectEntry) -> Result<LoadedSubject> {
        let mut diagnostics = Diagnostics::default();
        diagnostics.warnings.extend(self.folder.warning_of_unused());
        let (mut image, phases) = self.image(entry, &mut diagnostics)?;
        let mut frames = Vec::new();
        for (n, (cardiac_phase, name)) in FRAMES.into_iter().enumerate() {
            let Some(path) = &self.frames[n].labels else { continue };
            let phase = phases[n].ok_or_else(|| {
                let what = format!("labels without an image {}_SA_{name}.nii.gz", entry.id);
                Error::file(path, what)
            })?;
            let labels =
                read_frame_labels(&mut image.header, path, &STUDY_LABELS, &mut diagnostics)?;
            if labels.iter().all(|&label| label == 0) {
                diagnostics.warn(format!("{name}: {EMPTY_LABELS}; it counts as unlabelled"));
                continue;
            }
            frames.push(LabelledFrame { phase, cardiac_phase, labels });
        }
        assemble(entry, image, frames, diagnostics)
    }
}

impl Files {
    fn find(folder: &Path) -> Result<Files> {
        let mut folder = SubjectFolder::read(folder)?;
        folder.leave_out(|end| end.starts_with("la_"));
        let cine = folder.take("SA_CINE")?;
        let mut frame = |name: &str| -> Result<FrameFiles> {
            let image = folder.take(&format!("SA_{name}"))?;
            Ok(FrameFiles { image, labels: folder.take(&format!("SA_{name}_gt"))? })
        };
        let frames = [frame("ED")?, frame("ES")?];
        Ok(Files { folder, cine, frames })
    }

    /// The stack, and the indices of the phases ED and ES in it.
    fn image(
        &self,
        entry: &SubjectEntry,
        diagnostics: &mut Diagnostics,
    ) -> Result<(Volume, [Option<usize>; 2])> {
        let mut phases = [None; 2];
        let Some(cine) = &self.cine else {
            let mut next = 0..;
            for (phase, frame) in phases.iter_mut().zip(&self.frames) {
                *phase = frame.image.as_ref().and_then(|_| next.next());
            }
            let images = self.frames.iter().filter_map(|frame| frame.image.as_ref());
            if images.clone().next().is_none() {
                let id = &self.folder.id;
                let wanted = format!("{id}_SA_CINE.nii.gz nor {id}_SA_ED.nii.gz");
                return Err(self.folder.without_image(&wanted));
            }
            diagnostics.note(format!("no SA_CINE file; {} frames are stacked", next.start));
            return Ok((read_frames(images, &self.folder.path)?, phases));
        };
        let mut frames = Vec::new();
        for frame in &self.frames {
            frames.push(frame.image.as_ref().map(nifti::read).transpose()?);
        }
        let cine = nifti::read(cine)?;
        for (n, frame) in frames.iter().enumerate() {
            let (Some(frame), Some(path)) = (frame, &self.frames[n].image) else { continue };
            phases[n] = Some(find_phase(frame, &cine).map_err(|what| Error::file(path, what))?);
        }
        if let [Some(ed), Some(es)] = phases
            && ed == es
        {
            let what = format!("the ED and the ES frame both match phase {ed} of the cine");
            return Err(entry.error(what));
        }
        Ok((cine, phases))
    }
}

/// The phase of a cine that a single frame shows: the first of those with the least mean absolute
/// difference, if that is at most a hundredth of the frame's mean.
fn find_phase(frame: &Volume, cine: &Volume) -> std::result::Result<usize, String> {
    if frame.header.dims[..3] != cine.header.dims[..3] || frame.header.dims[3] != 1 {
        return Err(format!(
            "a frame of {} voxels does not match the cine of {}",
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
            "is not a phase of the cine: the nearest, phase {phase}, differs by {:.1}% on average",
            100.0 * least / size
        )),
        None => Err("the cine has no phase".into()),
    }
}
