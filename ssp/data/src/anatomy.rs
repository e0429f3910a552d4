//! What labels of a heart look like, whatever they are numbered.

use super::Label;

/// In-plane edges of a ventricle: how many there are, and how many of them lead to myocardium.
///
/// The left ventricle lies within its myocardium; the right one only leans on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edges {
    /// Pairs of neighbours in a slice, one of the ventricle and one not.
    pub all: usize,
    /// Those whose other one is myocardium.
    pub to_myocardium: usize,
}

impl Edges {
    /// Edges of the voxels labelled `ventricle` in slices of `rows` x `columns` labels.
    pub fn of(labels: &[u8], [rows, columns]: [usize; 2], ventricle: Label) -> Self {
        let mut edges = Edges::default();
        let mut look = |from: u8, to: u8| {
            if from == ventricle as u8 && to != ventricle as u8 {
                edges.all += 1;
                edges.to_myocardium += usize::from(to == Label::Myocardium as u8);
            }
        };
        for row in labels.chunks(columns) {
            for pair in row.windows(2) {
                look(pair[0], pair[1]);
                look(pair[1], pair[0]);
            }
        }
        for slice in labels.chunks(rows * columns) {
            for (&above, &below) in slice.iter().zip(&slice[columns..]) {
                look(above, below);
                look(below, above);
            }
        }
        edges
    }

    /// With those of other labels.
    pub fn and(self, other: Edges) -> Self {
        Edges { all: self.all + other.all, to_myocardium: self.to_myocardium + other.to_myocardium }
    }

    fn share(self) -> Option<f64> {
        (self.all > 0).then(|| self.to_myocardium as f64 / self.all as f64)
    }
}

/// Whether what is labelled right ventricle lies more within myocardium than what is labelled left; not
/// where either is missing.
pub fn ventricles_look_swapped(left: Edges, right: Edges) -> bool {
    matches!((left.share(), right.share()), (Some(left), Some(right)) if right > left)
}
