//! ACDC: `patientNNN/` with `patientNNN_4d.nii.gz`, `patientNNN_frameXX.nii.gz`,
//! `patientNNN_frameXX_gt.nii.gz` and `Info.cfg`.
//!
//! Frames are numbered from 1. Labels are 1 = right ventricle, 2 = myocardium, 3 = left ventricle,
//! and are mapped to the study's. Without the 4D file, the single frames are stacked in order of time.
//!
//! Bernard et al., *Deep Learning Techniques for Automatic MRI Cardiac Multi-Structures Segmentation
//! and Diagnosis: Is the Problem Solved?*, IEEE TMI 2018.

use std::path::{Path, PathBuf};

use super::assemble::{assemble, assign_cardiac_phases, read_frame_labels, read_frames};
use super::dataset::{Dataset, DatasetLayout, LoadedSubject, SubjectEntry, SubjectFiles};
use super::diagnostics::Diagnostics;
use super::files::{last_name, names_in};
use super::nifti::{self, Volume, volume_named};
use super::subject::{CardiacPhase, Label, LabelledFrame};
use crate::{Error, Result};

/// The structures of ACDC's labels 0, 1, 2, 3.
pub const ACDC_LABELS: [Label; 4] =
    [Label::Background, Label::RightVentricle, Label::Myocardium, Label::LeftVentricle];

/// Lists the subjects in the given patient folders.
pub(super) fn list(folders: Vec<PathBuf>) -> Result<Dataset> {
    let mut subjects = Vec::new();
    for folder in folders {
        let id = last_name(&folder);
        let patient = Patient::find(folder, &id)?;
        // An unreadable Info.cfg is reported when the subject is loaded.
        let info = Info::read(&patient.folder).unwrap_or_default();
        let entry = SubjectEntry {
            id,
            vendor: None,
            pathology: info.group,
            labelled: patient.frames.iter().any(|frame| frame.labels.is_some()),
            files: patient.files(),
        };
        subjects.push((entry, patient));
    }
    Dataset::new(DatasetLayout::Acdc, subjects)
}

struct Patient {
    folder: PathBuf,
    cine: Option<PathBuf>,
    frames: Vec<FrameFiles>,
}

/// The files of one frame; `number` counts from 1.
struct FrameFiles {
    number: usize,
    image: Option<PathBuf>,
    labels: Option<PathBuf>,
}

impl SubjectFiles for Patient {
    fn load(&self, entry: &SubjectEntry) -> Result<LoadedSubject> {
        let info = Info::read(&self.folder)?;
        let mut diagnostics = Diagnostics::default();
        let (image, phases) = self.image(&mut diagnostics)?;
        let mut frames = Vec::new();
        for (frame, phase) in self.frames.iter().zip(phases) {
            let Some(path) = &frame.labels else { continue };
            let phase = phase.ok_or_else(|| {
                let (number, count) = (frame.number, image.header.dims[3]);
                let what =
                    format!("labels frame {number}, which the image of {count} phases lacks");
                Error::file(path, what)
            })?;
            let labels = read_frame_labels(&image.header, path, &ACDC_LABELS, &mut diagnostics)?;
            frames.push(LabelledFrame {
                phase,
                cardiac_phase: info.cardiac_phase(frame.number),
                labels,
            });
        }
        if info.end_diastole.is_none() || info.end_systole.is_none() {
            assign_cardiac_phases(&mut frames, &mut diagnostics);
        }
        assemble(entry, image, frames, diagnostics)
    }
}

impl Patient {
    fn find(folder: PathBuf, id: &str) -> Result<Patient> {
        let cine = volume_named(&folder, &format!("{id}_4d"));
        let mut numbers: Vec<usize> =
            names_in(&folder)?.iter().filter_map(|name| frame_number(name, id)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let frames = numbers
            .into_iter()
            .map(|number| FrameFiles {
                number,
                image: volume_named(&folder, &format!("{id}_frame{number:02}")),
                labels: volume_named(&folder, &format!("{id}_frame{number:02}_gt")),
            })
            .collect();
        Ok(Patient { folder, cine, frames })
    }

    /// Images first, then labels, then Info.cfg. If there is a 4D file, single frames are not read.
    fn files(&self) -> Vec<PathBuf> {
        let images = match &self.cine {
            Some(cine) => vec![cine.clone()],
            None => self.frames.iter().filter_map(|frame| frame.image.clone()).collect(),
        };
        let labels = self.frames.iter().filter_map(|frame| frame.labels.clone());
        let info = Some(self.folder.join("Info.cfg")).filter(|path| path.is_file());
        images.into_iter().chain(labels).chain(info).collect()
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
            let id = last_name(&self.folder);
            let what = format!("holds neither {id}_4d.nii.gz nor {id}_frameXX.nii.gz");
            return Err(Error::file(&self.folder, what));
        }
        let mut next = 0..;
        let phase = |frame: &FrameFiles| frame.image.as_ref().and_then(|_| next.next());
        let phases = self.frames.iter().map(phase).collect();
        diagnostics.note(format!("no 4D file; {} frames are stacked", images.len()));
        Ok((read_frames(images.into_iter(), &self.folder)?, phases))
    }
}

/// `12` for `patient001_frame12.nii.gz` and `patient001_frame12_gt.nii.gz`.
fn frame_number(name: &str, id: &str) -> Option<usize> {
    let stem = nifti::stem(Path::new(name));
    let digits = stem.strip_prefix(id)?.strip_prefix("_frame")?;
    digits.strip_suffix("_gt").unwrap_or(digits).parse().ok()
}

/// The content of `Info.cfg`.
#[derive(Default)]
struct Info {
    end_diastole: Option<usize>,
    end_systole: Option<usize>,
    group: Option<String>,
}

impl Info {
    /// Reads lines of `Key: value`. Unknown keys are ignored, and there may be no file.
    fn read(folder: &Path) -> Result<Info> {
        let path = folder.join("Info.cfg");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Info::default());
            }
            Err(error) => return Err(Error::io(&path, error)),
        };
        let mut info = Info::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            let number = || {
                value.parse().map(Some).map_err(|_| {
                    let what = format!("{}: {value:?} is not a frame number", key.trim());
                    Error::file(&path, what)
                })
            };
            match key.trim() {
                "ED" => info.end_diastole = number()?,
                "ES" => info.end_systole = number()?,
                "Group" => info.group = Some(value.to_string()),
                _ => {}
            }
        }
        Ok(info)
    }

    fn cardiac_phase(&self, frame: usize) -> CardiacPhase {
        match Some(frame) {
            number if number == self.end_diastole => CardiacPhase::EndDiastole,
            number if number == self.end_systole => CardiacPhase::EndSystole,
            _ => CardiacPhase::Other,
        }
    }
}
