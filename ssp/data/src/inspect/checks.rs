//! Signs of wrong data in a subject's numbers, by what is usual in cardiac MR.

use super::super::anatomy::{BorderCounts, ventricles_look_swapped};
use super::super::subject::{CardiacPhase, Label, LabelledFrame, Stack, Subject};

/// A line for everything suspicious about a subject.
pub(super) fn warnings(subject: &Subject) -> Vec<String> {
    let stack = &subject.stack;
    let mut found: Vec<String> = unusual_spacing(stack).into_iter().collect();
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

/// Short-axis cine is acquired at 0.5 to 3 mm in plane, in slices 4 to 16 mm apart.
fn unusual_spacing(stack: &Stack) -> Option<String> {
    let [row, column, slice] = stack.spacing;
    let in_plane = [row, column].iter().all(|step| (0.5..=3.0).contains(step));
    let usual = in_plane && (stack.slices == 1 || (4.0..=16.0).contains(&slice));
    (!usual).then(|| {
        format!("spacing {row} x {column} mm, slices {slice} mm apart, is unusual for cine")
    })
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
