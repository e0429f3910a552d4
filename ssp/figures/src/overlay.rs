//! Slices of a subject with ground truth and prediction, side by side.

use super::canvas::Picture;
use super::figure::{Figure, Segmented, SliceRow};
use super::regions::known;
use crate::{Error, Result};
use data::Stack;

/// Draws a basal, a middle and an apical slice of each frame of the subject `id`.
///
/// Columns: the image, the ground truth, the prediction, and the outline of the prediction over the
/// ground truth; without a ground truth, the image and the prediction. All rows show the same square
/// around the heart in the same grey-scale window. The heading gives the Dice of each frame, the right
/// margin that of each slice.
///
/// # Errors
/// When a frame does not fit the stack, or has a label that is no class.
pub fn overlay(id: &str, stack: &Stack, frames: &[Segmented]) -> Result<Picture> {
    frames.iter().try_for_each(|frame| check(stack, frame))?;
    let rows: Vec<SliceRow> = frames.iter().flat_map(|frame| rows(stack, frame)).collect();
    Figure::new(stack, &rows, frames)?.draw(id)
}

/// Checks that a frame fits the stack.
fn check(stack: &Stack, frame: &Segmented) -> Result<()> {
    let voxels = stack.slices * stack.rows * stack.columns;
    let fits = frame.prediction.len() == voxels && frame.reference().len() == voxels;
    if voxels == 0 || frame.phase >= stack.phases || !fits {
        return Err(Error::Data(format!(
            "phase {} with {} predicted and {} true labels does not fit a stack of {} phases of {} \
             slices of {} by {} pixels",
            frame.phase,
            frame.prediction.len(),
            frame.reference().len(),
            stack.phases,
            stack.slices,
            stack.rows,
            stack.columns
        )));
    }
    known(frame.prediction)?;
    known(frame.reference())
}

/// Three labelled slices, spread from base to apex; fewer if there are fewer, and the middle slice if
/// none is labelled.
fn rows<'a>(stack: &'a Stack, frame: &Segmented<'a>) -> Vec<SliceRow<'a>> {
    let plane = stack.rows * stack.columns;
    let mut labelled = frame.reference().chunks_exact(plane).map(|s| s.iter().any(|&l| l != 0));
    let first = labelled.position(|any| any);
    let (first, count) = match first {
        Some(first) => (first, 1 + labelled.rposition(|any| any).map_or(0, |last| last + 1)),
        None => (stack.slices / 2, 1),
    };
    let places: &[(&str, usize)] = match count {
        1 => &[("", 1)],
        2 => &[("base", 0), ("apex", 2)],
        _ => &[("base", 0), ("middle", 1), ("apex", 2)],
    };
    // The outermost labelled slices often cover the heart only partly, so take those a sixth in.
    let slice = |third: usize| first + (2 * third + 1) * count / 6;
    let row = |&(place, third): &(&str, usize)| {
        let slice = slice(third);
        let part = slice * plane..(slice + 1) * plane;
        SliceRow {
            names: [frame.name(), place.to_string(), format!("slice {slice}")],
            image: stack.slice(frame.phase, slice),
            truth: frame.truth.map(|labels| &labels[part.clone()]),
            prediction: &frame.prediction[part],
        }
    };
    places.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::{WHITE, blend};
    use crate::label_colour;
    use data::{CardiacPhase, Label};

    /// Eight slices of 60 by 50 pixels; the truth labels slices 1 to 6 with nested squares.
    fn case() -> (Stack, Vec<u8>) {
        let (slices, rows, columns) = (8, 60, 50);
        let voxels: Vec<f32> = (0..2 * slices * rows * columns).map(|v| (v % 97) as f32).collect();
        let mut labels = vec![0; slices * rows * columns];
        for slice in 1..7 {
            for row in 20..40 {
                for column in 15..35 {
                    let label = match (row, column) {
                        (24..36, 19..31) => 1,
                        (_, 31..) => 3,
                        _ => 2,
                    };
                    labels[(slice * rows + row) * columns + column] = label;
                }
            }
        }
        let spacing = [1.5, 1.5, 10.0];
        (Stack { voxels, phases: 2, slices, rows, columns, spacing }, labels)
    }

    #[test]
    fn slices_are_spread_over_the_heart() {
        let (stack, labels) = case();
        let plane = stack.rows * stack.columns;
        let frame = |labels| Segmented {
            phase: 1,
            moment: CardiacPhase::EndSystole,
            truth: None,
            prediction: labels,
        };
        let names: Vec<_> = rows(&stack, &frame(&labels)).into_iter().map(|r| r.names).collect();
        assert_eq!(names[0], ["ES", "base", "slice 2"]);
        assert_eq!(names[1], ["ES", "middle", "slice 4"]);
        assert_eq!(names[2], ["ES", "apex", "slice 6"]);
        let single = [vec![0; 3 * plane], vec![1; plane], vec![0; 4 * plane]].concat();
        assert_eq!(rows(&stack, &frame(&single))[0].names, ["ES", "", "slice 3"]);
        assert_eq!(rows(&stack, &frame(&vec![0; 8 * plane])).len(), 1);
    }

    /// Slices are shown whole, each pixel as 3 x 3, and the prediction is the truth, two pixels to
    /// the left.
    #[test]
    fn columns_show_image_truth_prediction_and_both() {
        let (stack, truth) = case();
        let predicted: Vec<u8> = truth[2..].iter().copied().chain([0, 0]).collect();
        let frame = |phase, moment| Segmented {
            phase,
            moment,
            truth: Some(&truth[..]),
            prediction: &predicted,
        };
        let both = [frame(0, CardiacPhase::EndDiastole), frame(1, CardiacPhase::EndSystole)];
        let picture = overlay("patient001", &stack, &both).unwrap();
        assert_eq!((picture.width, picture.height), (800, 1278));
        let left = |column: usize| 90 + column * 156;
        let top = |row: usize| 112 + row * 186 + row / 3 * 6;
        let over = |under, label, alpha| blend(under, label_colour(label), alpha);
        for row in 0..6 {
            // A pixel of the stack, in each of the columns.
            let pixel = |line: usize, place: usize| {
                [0, 1, 2, 3].map(|c| picture.at(left(c) + 3 * place + 1, top(row) + 3 * line + 1))
            };
            let lv = Label::LeftVentricle;
            let [grey, truth, predicted, both] = pixel(30, 25);
            assert!(grey[0] == grey[1] && grey[1] == grey[2], "row {row}: {grey:?}");
            assert_eq!([truth, predicted], [over(grey, lv, 0.25); 2], "row {row}");
            assert_eq!(both, over(grey, lv, 0.6), "row {row}");
            // Right ventricle by the truth, and background by the prediction.
            let rv = Label::RightVentricle;
            let [grey, truth, predicted, both] = pixel(30, 33);
            assert_eq!([truth, predicted], [over(grey, rv, 0.25), grey], "row {row}");
            assert_eq!(both, over(grey, rv, 0.6), "row {row}");
            let [grey, truth, predicted, both] = pixel(10, 25);
            assert_eq!([truth, predicted, both], [grey; 3], "row {row}: background");
            let white = |column| {
                picture.count(WHITE, left(column)..left(column) + 150, top(row)..top(row) + 180)
            };
            assert!(white(3) > white(1) + 100, "row {row}: the prediction has white outlines");
            for (line, label) in Label::STRUCTURES.into_iter().enumerate() {
                let found = picture.at(left(4) + 6, top(row) + 90 - 16 + 21 * line - 5);
                assert_eq!(found, label_colour(label), "row {row}: Dice of {}", label.name());
            }
        }
        // 20 mm, of two pixels each.
        let bar = left(0) + 10..left(0) + 50;
        assert_eq!(picture.count(WHITE, bar, top(0) + 168..top(0) + 170), 80);

        let alone = Segmented { truth: None, ..both[0] };
        let narrow = overlay("patient001", &stack, &[alone]).unwrap();
        assert_eq!((narrow.width, narrow.height), (414, 672));
        let [image, predicted] = [0, 1].map(|c| narrow.at(left(c) + 76, 70 + 91));
        assert_eq!(predicted, over(image, Label::LeftVentricle, 0.25));
    }

    #[test]
    fn frames_that_do_not_fit_are_refused() {
        let (stack, labels) = case();
        let frame =
            Segmented { phase: 2, moment: CardiacPhase::Other, truth: None, prediction: &labels };
        assert!(overlay("a", &stack, &[frame]).is_err());
        let short = Segmented { phase: 0, prediction: &labels[1..], ..frame };
        assert!(overlay("a", &stack, &[short]).is_err());
        let strange = vec![7; labels.len()];
        let strange = Segmented { prediction: &strange, ..short };
        let message = overlay("a", &stack, &[strange]).unwrap_err().to_string();
        assert!(message.contains("label 7"), "{message}");
        let empty = overlay("a", &stack, &[]).unwrap();
        for label in Label::STRUCTURES {
            // The legend alone: a square of 13 pixels, whose edges may lie between pixels.
            let all = empty.count(label_colour(label), 0..empty.width, 0..empty.height);
            assert!((12 * 13..=13 * 13).contains(&all), "{}: {all}", label.name());
        }
    }
}
