//! A data set: subjects that can be listed cheaply and loaded one by one.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::nifti::{self, Header, LabelVolume, Volume};
use super::orient::{Placement, SliceOrder};
use super::subject::{Frame, Label, Moment, Stack, Subject};
use crate::{Error, Result};

/// How a source lays out its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// The ACDC challenge: `patientNNN/patientNNN_4d.nii.gz`.
    Acdc,
    /// The M&Ms challenge: `<ID>/<ID>_sa.nii.gz`.
    Mnms,
    /// The M&Ms-2 challenge: `NNN/NNN_SA_CINE.nii.gz`.
    Mnms2,
    /// A plain folder: `images/` and optional `labels/`.
    Folder,
}

impl Layout {
    /// The source's own name.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Acdc => "ACDC",
            Layout::Mnms => "M&Ms",
            Layout::Mnms2 => "M&Ms-2",
            Layout::Folder => "plain folder",
        }
    }

    /// Its name in split files and settings.
    pub fn subset(self) -> &'static str {
        match self {
            Layout::Acdc => "acdc",
            Layout::Mnms => "mm1",
            Layout::Mnms2 => "mm2",
            Layout::Folder => "folder",
        }
    }
}

/// Subjects of one source. Listing reads no voxels; a broken subject fails alone, when it is loaded.
pub trait Dataset: Send + Sync {
    /// How the files are laid out.
    fn layout(&self) -> Layout;

    /// Who is in it, in a fixed order; IDs are unique.
    fn subjects(&self) -> &[Listing];

    /// Who would be in it, and is in another data set as well that is used beside it.
    fn left_out(&self) -> &[Listing] {
        &[]
    }

    /// Reads one subject, by its place in [`subjects`](Dataset::subjects).
    ///
    /// # Errors
    /// If a file of the subject is missing or cannot be used; the line names the file.
    fn load(&self, index: usize) -> Result<Loaded>;
}

/// What is known of a subject before its voxels are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Unique within its source, as the source spells it.
    pub id: String,
    /// Scanner vendor, where the source tells.
    pub vendor: Option<String>,
    /// Diagnosis or group, where the source tells.
    pub pathology: Option<String>,
    /// Whether there is a file of labels (it may yet turn out to hold none).
    pub labelled: bool,
    /// Every file that loading reads, images first.
    pub files: Vec<PathBuf>,
}

impl Listing {
    /// The files with their sizes and times: what a cache of this subject depends on.
    ///
    /// # Errors
    /// If a file has gone.
    pub fn sources(&self) -> Result<Vec<Source>> {
        self.files.iter().map(|path| Source::of(path)).collect()
    }

    /// An error about this subject's folder or first file.
    pub(super) fn wrong(&self, what: impl AsRef<str>) -> Error {
        let what = format!("subject {}: {}", self.id, what.as_ref());
        self.files
            .first()
            .map_or_else(|| Error::Data(what.clone()), |file| Error::file(file, &what))
    }
}

/// A file, and what changes when its content does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

impl Source {
    /// Looks a file up.
    ///
    /// # Errors
    /// If there is none.
    pub fn of(path: &Path) -> Result<Source> {
        let about = std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
        let modified = about.modified().map_err(|error| Error::io(path, error))?;
        Ok(Source { path: path.to_path_buf(), bytes: about.len(), modified })
    }
}

/// A subject, and all that is needed to write a prediction back where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Images and labels in the study's orientation.
    pub subject: Subject,
    /// The way back to the file's grid.
    pub placement: Placement,
    /// What decided where the base is.
    pub slice_order: SliceOrder,
    /// The image's header, for [`nifti::write_labels`].
    pub header: Header,
    /// The files that were read.
    pub sources: Vec<Source>,
    /// What was odd.
    pub remarks: Remarks,
}

/// What was odd about a subject, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// How it was resolved.
    pub notes: Vec<String>,
    /// What may be wrong all the same, and somebody should look at.
    pub warnings: Vec<String>,
}

impl Remarks {
    /// Adds a note.
    pub fn push(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Adds a warning.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }
}

impl Loaded {
    /// Writes labels of one or more phases (phase-major, on the subject's stack) as a NIfTI file on
    /// the grid of the file that the stack came from.
    ///
    /// # Errors
    /// If `labels` is not a whole number of phases, or the file cannot be written.
    pub fn write_labels(&self, path: impl AsRef<Path>, labels: &[u8]) -> Result<()> {
        let size: usize = self.placement.size().iter().product();
        let mut restored = Vec::new();
        for phase in labels.chunks(size) {
            restored.extend(self.placement.restore(phase)?);
        }
        nifti::write_labels(path, &self.header, &restored)
    }
}

/// Labels of one phase on the image's grid, before orientation.
pub(super) struct LabelledPhase {
    pub phase: usize,
    pub moment: Moment,
    pub labels: Vec<u8>,
}

/// Puts a subject together: checks the image, orients it and its labels, cuts off empty borders.
pub(super) fn assemble(
    listing: &Listing,
    image: Volume,
    mut labelled: Vec<LabelledPhase>,
    mut remarks: Remarks,
) -> Result<Loaded> {
    let unusable = image.voxels.iter().filter(|voxel| !voxel.is_finite()).count();
    if unusable > 0 {
        let what =
            format!("{unusable} voxels are not finite numbers; replace them, by 0 for instance");
        return Err(listing.wrong(what));
    }
    let phases = image.header.dims[3];
    let (mut placement, slice_order) = Placement::of(&image.header);
    let [_, rows, columns] = placement.size();
    if rows < 2 || columns < 2 {
        return Err(listing.wrong(format!("shape {} is no stack of slices", image.header.shape())));
    }
    crop(&mut placement, &image, &labelled).map_err(|what| listing.wrong(what))?;

    let mut voxels = Vec::with_capacity(phases * placement.size().iter().product::<usize>());
    for phase in 0..phases {
        voxels.extend(placement.take(image.phase(phase)));
    }
    labelled.sort_by_key(|labelled| labelled.phase);
    let frames = labelled
        .into_iter()
        .map(|LabelledPhase { phase, moment, labels }| Frame {
            phase,
            moment,
            labels: placement.take(&labels),
        })
        .collect();
    let [slices, rows, columns] = placement.size();
    let spacing = placement.spacing(&image.header.spacing);
    let stack = Stack { voxels, phases, slices, rows, columns, spacing };
    remarks.notes.splice(0..0, image.header.remarks.iter().cloned());
    Ok(Loaded {
        subject: Subject {
            id: listing.id.clone(),
            stack,
            frames,
            vendor: listing.vendor.clone(),
            pathology: listing.pathology.clone(),
        },
        placement,
        slice_order,
        header: image.header,
        sources: listing.sources()?,
        remarks,
    })
}

/// Cuts off borders that hold neither intensity nor label in any phase.
fn crop(
    placement: &mut Placement,
    image: &Volume,
    labelled: &[LabelledPhase],
) -> std::result::Result<(), String> {
    let mut used: Vec<bool> = vec![false; image.header.voxels_per_phase()];
    let mut empty = true;
    for phase in 0..image.header.dims[3] {
        for (used, &voxel) in used.iter_mut().zip(image.phase(phase)) {
            *used |= voxel != 0.0;
            empty &= voxel == 0.0;
        }
    }
    if empty {
        return Err("every voxel is 0".into());
    }
    for LabelledPhase { labels, .. } in labelled {
        for (used, &label) in used.iter_mut().zip(labels) {
            *used |= label != 0;
        }
    }
    placement.crop(&[&used], |used| used);
    Ok(())
}

/// Reads a label map of the study's or another numbering onto an image's grid. `meaning[n]` is what
/// the file's label `n` stands for.
pub(super) fn read_labels_for(
    image: &Header,
    path: &Path,
    meaning: &[Label; 4],
    remarks: &mut Remarks,
) -> Result<LabelVolume> {
    let volume = nifti::read_labels(path, 3)?;
    if let Some([own, other]) = volume.header.turned_against(image) {
        let what = "voxels are paired as stored";
        remarks.warn(format!("axes of the labels run {own}, of the image {other}; {what}"));
    }
    let (mut volume, remark) = volume.on_grid_of(image).map_err(|what| Error::file(path, what))?;
    remarks.notes.extend(remark);
    for label in &mut volume.labels {
        *label = meaning[usize::from(*label)] as u8;
    }
    Ok(volume)
}

/// The study's numbering, which M&Ms and M&Ms-2 share.
pub(super) const STUDY_LABELS: [Label; 4] =
    [Label::Background, Label::LeftVentricle, Label::Myocardium, Label::RightVentricle];

/// The labelled phases of a 4D label map: those with any label. Of two or more, the one with most
/// labelled voxels is end-diastole and the one with fewest end-systole.
pub(super) fn labelled_phases(volume: &LabelVolume, remarks: &mut Remarks) -> Vec<LabelledPhase> {
    let mut found = Vec::new();
    for phase in 0..volume.header.dims[3] {
        let labels = volume.phase(phase);
        if labels.iter().any(|&label| label != 0) {
            found.push(LabelledPhase { phase, moment: Moment::Other, labels: labels.to_vec() });
        }
    }
    name_moments(&mut found, remarks);
    found
}

/// Of two or more labelled phases, names the largest end-diastole and the smallest end-systole.
pub(super) fn name_moments(phases: &mut [LabelledPhase], remarks: &mut Remarks) {
    let count = |phase: &LabelledPhase| phase.labels.iter().filter(|&&label| label != 0).count();
    let sizes: Vec<usize> = phases.iter().map(count).collect();
    for (phase, moment) in phases.iter_mut().zip(moments_of(&sizes)) {
        phase.moment = moment;
    }
    if phases.len() > 2 {
        remarks.warn(format!(
            "{} phases carry labels; only the largest (end-diastole) and the smallest (end-systole) train \
             and test",
            phases.len()
        ));
    }
    let largest = sizes.iter().max().copied().unwrap_or(0);
    if let Some(at) = sizes.iter().position(|&size| 10 * size < largest) {
        remarks.warn(format!(
            "phase {} has {} labelled voxels where another has {largest}: stray ones?",
            phases[at].phase, sizes[at]
        ));
    }
}

/// Moments by numbers of labelled voxels: of two or more the largest is end-diastole and the smallest
/// end-systole, the first of equals.
pub fn moments_of(sizes: &[usize]) -> Vec<Moment> {
    let places = 0..sizes.len();
    let largest = places.clone().max_by_key(|&n| (sizes[n], std::cmp::Reverse(n)));
    let smallest = places.clone().filter(|&n| Some(n) != largest).min_by_key(|&n| sizes[n]);
    let moment = |n: usize| match Some(n) {
        n if smallest.is_none() || (n != largest && n != smallest) => Moment::Other,
        n if n == largest => Moment::EndDiastole,
        _ => Moment::EndSystole,
    };
    places.map(moment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_by_size() {
        use Moment::{EndDiastole, EndSystole, Other};
        assert_eq!(moments_of(&[]), []);
        assert_eq!(moments_of(&[5]), [Other]);
        assert_eq!(moments_of(&[5, 9]), [EndSystole, EndDiastole]);
        assert_eq!(moments_of(&[5, 5]), [EndDiastole, EndSystole]);
        assert_eq!(moments_of(&[7, 9, 5, 6]), [Other, EndDiastole, EndSystole, Other]);
    }
}
