//! ACDC: `patientNNN/` with `patientNNN_4d.nii.gz`, `patientNNN_frameXX.nii.gz`,
//! `patientNNN_frameXX_gt.nii.gz` and `Info.cfg`.
//!
//! Frames are numbered from 1. Labels are 1 = right ventricle, 2 = myocardium, 3 = left ventricle,
//! and are mapped to the study's. Without the 4D file the frames are stacked in order of time.
//!
//! Bernard et al., *Deep Learning Techniques for Automatic MRI Cardiac Multi-Structures Segmentation
//! and Diagnosis: Is the Problem Solved?*, IEEE TMI 2018.

use std::path::{Path, PathBuf};

use super::dataset::{
    Dataset, LabelledPhase, Layout, Listing, Loaded, Remarks, assemble, name_moments,
    read_labels_for,
};
use super::nifti::{self, Volume};
use super::open::{check_unique, names_in, volume_named};
use super::subject::{Label, Moment};
use crate::{Error, Result};

/// What ACDC's labels 0, 1, 2, 3 stand for.
pub const ACDC_LABELS: [Label; 4] =
    [Label::Background, Label::RightVentricle, Label::Myocardium, Label::LeftVentricle];

/// Subjects in ACDC's layout.
pub struct Acdc {
    listings: Vec<Listing>,
    patients: Vec<Patient>,
}

struct Patient {
    folder: PathBuf,
    cine: Option<PathBuf>,
    frames: Vec<FrameFiles>,
}

/// One frame's files; `number` counts from 1.
struct FrameFiles {
    number: usize,
    image: Option<PathBuf>,
    labels: Option<PathBuf>,
}

impl Acdc {
    /// Lists the subjects in the given patient folders.
    ///
    /// # Errors
    /// If two folders have one name, or a folder cannot be listed.
    pub fn new(folders: Vec<PathBuf>) -> Result<Acdc> {
        let mut patients = Vec::new();
        let mut listings = Vec::new();
        for folder in folders {
            let id = folder_name(&folder);
            let patient = Patient::find(folder, &id)?;
            // An Info.cfg that cannot be read is reported when the subject is loaded.
            let info = Info::read(&patient.folder).unwrap_or_default();
            listings.push(Listing {
                id,
                vendor: None,
                pathology: info.group,
                labelled: patient.frames.iter().any(|frame| frame.labels.is_some()),
                files: patient.files(),
            });
            patients.push(patient);
        }
        check_unique(&listings)?;
        Ok(Acdc { listings, patients })
    }
}

impl Dataset for Acdc {
    fn layout(&self) -> Layout {
        Layout::Acdc
    }

    fn subjects(&self) -> &[Listing] {
        &self.listings
    }

    fn load(&self, index: usize) -> Result<Loaded> {
        let (listing, patient) = (&self.listings[index], &self.patients[index]);
        let info = Info::read(&patient.folder)?;
        let mut remarks = Remarks::default();
        let (image, phases) = patient.image(&mut remarks)?;
        let mut labelled = Vec::new();
        for (frame, phase) in patient.frames.iter().zip(phases) {
            let Some(path) = &frame.labels else { continue };
            let phase = phase.ok_or_else(|| {
                let (number, count) = (frame.number, image.header.dims[3]);
                let what =
                    format!("labels frame {number}, and the image of {count} phases lacks it");
                Error::file(path, what)
            })?;
            let volume = read_labels_for(&image.header, path, &ACDC_LABELS, &mut remarks)?;
            if volume.header.dims[3] != 1 {
                return Err(Error::file(
                    path,
                    "labels of one frame were expected, and it has phases",
                ));
            }
            let moment = info.moment(frame.number);
            labelled.push(LabelledPhase { phase, moment, labels: volume.labels });
        }
        if !info.tells_phases() {
            name_moments(&mut labelled, &mut remarks);
        }
        assemble(listing, image, labelled, remarks)
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

    /// Images first, then labels, then Info.cfg. With the 4D file, single frames are not read.
    fn files(&self) -> Vec<PathBuf> {
        let images = match &self.cine {
            Some(cine) => vec![cine.clone()],
            None => self.frames.iter().filter_map(|frame| frame.image.clone()).collect(),
        };
        let labels = self.frames.iter().filter_map(|frame| frame.labels.clone());
        let info = Some(self.folder.join("Info.cfg")).filter(|path| path.is_file());
        images.into_iter().chain(labels).chain(info).collect()
    }

    /// The image, and for each of the frames its phase, if the image has it.
    fn image(&self, remarks: &mut Remarks) -> Result<(Volume, Vec<Option<usize>>)> {
        if let Some(cine) = &self.cine {
            let image = nifti::read(cine)?;
            let there = 1..=image.header.dims[3];
            let phase =
                |frame: &FrameFiles| there.contains(&frame.number).then(|| frame.number - 1);
            let phases = self.frames.iter().map(phase).collect();
            return Ok((image, phases));
        }
        let mut volumes = Vec::new();
        let mut phases = Vec::new();
        for frame in &self.frames {
            phases.push(frame.image.as_ref().map(|_| volumes.len()));
            if let Some(path) = &frame.image {
                let volume = nifti::read(path)?;
                if volume.header.dims[3] != 1 {
                    return Err(Error::file(
                        path,
                        "a single frame was expected, and it has phases",
                    ));
                }
                volumes.push(volume);
            }
        }
        if volumes.is_empty() {
            let id = folder_name(&self.folder);
            let what = format!("holds neither {id}_4d.nii.gz nor {id}_frameXX.nii.gz");
            return Err(Error::file(&self.folder, what));
        }
        remarks.push(format!("no 4D file; {} frames are stacked", volumes.len()));
        let image = Volume::join(volumes).map_err(|what| Error::file(&self.folder, what))?;
        Ok((image, phases))
    }
}

/// `12` of `patient001_frame12.nii.gz` and of `patient001_frame12_gt.nii.gz`.
fn frame_number(name: &str, id: &str) -> Option<usize> {
    let stem = nifti::stem(Path::new(name));
    let digits = stem.strip_prefix(id)?.strip_prefix("_frame")?;
    digits.strip_suffix("_gt").unwrap_or(digits).parse().ok()
}

fn folder_name(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What `Info.cfg` tells.
#[derive(Default)]
struct Info {
    end_diastole: Option<usize>,
    end_systole: Option<usize>,
    group: Option<String>,
}

impl Info {
    /// Lines of `Key: value`; unknown keys are passed over, and there may be no file.
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
                    let what = format!("{}: {value:?} is no frame number", key.trim());
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

    fn tells_phases(&self) -> bool {
        self.end_diastole.is_some() && self.end_systole.is_some()
    }

    fn moment(&self, frame: usize) -> Moment {
        match Some(frame) {
            number if number == self.end_diastole => Moment::EndDiastole,
            number if number == self.end_systole => Moment::EndSystole,
            _ => Moment::Other,
        }
    }
}
