//! ACDC: `patientNNN/` with `patientNNN_4d.nii.gz`, `patientNNN_frameXX.nii.gz`,
//! `patientNNN_frameXX_gt.nii.gz` and `Info.cfg`, in any case of letters.
//!
//! Frames are numbered from 1, with any number of digits. Labels are 1 = right ventricle, 2 = myocardium, 3 = left ventricle,
//! and are mapped to the study's. Without the 4D file, the single frames are stacked in order of time.
//!
//! Bernard et al., *Deep Learning Techniques for Automatic MRI Cardiac Multi-Structures Segmentation
//! and Diagnosis: Is the Problem Solved?*, IEEE TMI 2018.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::acdc_info::{self, Info};
use super::assemble::{EMPTY_LABELS, assemble, read_frame_labels, read_frames};
use super::dataset::{Dataset, DatasetLayout, LoadedSubject, SubjectEntry, SubjectFiles};
use super::diagnostics::Diagnostics;
use super::nifti::{self, Volume};
use super::subject::{CardiacPhase, Label, LabelledFrame};
use super::subject_folder::{SubjectFolder, id_of};
use crate::{Error, Result};

/// The structures of ACDC's labels 0, 1, 2, 3.
pub const ACDC_LABELS: [Label; 4] =
    [Label::Background, Label::RightVentricle, Label::Myocardium, Label::LeftVentricle];

/// Lists the subjects in the given patient folders.
pub(super) fn list(folders: Vec<PathBuf>) -> Result<Dataset> {
    let mut subjects = Vec::new();
    for folder in folders {
        let patient = Patient::find(&folder).map_err(|error| error.to_string());
        let known = patient.as_ref().ok();
        // An unreadable Info.cfg is reported when the subject is loaded.
        let info = known.and_then(|patient| Info::read(patient.info.as_deref()).ok());
        let entry = SubjectEntry {
            id: id_of(&folder),
            vendor: None,
            pathology: info.and_then(|info| info.group),
            labelled: known.is_some_and(|p| p.frames.iter().any(|frame| frame.labels.is_some())),
            files: known.map(Patient::files).unwrap_or_default(),
        };
        subjects.push((entry, patient));
    }
    Dataset::new(DatasetLayout::Acdc, subjects)
}

struct Patient {
    folder: SubjectFolder,
    cine: Option<PathBuf>,
    frames: Vec<FrameFiles>,
    info: Option<PathBuf>,
}

/// The files of one frame; `number` counts from 1.
struct FrameFiles {
    number: usize,
    image: Option<PathBuf>,
    labels: Option<PathBuf>,
}

impl SubjectFiles for Patient {
    fn load(&self, entry: &SubjectEntry) -> Result<LoadedSubject> {
        let info = Info::read(self.info.as_deref())?;
        let mut diagnostics = Diagnostics::default();
        diagnostics.warnings.extend(self.folder.warning_of_unused());
        let (mut image, phases) = self.image(&mut diagnostics)?;
        let (mut numbers, mut frames) = (Vec::new(), Vec::new());
        for (frame, phase) in self.frames.iter().zip(phases) {
            let Some(path) = &frame.labels else { continue };
            let number = frame.number;
            let phase = phase.ok_or_else(|| {
                let what = match &self.cine {
                    Some(_) => format!(
                        "labels frame {number}, which the image of {} phases lacks (frames count from 1)",
                        image.header.dims[3]
                    ),
                    None => format!("labels frame {number}, and there is no image of that frame"),
                };
                Error::file(path, what)
            })?;
            let labels =
                read_frame_labels(&mut image.header, path, &ACDC_LABELS, &mut diagnostics)?;
            if labels.iter().all(|&label| label == 0) {
                diagnostics
                    .warn(format!("frame {number}: {EMPTY_LABELS}; it counts as unlabelled"));
                continue;
            }
            numbers.push(number);
            frames.push(LabelledFrame { phase, cardiac_phase: CardiacPhase::Other, labels });
        }
        info.assign(&numbers, &mut frames, &mut diagnostics);
        assemble(entry, image, frames, diagnostics)
    }
}

impl Patient {
    fn find(folder: &Path) -> Result<Patient> {
        let info = acdc_info::find(folder)?;
        let mut folder = SubjectFolder::read(folder)?;
        let cine = folder.take("4d")?;
        let mut images = folder.take_each(frame_number)?;
        let mut labels = folder.take_each(|end| frame_number(end.strip_suffix("_gt")?))?;
        let numbers: BTreeSet<usize> = images.keys().chain(labels.keys()).copied().collect();
        let frame = |number| FrameFiles {
            number,
            image: images.remove(&number),
            labels: labels.remove(&number),
        };
        let frames = numbers.into_iter().map(frame).collect();
        Ok(Patient { folder, cine, frames, info })
    }

    /// Images first, then labels, then Info.cfg. If there is a 4D file, single frames are not read.
    fn files(&self) -> Vec<PathBuf> {
        let images = match &self.cine {
            Some(cine) => vec![cine.clone()],
            None => self.frames.iter().filter_map(|frame| frame.image.clone()).collect(),
        };
        let labels = self.frames.iter().filter_map(|frame| frame.labels.clone());
        let volumes = images.into_iter().chain(labels).flat_map(nifti::files_of);
        volumes.chain(self.info.clone()).collect()
    }

    /// The image, and for each frame the index of its phase, if the image has it.
    fn image(&self, diagnostics: &mut Diagnostics) -> Result<(Volume, Vec<Option<usize>>)> {
        if let Some(cine) = &self.cine {
            let image = nifti::read(cine)?;
            let phases = 0..image.header.dims[3];
            let phase = |frame: &FrameFiles| {
                frame.number.checked_sub(1).filter(|phase| phases.contains(phase))
            };
            let phases = self.frames.iter().map(phase).collect();
            return Ok((image, phases));
        }
        let images: Vec<&PathBuf> =
            self.frames.iter().filter_map(|frame| frame.image.as_ref()).collect();
        if images.is_empty() {
            let id = &self.folder.id;
            let wanted = format!("{id}_4d.nii.gz nor {id}_frameXX.nii.gz");
            return Err(self.folder.without_image(&wanted));
        }
        let mut next = 0..;
        let phase = |frame: &FrameFiles| frame.image.as_ref().and_then(|_| next.next());
        let phases = self.frames.iter().map(phase).collect();
        diagnostics.note(format!("no 4D file; {} frames are stacked", images.len()));
        Ok((read_frames(images.into_iter(), &self.folder.path)?, phases))
    }
}

/// `12` for `frame12`, however many digits it has.
fn frame_number(end: &str) -> Option<usize> {
    let digits = end.strip_prefix("frame")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
