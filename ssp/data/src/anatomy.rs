//! How to recognise the ventricles of a label map by anatomy, whatever their numbers are.

use super::subject::Label;

/// Counts of the in-plane borders of a ventricle.
///
/// Myocardium surrounds the left ventricle, and touches the right ventricle on one side only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BorderCounts {
    /// Pairs of neighbouring voxels in a slice of which one is in the ventricle and one is not.
    pub all: usize,
    /// Those pairs in which the other voxel is myocardium.
    pub to_myocardium: usize,
}

impl BorderCounts {
    /// The borders of the voxels labelled `ventricle`, in slices of `rows` x `columns` labels.
    pub fn of(labels: &[u8], size: [usize; 2], ventricle: Label) -> Self {
        let [all, to_myocardium] = borders(labels, size, ventricle as u8, Label::Myocardium as u8);
        BorderCounts { all, to_myocardium }
    }

    /// The sum of these counts and those of other labels.
    pub fn and(self, other: BorderCounts) -> Self {
        BorderCounts {
            all: self.all + other.all,
            to_myocardium: self.to_myocardium + other.to_myocardium,
        }
    }

    fn myocardium_share(self) -> Option<f64> {
        (self.all > 0).then(|| self.to_myocardium as f64 / self.all as f64)
    }
}

/// Pairs of neighbouring voxels in a slice of which one is labelled `inner` and one is not, and those of
/// them in which the other is labelled `outer`.
fn borders(labels: &[u8], [rows, columns]: [usize; 2], inner: u8, outer: u8) -> [usize; 2] {
    let mut counts = [0; 2];
    let mut visit = |from: u8, to: u8| {
        if from == inner && to != inner {
            counts[0] += 1;
            counts[1] += usize::from(to == outer);
        }
    };
    for row in labels.chunks(columns) {
        for pair in row.windows(2) {
            visit(pair[0], pair[1]);
            visit(pair[1], pair[0]);
        }
    }
    for slice in labels.chunks(rows * columns) {
        for (&above, &below) in slice.iter().zip(&slice[columns..]) {
            visit(above, below);
            visit(below, above);
        }
    }
    counts
}

/// What to warn of if one label is surrounded by another as only the left ventricle is by myocardium, and
/// these are others. `labels` are in slices of `rows` x `columns`.
pub fn odd_ring(labels: &[u8], size: [usize; 2]) -> Option<String> {
    let pairs = [Label::Myocardium, Label::LeftVentricle, Label::RightVentricle];
    let pairs = pairs.into_iter().flat_map(|outer| Label::STRUCTURES.map(|inner| [inner, outer]));
    // A ventricle within myocardium is right, or is reported as exchanged.
    let odd = |[inner, outer]: &[Label; 2]| inner != outer && *outer != Label::Myocardium;
    let surrounded = |[inner, outer]: &[Label; 2]| {
        let [all, to_outer] = borders(labels, size, *inner as u8, *outer as u8);
        to_outer as f64 >= SURROUNDED * all.max(1) as f64
    };
    let [inner, outer] = pairs.into_iter().filter(odd).find(surrounded)?;
    Some(format!(
        "label {} ({}) is surrounded by label {} ({}), as only the LV is by myocardium: are the label \
         numbers others than 1 LV, 2 myocardium, 3 RV?",
        inner as u8,
        inner.name(),
        outer as u8,
        outer.name()
    ))
}

/// Shares above this are of a ventricle that is surrounded by myocardium: the left one. In 26 label maps
/// of 13 subjects of ACDC and M&Ms, the share was 1 for the left ventricle, and at most 0.43 for the right.
const SURROUNDED: f64 = 0.7;

/// Shares below this are of a ventricle beside the myocardium: the right one.
const BESIDE: f64 = 0.5;

/// Whether the borders counted for the left ventricle are those of the right one, and the reverse: the
/// ventricle with the larger share of its border at the myocardium is the left one. A ventricle that is
/// alone is judged by its own share. None if neither tells.
pub fn ventricles_are_swapped(left: BorderCounts, right: BorderCounts) -> Option<bool> {
    let surrounded = |share: f64| match share {
        SURROUNDED.. => Some(true),
        ..=BESIDE => Some(false),
        _ => None,
    };
    // Without any myocardium, a share of 0 says nothing.
    if left.to_myocardium + right.to_myocardium == 0 {
        return None;
    }
    match (left.myocardium_share(), right.myocardium_share()) {
        (Some(left), Some(right)) => Some(right > left),
        (Some(left), None) => surrounded(left).map(|surrounded| !surrounded),
        (None, Some(right)) => surrounded(right),
        (None, None) => None,
    }
}

/// Whether the ventricles are swapped beyond doubt: myocardium surrounds the right one, and not the left.
pub fn are_surely_swapped(left: BorderCounts, right: BorderCounts) -> bool {
    right.myocardium_share().is_some_and(|share| share >= SURROUNDED)
        && left.myocardium_share().is_none_or(|share| share <= BESIDE)
}

/// Whether the ventricles are known to be swapped; see [`ventricles_are_swapped`].
pub fn ventricles_look_swapped(left: BorderCounts, right: BorderCounts) -> bool {
    ventricles_are_swapped(left, right) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ventricle_that_is_alone_is_recognised() {
        let border = |to_myocardium: usize| BorderCounts { all: 100, to_myocardium };
        let none = BorderCounts::default();
        let found = |left, right| ventricles_are_swapped(left, right);
        assert_eq!(found(border(99), border(30)), Some(false));
        assert_eq!(found(border(30), border(99)), Some(true));
        assert_eq!(found(border(99), none), Some(false));
        assert_eq!(found(border(30), none), Some(true));
        assert_eq!(found(none, border(99)), Some(true));
        assert_eq!(found(none, border(30)), Some(false));
        assert_eq!(found(border(60), none), None);
        assert_eq!(found(border(0), border(0)), None, "no myocardium");
        assert!(are_surely_swapped(border(30), border(99)) && are_surely_swapped(none, border(99)));
        assert!(
            !are_surely_swapped(border(60), border(99)) && !are_surely_swapped(border(30), none)
        );
        assert_eq!(found(none, none), None);
    }

    /// The numbers of the cavity in a ring, and of what is beside it.
    #[test]
    fn a_ring_of_other_numbers_is_odd() {
        let drawn = |[cavity, ring, beside]: [u8; 3]| -> Vec<u8> {
            let distance = |at: usize| (at / 12).abs_diff(5).max((at % 12).abs_diff(4));
            let label = |at: usize| match distance(at) {
                0..=1 => cavity,
                2 => ring,
                3 if at % 12 > 6 => beside,
                _ => 0,
            };
            (0..120).map(label).collect()
        };
        let found = |numbers: [u8; 3]| odd_ring(&drawn(numbers), [10, 12]);
        for fine in [[1, 2, 3], [3, 2, 1], [1, 2, 0], [0, 2, 3], [1, 0, 3], [1, 0, 0]] {
            assert_eq!(found(fine), None, "{fine:?}");
        }
        for (odd, inner) in [([2, 1, 3], 2), ([3, 1, 2], 3), ([1, 3, 2], 1), ([2, 3, 1], 2)] {
            let line = found(odd).unwrap();
            assert!(line.starts_with(&format!("label {inner} (")), "{line}");
        }
    }
}
