//! From an image and its label maps to a subject: the steps that all readers share.

use std::path::{Path, PathBuf};

use super::dataset::{LoadedSubject, SubjectEntry};
use super::diagnostics::Diagnostics;
use super::intensities::unusable;
use super::nifti::{self, Header, LabelVolume, Volume};
use super::orient::StackMapping;
use super::plausibility;
use super::subject::{CardiacPhase, Label, LabelledFrame, Stack, Subject};
use crate::{Error, Result};

/// The study's label numbers, which are those of M&Ms and M&Ms-2.
pub(super) const STUDY_LABELS: [Label; 4] =
    [Label::Background, Label::LeftVentricle, Label::Myocardium, Label::RightVentricle];

/// Puts a subject together: checks the image, orients it and its labels, and crops empty borders.
/// The labels of `frames` are on the image's grid.
pub(super) fn assemble(
    entry: &SubjectEntry,
    image: Volume,
    mut frames: Vec<LabelledFrame>,
    diagnostics: Diagnostics,
) -> Result<LoadedSubject> {
    let [i, j, k, _] = image.header.dims;
    if let Some(what) = unusable(&image.voxels, [i, j, k]) {
        return Err(entry.error(what));
    }
    let (mut mapping, slice_order) = StackMapping::of(&image.header);
    let [_, rows, columns] = mapping.size();
    if rows < 2 || columns < 2 {
        let shape = image.header.shape();
        return Err(entry.error(format!("shape {shape} is not a stack of slices")));
    }
    let file_size = mapping.size();
    mapping.crop(&used_voxels(&image, &frames));

    frames.sort_by_key(|frame| frame.phase);
    frames.iter_mut().for_each(|frame| frame.labels = mapping.to_stack(&frame.labels));
    let [slices, rows, columns] = mapping.size();
    let phases = image.header.dims[3];
    let mut voxels =
        nifti::reserved(phases * slices * rows * columns).map_err(|what| entry.error(what))?;
    (0..phases).for_each(|phase| voxels.extend(mapping.to_stack(image.phase(phase))));
    let spacing = mapping.spacing(&image.header.geometry.spacing);
    let subject = Subject {
        id: entry.id.clone(),
        stack: Stack { voxels, phases, slices, rows, columns, spacing },
        frames,
        vendor: entry.vendor.clone(),
        pathology: entry.pathology.clone(),
    };
    // What is odd about the image comes before what is odd about its labels.
    let mut all = image.header.diagnostics.clone();
    all.merge(&diagnostics);
    all.warnings.extend(plausibility::warnings(&subject, file_size));
    Ok(LoadedSubject { subject, mapping, slice_order, header: image.header, diagnostics: all })
}

/// The voxels of the file's grid that have an intensity or a label other than 0 in any phase.
fn used_voxels(image: &Volume, frames: &[LabelledFrame]) -> Vec<bool> {
    let mut used = vec![false; image.header.voxels_per_phase()];
    for phase in image.voxels.chunks(used.len()) {
        used.iter_mut().zip(phase).for_each(|(used, &voxel)| *used |= voxel != 0.0);
    }
    for frame in frames {
        used.iter_mut().zip(&frame.labels).for_each(|(used, &label)| *used |= label != 0);
    }
    used
}

/// Reads images of one phase each, and joins them into one volume with a phase for each image. Without
/// any, the error names `place`.
pub(super) fn read_frames<'a>(
    images: impl Iterator<Item = &'a PathBuf>,
    place: &Path,
) -> Result<Volume> {
    let mut joined: Option<Volume> = None;
    for path in images {
        let volume = nifti::read(path)?;
        check_one_phase(path, &volume.header)?;
        match &mut joined {
            None => joined = Some(volume),
            Some(joined) => joined
                .append(volume, &format!("frame {}", nifti::stem(path)))
                .map_err(|what| Error::file(path, what))?,
        }
    }
    joined.ok_or_else(|| Error::file(place, "no frame to stack"))
}

fn check_one_phase(path: &Path, header: &Header) -> Result<()> {
    match header.dims[3] {
        1 => Ok(()),
        phases => Err(Error::file(
            path,
            format!("has {phases} phases; its name says that it is a single frame"),
        )),
    }
}

/// Reads the labels of one phase; see [`read_labels`].
pub(super) fn read_frame_labels(
    image: &mut Header,
    path: &Path,
    meaning: &[Label; 4],
    diagnostics: &mut Diagnostics,
) -> Result<Vec<u8>> {
    let volume = read_labels(image, path, meaning, diagnostics)?;
    check_one_phase(path, &volume.header)?;
    Ok(volume.labels)
}

/// Reads the labels of an image, a phase for each of the image's, and returns those phases that have
/// any label.
pub(super) fn read_cine_labels(
    image: &mut Header,
    path: &Path,
    meaning: &[Label; 4],
    diagnostics: &mut Diagnostics,
) -> Result<Vec<LabelledFrame>> {
    let volume = read_labels(image, path, meaning, diagnostics)?;
    let (own, phases) = (volume.header.dims[3], image.dims[3]);
    if own != phases {
        let what = format!(
            "has {own} phases, and its image {phases}; give both the same phases, with labels of 0 \
             where unlabelled"
        );
        return Err(Error::file(path, what));
    }
    let mut frames = Vec::new();
    for phase in 0..phases {
        let labels = volume.phase(phase);
        if labels.iter().any(|&label| label != 0) {
            frames.push(LabelledFrame {
                phase,
                cardiac_phase: CardiacPhase::Other,
                labels: labels.to_vec(),
            });
        }
    }
    assign_cardiac_phases(&mut frames, diagnostics);
    if frames.is_empty() {
        diagnostics.warn(format!("{EMPTY_LABELS}; it counts as unlabelled"));
    }
    Ok(frames)
}

/// The note for a label file without any label.
pub(super) const EMPTY_LABELS: &str = "the label file has no label other than 0";

/// Reads a label map in any numbering, and moves it onto an image's grid. `meaning[n]` is what the
/// file's label `n` stands for. If only the labels have a spacing, the image takes it.
fn read_labels(
    image: &mut Header,
    path: &Path,
    meaning: &[Label; 4],
    diagnostics: &mut Diagnostics,
) -> Result<LabelVolume> {
    let volume = nifti::read_labels(path, 3)?;
    let aligned = volume.on_grid_of(image, ["labels", "image"]);
    let (mut volume, alignment) = aligned.map_err(|what| Error::file(path, what))?;
    diagnostics.merge(&alignment.diagnostics);
    image.geometry.spacing = alignment.spacing;
    for label in &mut volume.labels {
        *label = meaning[usize::from(*label)] as u8;
    }
    Ok(volume)
}

/// Of two or more labelled phases, names the one with most labelled voxels end-diastole and the one
/// with fewest end-systole.
pub(super) fn assign_cardiac_phases(frames: &mut [LabelledFrame], diagnostics: &mut Diagnostics) {
    let count = |frame: &LabelledFrame| frame.labels.iter().filter(|&&label| label != 0).count();
    let sizes: Vec<usize> = frames.iter().map(count).collect();
    for (frame, cardiac_phase) in frames.iter_mut().zip(cardiac_phases_by_size(&sizes)) {
        frame.cardiac_phase = cardiac_phase;
    }
    if frames.len() > 2 {
        diagnostics.warn(format!(
            "{} phases carry labels; only the largest (end-diastole) and the smallest (end-systole) \
             are used to train and test",
            frames.len()
        ));
    }
    let largest = sizes.iter().max().copied().unwrap_or(0);
    if let Some(at) = sizes.iter().position(|&size| 10 * size < largest) {
        diagnostics.warn(format!(
            "phase {} has {} labelled voxels where another has {largest}: are they stray voxels?",
            frames[at].phase, sizes[at]
        ));
    }
}

/// Which cardiac phases frames show, by their numbers of labelled voxels: of two or more, the largest
/// is end-diastole and the smallest end-systole, the first of equals.
pub fn cardiac_phases_by_size(sizes: &[usize]) -> Vec<CardiacPhase> {
    let indices = 0..sizes.len();
    let largest = indices.clone().max_by_key(|&n| (sizes[n], std::cmp::Reverse(n)));
    let smallest = indices.clone().filter(|&n| Some(n) != largest).min_by_key(|&n| sizes[n]);
    let cardiac_phase = |n: usize| match Some(n) {
        n if smallest.is_none() || (n != largest && n != smallest) => CardiacPhase::Other,
        n if n == largest => CardiacPhase::EndDiastole,
        _ => CardiacPhase::EndSystole,
    };
    indices.map(cardiac_phase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_frame_is_end_diastole_and_the_smallest_end_systole() {
        use CardiacPhase::{EndDiastole, EndSystole, Other};
        assert_eq!(cardiac_phases_by_size(&[]), []);
        assert_eq!(cardiac_phases_by_size(&[5]), [Other]);
        assert_eq!(cardiac_phases_by_size(&[5, 9]), [EndSystole, EndDiastole]);
        assert_eq!(cardiac_phases_by_size(&[5, 5]), [EndDiastole, EndSystole]);
        assert_eq!(cardiac_phases_by_size(&[7, 9, 5, 6]), [Other, EndDiastole, EndSystole, Other]);
    }
}
