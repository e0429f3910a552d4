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
    pub fn of(labels: &[u8], [rows, columns]: [usize; 2], ventricle: Label) -> Self {
        let mut counts = BorderCounts::default();
        let mut visit = |from: u8, to: u8| {
            if from == ventricle as u8 && to != ventricle as u8 {
                counts.all += 1;
                counts.to_myocardium += usize::from(to == Label::Myocardium as u8);
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

/// Whether a larger share of the right ventricle's border than of the left's touches myocardium; false
/// if a ventricle is missing.
pub fn ventricles_look_swapped(left: BorderCounts, right: BorderCounts) -> bool {
    let shares = (left.myocardium_share(), right.myocardium_share());
    matches!(shares, (Some(left), Some(right)) if right > left)
}
