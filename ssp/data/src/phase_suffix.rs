//! File names of one cardiac phase each: `<subject>_ED`, `<subject>_ES` or `<subject>_frame01`.
//!
//! Files of one subject are recognised by name, so that one subject never counts as several: else one
//! of its phases could be in the training set and another in the test set.

use std::collections::HashMap;

use super::subject::CardiacPhase;

/// Which phase a file holds, by the end of its stem. Case is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhaseSuffix {
    /// `_ED`.
    EndDiastole,
    /// `_ES`.
    EndSystole,
    /// `_frame01`, by its number.
    Frame(u32),
}

impl PhaseSuffix {
    /// Splits a stem into subject and suffix: `p1` and end-diastole for `p1_ed`. None for a stem
    /// without such a suffix, or with nothing before it.
    pub fn split(stem: &str) -> Option<(&str, PhaseSuffix)> {
        let (subject, end) = stem.rsplit_once('_')?;
        let end = end.to_ascii_lowercase();
        let suffix = match end.as_str() {
            "ed" => PhaseSuffix::EndDiastole,
            "es" => PhaseSuffix::EndSystole,
            end => PhaseSuffix::Frame(end.strip_prefix("frame")?.parse().ok()?),
        };
        (!subject.is_empty()).then_some((subject, suffix))
    }

    /// The cardiac phase, if the suffix names one.
    pub fn cardiac_phase(self) -> CardiacPhase {
        match self {
            PhaseSuffix::EndDiastole => CardiacPhase::EndDiastole,
            PhaseSuffix::EndSystole => CardiacPhase::EndSystole,
            PhaseSuffix::Frame(_) => CardiacPhase::Other,
        }
    }
}

/// Indices of stems by subject, in order of each subject's first stem. Stems belong together if they
/// differ in nothing but the suffix, and their suffixes are of one kind: ED and ES, or numbers.
pub fn group_by_subject(stems: &[String]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut group_of = HashMap::new();
    for (index, stem) in stems.iter().enumerate() {
        let known = PhaseSuffix::split(stem).map(|(subject, suffix)| {
            let numbered = matches!(suffix, PhaseSuffix::Frame(_));
            *group_of.entry((subject, numbered)).or_insert(groups.len())
        });
        match known.and_then(|group| groups.get_mut(group)) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

/// The stems of a group in order of their phases. None if the group is not one subject's: if it has
/// only one stem, or a suffix occurs twice.
pub fn phases_of_subject(stems: &[String], group: &[usize]) -> Option<Vec<(PhaseSuffix, usize)>> {
    let with_suffix = |&index: &usize| Some((PhaseSuffix::split(&stems[index])?.1, index));
    let mut phases: Vec<_> = group.iter().filter_map(with_suffix).collect();
    phases.sort_unstable();
    let distinct = phases.windows(2).all(|pair| pair[0].0 != pair[1].0);
    (phases.len() > 1 && distinct).then_some(phases)
}
