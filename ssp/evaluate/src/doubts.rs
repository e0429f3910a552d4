//! Results that no heart has, or that a network has which outlines nothing.

use data::plausibility::is_volume_of_a_heart;
use data::{Label, by_line};

use super::{CardiacFunction, FrameRow, Results, SubjectRow, cardiac_functions};

/// A line for everything in results that must not be taken at face value; a line that several subjects
/// share names them.
pub fn doubts(results: &Results) -> Vec<String> {
    let subjects = cardiac_functions(&results.frames);
    let of_subjects: Vec<(&str, String)> = subjects
        .iter()
        .flat_map(|row| row.doubts().map(|line| (row.subject.as_str(), line)))
        .collect();
    let mut lines = by_line(of_subjects.iter().map(|(subject, line)| (*subject, line.as_str())));
    lines.splice(0..0, not_outlined(&results.frames));
    lines
}

/// Whether frames have volumes, and all that are predicted are 0.
pub fn outlines_nothing(frames: &[FrameRow]) -> bool {
    let mut measured = frames.iter().filter_map(|row| row.measurements).peekable();
    measured.peek().is_some() && measured.all(|m| m.predicted_ml == [0.0; 3])
}

/// What a network does not outline in any frame, though it is there: a line for everything, or one
/// for each structure.
pub(crate) fn not_outlined(frames: &[FrameRow]) -> Vec<String> {
    let measured: Vec<_> = frames.iter().filter_map(|row| row.measurements).collect();
    let never = |structure: usize| {
        measured.iter().all(|m| m.predicted_ml[structure] == 0.0)
            && measured.iter().any(|m| m.true_ml[structure] > 0.0)
    };
    let names = [0, 1, 2].map(|at| never(at).then(|| Label::STRUCTURES[at].name()));
    let count = measured.len();
    let missing: Vec<&str> = names.into_iter().flatten().collect();
    match missing.as_slice() {
        [] => Vec::new(),
        _ if outlines_nothing(frames) => {
            vec![format!("nothing at all is outlined in any of {count} frames")]
        }
        names => vec![format!("no {} is outlined in any of {count} frames", names.join(", no "))],
    }
}

/// What to warn of if true labels are of a size that no heart has.
pub(crate) fn size_doubt(row: &FrameRow) -> Option<String> {
    let volume: f64 = row.measurements?.true_ml.iter().sum();
    (volume > 0.0 && !is_volume_of_a_heart(volume)).then(|| {
        format!("true labels cover {volume:.1} ml, and no heart does: is the spacing right?")
    })
}

/// What to warn of if true labels lack a structure: its Dice and volume say nothing of the prediction.
pub(crate) fn missing_structures(row: &FrameRow) -> Vec<String> {
    let Some(measured) = row.measurements else { return Vec::new() };
    let missing = (0..3).filter(|&structure| measured.true_ml[structure] == 0.0);
    let line = |structure: usize| {
        let name = Label::STRUCTURES[structure].name();
        let moment = row.moment.name();
        let frame = match moment {
            "-" => format!("phase {}", row.phase),
            moment => moment.to_owned(),
        };
        format!(
            "the true labels of {frame} have no {name}; its Dice is 1 where none is predicted, and else 0"
        )
    };
    missing.map(line).collect()
}

impl SubjectRow {
    /// A line for everything in this subject's cardiac function that cannot be.
    pub fn doubts(&self) -> impl Iterator<Item = String> + use<> {
        let of_side = |side: &'static str, function: CardiacFunction| {
            let ventricles = [(0, "LV"), (2, "RV")];
            ventricles.into_iter().filter_map(move |(structure, name)| {
                let fraction = function.ejection_fraction(structure)?;
                let why = match (fraction, side) {
                    (..0.0, "true") => "it is larger at end-systole; are the phases exchanged?",
                    (..0.0, _) => "it is larger at end-systole",
                    (100.0.., _) => "it is empty at end-systole",
                    _ => return None,
                };
                Some(format!(
                    "the {side} {name} ejection fraction is {}: {why}",
                    match fraction {
                        ..0.0 => "below 0",
                        _ => "100 %",
                    }
                ))
            })
        };
        of_side("true", self.ground_truth).chain(of_side("predicted", self.predicted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::tests::frame;
    use data::CardiacPhase;

    fn of(frames: &[FrameRow]) -> Vec<String> {
        doubts(&Results { frames: frames.to_vec(), ..Results::default() })
    }

    const ED: CardiacPhase = CardiacPhase::EndDiastole;
    const ES: CardiacPhase = CardiacPhase::EndSystole;

    #[test]
    fn impossible_ejection_fractions_are_named() {
        let (large, small) = ([120.0, 100.0, 130.0], [60.0, 110.0, 70.0]);
        assert_eq!(of(&[frame("a", ED, large, large), frame("a", ES, small, small)]), [""; 0]);
        let exchanged = |id| [frame(id, ED, large, small), frame(id, ES, small, large)];
        let found = of(&[exchanged("a"), exchanged("b")].concat());
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("a, b: the true LV ejection fraction is below 0"),
            "{found:?}"
        );
        assert!(found[1].contains("true RV"), "{found:?}");
        let empty = of(&[frame("a", ED, large, large), frame("a", ES, [0.0; 3], small)]);
        assert!(empty[0].contains("predicted LV ejection fraction is 100 %"), "{empty:?}");
    }

    #[test]
    fn a_network_that_outlines_nothing_is_named() {
        let truth = [60.0, 50.0, 0.0];
        let found = of(&[frame("a", ED, [0.0; 3], truth), frame("b", ED, [0.0; 3], truth)]);
        assert!(found[0].contains("nothing at all is outlined in any of 2 frames"), "{found:?}");
        let found = of(&[frame("a", ED, [60.0, 0.0, 0.0], truth)]);
        assert_eq!(found, ["no MYO is outlined in any of 1 frames"]);
        assert_eq!(of(&[frame("a", ED, [60.0, 1.0, 0.0], truth)]), [""; 0]);
    }

    #[test]
    fn true_volumes_of_no_heart_are_named() {
        let of = |truth| size_doubt(&frame("a", ED, [60.0; 3], truth));
        assert!(of([0.6, 0.8, 0.5]).unwrap().contains("1.9 ml"));
        assert_eq!((of([60.0, 80.0, 50.0]), of([0.0; 3])), (None, None));
    }
}
