//! From a file's axes to the study's: slices from base to apex, then rows, then columns.
//!
//! The choices, and their reasons:
//!
//! - **Through-plane axis**: the file's third, as in every supported data set, unless two other axes
//!   have the same spacing and the third is clearly coarser: then that one.
//! - **Rows and columns**: of the two in-plane axes, the later one in the file gives the rows and the
//!   earlier one the columns. There is no in-plane flip, as training rotates and mirrors at random.
//! - **Base to apex**: from the affine, if it is informative. From base to apex, the long axis of the
//!   left ventricle points leftward, forward and downward; if the slice direction is within 45 degrees
//!   of that or of its opposite, the affine decides. If all axes are exactly along the scanner's, the
//!   affine is a placeholder (no short-axis plane is so aligned), and the stored order is kept. Labels
//!   are not used, so that a stack reads the same with and without them.
//! - **Empty borders**: planes at the edges whose voxels are 0 in every phase are cropped.

use super::nifti::{Affine, Header};

/// The direction from base to apex in the chest: left, anterior, inferior (in right-anterior-superior
/// coordinates).
const BASE_TO_APEX: [f64; 3] = [-0.577_350_269, 0.577_350_269, -0.577_350_269];

/// The mapping between the grid of a file and a stack: which axes, in which direction, which part.
///
/// Arrays are in the stack's order: slices, rows, columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackMapping {
    /// Voxels along the file's axes i, j, k.
    file_size: [usize; 3],
    /// For slices, rows and columns: which of the file's axes (0 = i).
    axes: [usize; 3],
    /// For slices, rows and columns: whether they run against the file's axis.
    reversed: [bool; 3],
    /// First slice, row and column that is kept, counted in the stack's direction.
    start: [usize; 3],
    /// Number of slices, rows and columns that are kept.
    size: [usize; 3],
}

/// What decided which end of a stack is its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceOrder {
    /// The affine does not say; slices stay in stored order.
    AsStored,
    /// By the affine, slices are stored from base to apex.
    BaseFirst,
    /// By the affine, slices are stored from apex to base; they are reversed.
    ApexFirst,
}

impl SliceOrder {
    /// In words, for reports.
    pub fn describe(self) -> &'static str {
        match self {
            SliceOrder::AsStored => "slices as stored (the affine does not tell base from apex)",
            SliceOrder::BaseFirst => "slices stored base to apex, by the affine",
            SliceOrder::ApexFirst => "slices stored apex to base, by the affine; reversed",
        }
    }
}

impl StackMapping {
    /// The mapping of a file's whole grid.
    pub fn of(header: &Header) -> (StackMapping, SliceOrder) {
        let [i, j, k, _] = header.dims;
        let file_size = [i, j, k];
        let through = through_plane(&header.geometry.spacing, &file_size);
        let axes = match through {
            0 => [0, 2, 1],
            1 => [1, 2, 0],
            _ => [2, 1, 0],
        };
        let affine = header.geometry.affine;
        let order = affine.map_or(SliceOrder::AsStored, |affine| slice_order(&affine, through));
        let reversed = [order == SliceOrder::ApexFirst, false, false];
        let size = axes.map(|axis| file_size[axis]);
        (StackMapping { file_size, axes, reversed, start: [0; 3], size }, order)
    }

    /// Slices, rows and columns of the stack.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// The file's axis (0 = i) along which slices, rows and columns run.
    pub fn axes(&self) -> [usize; 3] {
        self.axes
    }

    /// Spacing of rows, columns and slices, from the file's along i, j, k.
    pub fn spacing(&self, file: &[f64; 3]) -> [f32; 3] {
        let [slices, rows, columns] = self.axes;
        [file[rows] as f32, file[columns] as f32, file[slices] as f32]
    }

    /// Crops the planes at the edges in which no voxel is used (`used` is on the file's grid). Returns
    /// false, and crops nothing, if no voxel is used at all.
    pub fn crop(&mut self, used: &[bool]) -> bool {
        let [slices, rows, columns] = self.offsets();
        let mut kept = self.size.map(|length| vec![false; length]);
        for (s, at_slice) in slices.iter().enumerate() {
            for (r, at_row) in rows.iter().enumerate() {
                for (c, at_column) in columns.iter().enumerate() {
                    if used[at_slice + at_row + at_column] {
                        (kept[0][s], kept[1][r], kept[2][c]) = (true, true, true);
                    }
                }
            }
        }
        if !kept[0].contains(&true) {
            return false;
        }
        for (axis, kept) in kept.iter().enumerate() {
            let first = kept.iter().take_while(|&&kept| !kept).count();
            let after = kept.iter().rev().take_while(|&&kept| !kept).count();
            self.start[axis] += first;
            self.size[axis] -= first + after;
        }
        true
    }

    /// One phase on the file's grid (first axis fastest), as slices, rows and columns.
    pub fn to_stack<T: Copy>(&self, file: &[T]) -> Vec<T> {
        let mut stack = Vec::with_capacity(self.size.iter().product());
        let [slices, rows, columns] = self.offsets();
        for at_slice in &slices {
            for at_row in &rows {
                stack.extend(columns.iter().map(|at_column| file[at_slice + at_row + at_column]));
            }
        }
        stack
    }

    /// The inverse of [`to_stack`](Self::to_stack): one phase of slices, rows and columns on the file's
    /// grid, with `T`'s default (for labels: background) in the cropped borders.
    ///
    /// # Errors
    /// If `stack` does not hold one phase of this mapping's size.
    pub fn to_file<T: Copy + Default>(&self, stack: &[T]) -> crate::Result<Vec<T>> {
        let [slices, rows, columns] = self.size;
        if stack.len() != slices * rows * columns {
            return Err(crate::Error::Data(format!(
                "{} voxels do not fill a stack of {slices} slices of {rows} x {columns}",
                stack.len()
            )));
        }
        let mut file = vec![T::default(); self.file_size.iter().product()];
        let [slices, rows, columns] = self.offsets();
        let mut values = stack.iter();
        for at_slice in &slices {
            for at_row in &rows {
                for (at_column, &value) in columns.iter().zip(&mut values) {
                    file[at_slice + at_row + at_column] = value;
                }
            }
        }
        Ok(file)
    }

    /// For every slice, row and column: its part of a voxel's index in the file.
    fn offsets(&self) -> [Vec<usize>; 3] {
        let strides = [1, self.file_size[0], self.file_size[0] * self.file_size[1]];
        std::array::from_fn(|n| {
            let axis = self.axes[n];
            let last = self.file_size[axis] - 1;
            (self.start[n]..self.start[n] + self.size[n])
                .map(|at| if self.reversed[n] { last - at } else { at })
                .map(|at| at * strides[axis])
                .collect()
        })
    }
}

/// The axis across the slices: the third, unless another is the only coarse one.
fn through_plane(spacing: &[f64; 3], size: &[usize; 3]) -> usize {
    let coarse = [(0, 1, 2), (1, 0, 2)].into_iter().find(|&(axis, a, b)| {
        let equal = (spacing[a] / spacing[b] - 1.0).abs() < 0.01;
        equal && spacing[axis] > 1.5 * spacing[a] && size[axis] < size[a].min(size[b])
    });
    coarse.map_or(2, |(axis, ..)| axis)
}

/// Which end of the slice axis is the base, if the affine says.
fn slice_order(affine: &Affine, through: usize) -> SliceOrder {
    let length = affine.spacing();
    let is_aligned =
        |axis: usize| affine.step(axis).iter().any(|x| x.abs() > 0.9999 * length[axis]);
    if (0..3).all(is_aligned) {
        return SliceOrder::AsStored;
    }
    let direction = affine.step(through);
    let product: f64 = direction.iter().zip(BASE_TO_APEX).map(|(a, b)| a * b).sum();
    match product / length[through] {
        cosine if cosine > 0.7 => SliceOrder::BaseFirst,
        cosine if cosine < -0.7 => SliceOrder::ApexFirst,
        _ => SliceOrder::AsStored,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::nifti::HeaderField;
    use super::*;

    #[test]
    fn only_an_oblique_affine_tells_base_from_apex() {
        let order = |rows| slice_order(&Affine { rows, source: HeaderField::Sform }, 2);
        let towards_apex = [[1.0, 0.2, -5.8, 0.0], [0.1, 1.0, 5.1, 0.0], [0.6, 0.4, -6.3, 0.0]];
        assert_eq!(order(towards_apex), SliceOrder::BaseFirst);
        let towards_base = towards_apex.map(|[a, b, c, d]| [a, b, -c, d]);
        assert_eq!(order(towards_base), SliceOrder::ApexFirst);
        let axial = [[-2.0, 0.0, 0.0, 0.0], [0.0, 1.97, -0.36, 0.0], [0.0, 0.32, 2.17, 0.0]];
        assert_eq!(order(axial), SliceOrder::AsStored, "tilted, and no short axis");
        let placeholder = [[-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        assert_eq!(order(placeholder), SliceOrder::AsStored);
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
        /// Labels on a stack return to their voxels in the file, and all others are background.
        #[test]
        fn a_stack_maps_back_to_its_file(
            file_size in prop::array::uniform3(1usize..7),
            order in 0usize..6,
            reversed in prop::array::uniform3(any::<bool>()),
            draw in prop::collection::vec(0u8..20, 6 * 6 * 6),
        ) {
            let axes = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][order];
            let size = axes.map(|axis| file_size[axis]);
            let mut mapping = StackMapping { file_size, axes, reversed, start: [0; 3], size };
            let count: usize = file_size.iter().product();
            let labels: Vec<u8> =
                draw[..count].iter().map(|&n| if n < 17 { 0 } else { n - 16 }).collect();
            let used: Vec<bool> = labels.iter().map(|&label| label != 0).collect();
            prop_assert_eq!(mapping.crop(&used), used.contains(&true));
            let stack = mapping.to_stack(&labels);
            prop_assert_eq!(stack.len(), mapping.size().iter().product::<usize>());
            prop_assert_eq!(mapping.to_file(&stack).unwrap(), labels);
            prop_assert!(mapping.to_file(&stack[1..]).is_err());
        }
    }
}
