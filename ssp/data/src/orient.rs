//! From a file's axes to the study's: slices from base to apex, then rows, then columns.
//!
//! What is chosen, and why:
//!
//! - **Through-plane axis**: the file's third, as every source stores it, unless two other axes share
//!   one spacing and the third of them all is clearly coarser: then that one.
//! - **Rows and columns**: of the two in-plane axes the later one in the file gives the rows, the
//!   earlier one the columns. No in-plane flip: training rotates and mirrors at will.
//! - **Base to apex**: from the affine, where it tells. The long axis of the left ventricle runs from
//!   its base leftward, forward and downward; when the slice direction lies within 45 degrees of
//!   that or of its opposite, the affine decides. Axes that all lie exactly along the scanner's are
//!   a placeholder (no short-axis plane does), and then the stored order stands. Labels are never
//!   used to decide, so that a stack reads the same with and without them.
//! - **Empty borders**: planes at the edges whose voxels are 0 in every phase are cut off.

use serde::{Deserialize, Serialize};

use super::nifti::{Affine, Header};

/// From base to apex in a chest: left, anterior, inferior (in right-anterior-superior terms).
const BASE_TO_APEX: [f64; 3] = [-0.577_350_269, 0.577_350_269, -0.577_350_269];

/// Where a stack's voxels lie in its file: which axes, which way, which part.
///
/// Axes are in the stack's order: slices, rows, columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Voxels along the file's axes i, j, k.
    source: [usize; 3],
    /// For slices, rows and columns: which of the file's axes (0 = i).
    axes: [usize; 3],
    /// For slices, rows and columns: whether they run against the file's axis.
    reversed: [bool; 3],
    /// First slice, row and column that is kept, counted in the stack's direction.
    start: [usize; 3],
    /// Slices, rows and columns that are kept.
    size: [usize; 3],
}

/// What decided which end of a stack is its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceOrder {
    /// The affine tells nothing of use; slices stay in stored order.
    AsStored,
    /// The affine says that slices are stored from base to apex.
    BaseFirst,
    /// The affine says that slices are stored from apex to base; they are reversed.
    ApexFirst,
}

impl SliceOrder {
    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            SliceOrder::AsStored => "slices as stored (the affine does not tell base from apex)",
            SliceOrder::BaseFirst => "slices stored base to apex, by the affine",
            SliceOrder::ApexFirst => "slices stored apex to base, by the affine; reversed",
        }
    }
}

impl Placement {
    /// The whole of a file's grid in the study's order.
    pub fn of(header: &Header) -> (Placement, SliceOrder) {
        let source = [header.dims[0], header.dims[1], header.dims[2]];
        let through = through_plane(&header.spacing, &source);
        let axes = match through {
            0 => [0, 2, 1],
            1 => [1, 2, 0],
            _ => [2, 1, 0],
        };
        let order =
            header.affine.map_or(SliceOrder::AsStored, |affine| slice_order(&affine, through));
        let reversed = [order == SliceOrder::ApexFirst, false, false];
        let size = axes.map(|axis| source[axis]);
        (Placement { source, axes, reversed, start: [0; 3], size }, order)
    }

    /// Slices, rows and columns of the stack.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// Voxels along the file's axes i, j, k.
    pub fn source_size(&self) -> [usize; 3] {
        self.source
    }

    /// The file's axis (0 = i) along which slices, rows and columns run.
    pub fn axes(&self) -> [usize; 3] {
        self.axes
    }

    /// Spacing of rows, columns and slices, from the file's along i, j, k.
    pub fn spacing(&self, source: &[f64; 3]) -> [f32; 3] {
        let [slices, rows, columns] = self.axes;
        [source[rows] as f32, source[columns] as f32, source[slices] as f32]
    }

    /// Cuts off the edges where `kept` is false of every voxel of `phases` (each on the file's grid).
    /// Returns false, and leaves all as it is, if nothing would be left.
    pub fn crop<T: Copy>(&mut self, phases: &[&[T]], kept: impl Fn(T) -> bool) -> bool {
        let whole = self.offsets();
        let mut used = self.size.map(|length| vec![false; length]);
        for phase in phases {
            for (s, at_slice) in whole[0].iter().enumerate() {
                for (r, at_row) in whole[1].iter().enumerate() {
                    for (c, at_column) in whole[2].iter().enumerate() {
                        if kept(phase[at_slice + at_row + at_column]) {
                            (used[0][s], used[1][r], used[2][c]) = (true, true, true);
                        }
                    }
                }
            }
        }
        let edges = used.map(|used| {
            let first = used.iter().position(|&used| used);
            let last = used.iter().rposition(|&used| used);
            first.zip(last)
        });
        let [Some(slices), Some(rows), Some(columns)] = edges else { return false };
        for (axis, (first, last)) in [slices, rows, columns].into_iter().enumerate() {
            self.start[axis] += first;
            self.size[axis] = last + 1 - first;
        }
        true
    }

    /// One phase on the file's grid (first axis fastest), as slices, rows and columns.
    pub fn take<T: Copy>(&self, source: &[T]) -> Vec<T> {
        let mut taken = Vec::with_capacity(self.size.iter().product());
        let [slices, rows, columns] = self.offsets();
        for at_slice in &slices {
            for at_row in &rows {
                taken.extend(columns.iter().map(|at_column| source[at_slice + at_row + at_column]));
            }
        }
        taken
    }

    /// The way back: one phase of slices, rows and columns on the file's grid, and `T`'s default (for
    /// labels: background) where the borders were cut off.
    ///
    /// # Errors
    /// If `oriented` does not hold one phase of this placement's size.
    pub fn restore<T: Copy + Default>(&self, oriented: &[T]) -> crate::Result<Vec<T>> {
        let size: usize = self.size.iter().product();
        if oriented.len() != size {
            let [slices, rows, columns] = self.size;
            return Err(crate::Error::Data(format!(
                "{} voxels to put back where {slices} slices of {rows} x {columns} were taken",
                oriented.len()
            )));
        }
        let mut restored = vec![T::default(); self.source.iter().product()];
        let [slices, rows, columns] = self.offsets();
        let mut values = oriented.iter();
        for at_slice in &slices {
            for at_row in &rows {
                for (at_column, &value) in columns.iter().zip(&mut values) {
                    restored[at_slice + at_row + at_column] = value;
                }
            }
        }
        Ok(restored)
    }

    /// For every slice, row and column: its share of a voxel's index in the file.
    fn offsets(&self) -> [Vec<usize>; 3] {
        let strides = [1, self.source[0], self.source[0] * self.source[1]];
        std::array::from_fn(|n| {
            let axis = self.axes[n];
            let last = self.source[axis] - 1;
            (self.start[n]..self.start[n] + self.size[n])
                .map(|at| if self.reversed[n] { last - at } else { at })
                .map(|at| at * strides[axis])
                .collect()
        })
    }
}

/// The axis across the slices: the third, unless another is the only coarse one.
fn through_plane(spacing: &[f64; 3], size: &[usize; 3]) -> usize {
    let coarse = (0..2).find(|&axis| {
        let [a, b] = [0, 1, 2].into_iter().filter(|&n| n != axis).collect::<Vec<_>>()[..] else {
            return false;
        };
        let even = (spacing[a] / spacing[b] - 1.0).abs() < 0.01;
        even && spacing[axis] > 1.5 * spacing[a] && size[axis] < size[a].min(size[b])
    });
    coarse.unwrap_or(2)
}

/// Which end of the slice axis is the base, if the affine tells.
fn slice_order(affine: &Affine, through: usize) -> SliceOrder {
    let column = |axis: usize| affine.map(|row| row[axis]);
    let length = |v: [f64; 3]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let along_scanner = (0..3).all(|axis| {
        let v = column(axis);
        v.iter().any(|x| x.abs() > 0.9999 * length(v))
    });
    if along_scanner {
        return SliceOrder::AsStored;
    }
    let slices = column(through);
    let cosine: f64 =
        slices.iter().zip(BASE_TO_APEX).map(|(a, b)| a * b).sum::<f64>() / length(slices);
    match cosine {
        c if c > 0.7 => SliceOrder::BaseFirst,
        c if c < -0.7 => SliceOrder::ApexFirst,
        _ => SliceOrder::AsStored,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_affine_tells_base_from_apex_only_when_it_is_oblique() {
        let towards_apex = [[1.0, 0.2, -5.8, 0.0], [0.1, 1.0, 5.1, 0.0], [0.6, 0.4, -6.3, 0.0]];
        assert_eq!(slice_order(&towards_apex, 2), SliceOrder::BaseFirst);
        let towards_base = towards_apex.map(|[a, b, c, d]| [a, b, -c, d]);
        assert_eq!(slice_order(&towards_base, 2), SliceOrder::ApexFirst);
        let axial = [[-2.0, 0.0, 0.0, 0.0], [0.0, 1.97, -0.36, 0.0], [0.0, 0.32, 2.17, 0.0]];
        assert_eq!(slice_order(&axial, 2), SliceOrder::AsStored, "tilted, and no short axis");
        let placeholder = [[-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        assert_eq!(slice_order(&placeholder, 2), SliceOrder::AsStored);
    }

    #[test]
    fn the_one_coarse_axis_is_through_plane() {
        assert_eq!(through_plane(&[1.5, 1.5, 10.0], &[200, 256, 10]), 2);
        assert_eq!(through_plane(&[10.0, 1.5, 1.5], &[10, 256, 256]), 0);
        assert_eq!(through_plane(&[1.5, 10.0, 1.5], &[256, 10, 256]), 1);
        assert_eq!(through_plane(&[1.0, 1.0, 1.0], &[3, 3, 3]), 2);
        assert_eq!(through_plane(&[2.0, 1.0, 1.0], &[256, 256, 10]), 2);
    }

    proptest! {
        /// What is taken and put back is where it was, and all else is background.
        #[test]
        fn taking_and_restoring_is_exact(
            source in prop::array::uniform3(1usize..7),
            order in 0usize..6,
            reversed in prop::array::uniform3(any::<bool>()),
            seed in any::<u64>(),
        ) {
            let axes = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][order];
            let size = axes.map(|axis| source[axis]);
            let mut placement = Placement { source, axes, reversed, start: [0; 3], size };
            let count: usize = source.iter().product();
            let mut state = seed | 1;
            let labels: Vec<u8> = (0..count).map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                if state >> 61 == 0 { 1 + (state >> 50) as u8 % 3 } else { 0 }
            }).collect();
            let any = labels.iter().any(|&label| label != 0);
            prop_assert_eq!(placement.crop(&[&labels], |label| label != 0), any);
            let taken = placement.take(&labels);
            prop_assert_eq!(taken.len(), placement.size().iter().product::<usize>());
            prop_assert_eq!(placement.restore(&taken).unwrap(), labels);
            prop_assert!(placement.restore(&taken[1..]).is_err());
        }
    }
}
