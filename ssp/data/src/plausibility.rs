//! Signs of wrong data in a subject's numbers, by what is usual in cardiac MR.

use super::anatomy::{BorderCounts, odd_ring, ventricles_look_swapped};
use super::intensities::{far_voxels, marked_border};
use super::nifti::is_usual_for_cine;
use super::subject::{CardiacPhase, Label, LabelledFrame, Stack, Subject};

/// A line for everything suspicious about a subject. `file_size` is the number of slices, rows and
/// columns before empty borders were cropped.
pub(super) fn warnings(subject: &Subject, file_size: [usize; 3]) -> Vec<String> {
    let stack = &subject.stack;
    let mut found: Vec<String> = unusual_spacing(stack).into_iter().collect();
    found.extend(unusual_size(file_size, stack.spacing));
    found.extend(unusual_heart(subject));
    found.extend(far_voxels(&stack.voxels));
    found.extend(marked_border(&stack.voxels));
    found.extend(constant_phases(stack));
    for frame in &subject.frames {
        found.extend(missing_structures(frame));
        let border =
            |ventricle| BorderCounts::of(&frame.labels, [stack.rows, stack.columns], ventricle);
        if ventricles_look_swapped(border(Label::LeftVentricle), border(Label::RightVentricle)) {
            found.push(format!(
                "phase {}: the right ventricle's border touches more myocardium than the left's; are the \
                 label numbers swapped?",
                frame.phase
            ));
        }
        let odd = odd_ring(&frame.labels, [stack.rows, stack.columns]);
        found.extend(odd.map(|line| format!("phase {}: {line}", frame.phase)));
    }
    let frame_of =
        |cardiac_phase| subject.frames.iter().find(|frame| frame.cardiac_phase == cardiac_phase);
    let (ed, es) = (frame_of(CardiacPhase::EndDiastole), frame_of(CardiacPhase::EndSystole));
    if let Some(frame) = ed.or(subject.frames.first())
        && runs_from_apex(stack, frame)
    {
        found.push(
            "labels are smaller in the first slices than in the last: slices seem to run from apex to base"
                .into(),
        );
    }
    if let (Some(ed), Some(es)) = (ed, es)
        && ed.count(Label::LeftVentricle) <= es.count(Label::LeftVentricle)
    {
        found.push("the left ventricle is not larger at end-diastole than at end-systole".into());
    }
    found
}

fn unusual_spacing(stack: &Stack) -> Option<String> {
    let [row, column, slice] = stack.spacing;
    let between_slices = (stack.slices > 1).then_some(slice.into());
    (!is_usual_for_cine([row.into(), column.into()], between_slices)).then(|| {
        format!("spacing {row} x {column} mm, slices {slice} mm apart, is unusual for cine")
    })
}

/// A stack is at most 250 mm long, and wider than it has slices.
fn unusual_size([slices, rows, columns]: [usize; 3], spacing: [f32; 3]) -> Option<String> {
    let length = slices as f32 * spacing[2];
    let odd = slices > rows.min(columns) || (slices > 1 && length > 250.0);
    odd.then(|| {
        format!(
            "{slices} slices of {rows} x {columns}, {length} mm in all, are unusual for a short-axis stack: are the axes in another order?"
        )
    })
}

/// Both ventricles and the myocardium of anyone, in the largest labelled phase, are within these
/// millilitres. A few labelled slices are enough.
const HEART_ML: std::ops::RangeInclusive<f64> = 10.0..=2500.0;

/// Whether labels of all structures may cover so many millilitres.
pub fn is_volume_of_a_heart(millilitres: f64) -> bool {
    HEART_ML.contains(&millilitres)
}

fn unusual_heart(subject: &Subject) -> Option<String> {
    let voxel = f64::from(subject.stack.spacing.iter().product::<f32>()) / 1000.0;
    let labelled = |frame: &LabelledFrame| frame.labels.iter().filter(|&&label| label != 0).count();
    let largest = subject.frames.iter().map(labelled).max()?;
    let volume = largest as f64 * voxel;
    (largest > 0 && !is_volume_of_a_heart(volume))
        .then(|| format!("labels cover {volume:.1} ml, and no heart does: is the spacing right?"))
}

fn constant_phases(stack: &Stack) -> impl Iterator<Item = String> {
    let phases = stack.voxels.chunks(stack.slices * stack.rows * stack.columns).enumerate();
    let constant = phases.filter(|(_, voxels)| voxels.iter().all(|&voxel| voxel == voxels[0]));
    constant.map(|(phase, voxels)| format!("phase {phase} is empty: every voxel is {}", voxels[0]))
}

fn missing_structures(frame: &LabelledFrame) -> impl Iterator<Item = String> {
    let missing = Label::STRUCTURES.into_iter().filter(|&label| frame.count(label) == 0);
    missing.map(|label| format!("phase {}: no voxel is labelled {}", frame.phase, label.name()))
}

/// Whether labels cover more in the last half of the labelled slices than in the first.
fn runs_from_apex(stack: &Stack, frame: &LabelledFrame) -> bool {
    let areas: Vec<usize> = frame
        .labels
        .chunks(stack.rows * stack.columns)
        .map(|slice| slice.iter().filter(|&&label| label != 0).count())
        .collect();
    let first = areas.iter().position(|&area| area > 0);
    let last = areas.iter().rposition(|&area| area > 0);
    let (Some(first), Some(last)) = (first, last) else { return false };
    let labelled = &areas[first..=last];
    let half = labelled.len() / 2;
    let first_half: usize = labelled[..half].iter().sum();
    let last_half: usize = labelled[labelled.len() - half..].iter().sum();
    labelled.len() >= 4 && last_half > first_half
}
