//! What a cardiac MR reader would notice in a subject's numbers.

use super::super::anatomy::{Edges, ventricles_look_swapped};
use super::super::subject::{Frame, Label, Moment, Stack, Subject};
use super::{Finding, FrameReport, Severity};

/// Everything suspicious about a subject.
pub(super) fn of(subject: &Subject, frames: &[FrameReport]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut warn = |what: String| found.push(Finding::new(Severity::Warning, what));
    unusual_spacing(&subject.stack, &mut warn);
    constant_phases(&subject.stack, &mut warn);
    for (frame, report) in subject.frames.iter().zip(frames) {
        missing_structures(report, &mut warn);
        let plane = [subject.stack.rows, subject.stack.columns];
        let [left, right] = [Label::LeftVentricle, Label::RightVentricle]
            .map(|ventricle| Edges::of(&frame.labels, plane, ventricle));
        if ventricles_look_swapped(left, right) {
            warn(format!(
                "phase {}: more of the right ventricle's edge than of the left's touches myocardium; \
                 are the label numbers swapped?",
                frame.phase
            ));
        }
    }
    let of = |moment| frames.iter().position(|frame| frame.moment == moment);
    let first = of(Moment::EndDiastole).unwrap_or(0);
    if let Some(frame) = subject.frames.get(first)
        && runs_from_apex(&subject.stack, frame)
    {
        warn("labels are smaller in the first slices than in the last: slices seem to run from apex \
              to base"
            .into());
    }
    if let (Some(ed), Some(es)) = (of(Moment::EndDiastole), of(Moment::EndSystole))
        && frames[ed].voxels[0] <= frames[es].voxels[0]
    {
        warn("the left ventricle is no larger at end-diastole than at end-systole".into());
    }
    found
}

/// Short-axis cine is acquired at 0.5 to 3 mm in plane, in slices 4 to 16 mm apart.
fn unusual_spacing(stack: &Stack, warn: &mut impl FnMut(String)) {
    let [row, column, slice] = stack.spacing;
    let in_plane = [row, column].iter().all(|step| (0.5..=3.0).contains(step));
    if !in_plane || stack.slices > 1 && !(4.0..=16.0).contains(&slice) {
        warn(format!("spacing {row} x {column} mm, slices {slice} mm apart, is unusual for cine"));
    }
}

fn constant_phases(stack: &Stack, warn: &mut impl FnMut(String)) {
    let size = stack.slices * stack.rows * stack.columns;
    for (phase, voxels) in stack.voxels.chunks(size).enumerate() {
        if voxels.iter().all(|&voxel| voxel == voxels[0]) {
            warn(format!("phase {phase} shows nothing: every voxel is {}", voxels[0]));
        }
    }
}

fn missing_structures(frame: &FrameReport, warn: &mut impl FnMut(String)) {
    for (label, &voxels) in Label::STRUCTURES.iter().zip(&frame.voxels) {
        if voxels == 0 {
            warn(format!("phase {}: no voxel is labelled {}", frame.phase, label.name()));
        }
    }
}

/// Whether labels cover more in the last half of the labelled slices than in the first.
fn runs_from_apex(stack: &Stack, frame: &Frame) -> bool {
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
    let basal: usize = labelled[..half].iter().sum();
    let apical: usize = labelled[labelled.len() - half..].iter().sum();
    labelled.len() >= 4 && apical > basal
}
