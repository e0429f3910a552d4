//! How the voxels of one file lie on the grid of another: labels on their image, predictions on the
//! true labels, frames of a subject on its first frame.
//!
//! Files are compared in space. One grid may begin elsewhere, run in other directions or have its axes
//! in another order; as long as its voxels lie on those of the other grid, each is moved there. If a
//! file does not say where it is, voxels are paired as stored. Everything else is refused.

use super::geometry::{Affine, Geometry, equal_spacing, lengths, point};
use super::header::Header;
use crate::diagnostics::Diagnostics;

/// A mapping from the voxels of one grid to those of another.
#[derive(Clone, Debug)]
pub struct Alignment {
    /// What was odd, and how it was resolved.
    pub diagnostics: Diagnostics,
    /// The spacing of the fixed grid in millimetres. That of the moving grid if only that is known.
    pub spacing: [f64; 3],
    /// Voxels along i, j, k of the moving and of the fixed grid.
    dims: [[usize; 3]; 2],
    map: VoxelMap,
}

/// A signed permutation of axes and a shift by whole voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct VoxelMap {
    /// For each axis of the fixed grid, the axis of the moving grid that runs along it.
    from: [usize; 3],
    /// For each axis of the fixed grid, whether that axis runs against it.
    reversed: [bool; 3],
    /// For each axis of the fixed grid, the index of the moving grid's first voxel.
    start: [i64; 3],
}

const AS_STORED: VoxelMap = VoxelMap { from: [0, 1, 2], reversed: [false; 3], start: [0; 3] };

/// Voxels may be this far from those of the other grid without a word: rounding of headers.
const NEAR: f64 = 0.1;

/// Voxels may be this far from those of the other grid, with a warning. Half a voxel is as near to
/// one voxel as to the next.
const NEAREST: f64 = 0.45;

impl Alignment {
    /// Aligns the grid `moving` with the grid `fixed`; `names` are those of the two in messages.
    ///
    /// # Errors
    /// If the grids cannot be reconciled; the line says what differs, with both values.
    pub fn of(moving: &Header, fixed: &Header, names: [&str; 2]) -> Result<Alignment, String> {
        let headers = [moving, fixed];
        let geometries = headers.map(|header| header.geometry);
        let dims = headers.map(|header| [header.dims[0], header.dims[1], header.dims[2]]);
        let mut diagnostics = Diagnostics::default();
        let spacing = common_spacing(geometries, names, &mut diagnostics);
        let places = geometries.map(|geometry| geometry.place());
        let map = match (places, spacing) {
            ([Some(a), Some(b)], None) => match VoxelMap::between(&a, &b, dims[0]) {
                Some((map, distance)) if map.overlaps(dims) => {
                    if distance > NEAR {
                        diagnostics.warn(format!(
                            "voxels of the {} lie {distance:.2} voxels beside those of the {}; they are \
                             paired with the nearest",
                            names[0], names[1]
                        ));
                    }
                    diagnostics.warnings.extend(map.shift_of_equal_grids(dims, names));
                    map
                }
                _ => return Err(refusal(headers, names, [a, b])),
            },
            ([Some(a), Some(b)], Some(_)) if dims[0] != dims[1] => {
                return Err(refusal(headers, names, [a, b]));
            }
            _ if dims[0] != dims[1] => {
                let [own, other] = headers.map(Header::shape);
                return Err(format!(
                    "{} of {own} voxels do not fit the {} of {other}, and their headers do not say \
                     where in space they are",
                    names[0], names[1]
                ));
            }
            (_, None) if !same_spacing(geometries) => {
                let [own, other] = geometries.map(|geometry| lengths(&geometry.spacing));
                return Err(format!(
                    "{} of {own} mm do not fit the {} of {other} mm; correct the spacing in one of \
                     the headers",
                    names[0], names[1]
                ));
            }
            _ => {
                diagnostics.warnings.extend(axes_differ(geometries, names));
                AS_STORED
            }
        };
        let spacing = spacing.unwrap_or(geometries[1].spacing);
        Ok(Alignment { diagnostics, spacing, dims, map })
    }

    /// Whether every voxel stays at its index, on a grid of the same size.
    pub fn is_identity(&self) -> bool {
        self.dims[0] == self.dims[1] && self.map == AS_STORED
    }

    /// Whether both grids have the same voxels, in any order.
    pub fn covers(&self) -> bool {
        self.map.has_equal_length(self.dims) && self.map.shift(self.dims[1]) == [0; 3]
    }

    /// For each voxel of the fixed grid, whether the moving grid has it.
    pub fn covered(&self) -> Vec<bool> {
        let [own, [i, j, k]] = self.dims;
        let within = |axis: usize, at: usize| {
            let (length, start) = (own[self.map.from[axis]] as i64, self.map.start[axis]);
            let first = if self.map.reversed[axis] { start - length + 1 } else { start };
            (first..first + length).contains(&(at as i64))
        };
        let voxel =
            |at: usize| within(0, at % i) && within(1, at / i % j) && within(2, at / (i * j));
        (0..i * j * k).map(voxel).collect()
    }

    /// How voxels were moved, for a note; none if they were not.
    pub fn describe(&self, what: &str) -> Option<String> {
        if self.is_identity() {
            return None;
        }
        let axis = |at: usize| {
            let sign = if self.map.reversed[at] { "-" } else { "" };
            format!("{sign}{}", ["i", "j", "k"][self.map.from[at]])
        };
        let axes = [0, 1, 2].map(axis).join(" ");
        let start = self.map.start.map(|start| start.to_string()).join(", ");
        Some(format!("{what} were moved by their place in space: axes {axes}, from ({start})"))
    }

    /// The values of one or more phases on the fixed grid, and `T`'s default where the moving grid has no
    /// voxel. None if a value that is not the default falls outside.
    pub fn apply<T: Copy + Default + PartialEq>(&self, values: &[T]) -> Option<Vec<T>> {
        if self.is_identity() {
            return Some(values.to_vec());
        }
        let [own, fixed] = self.dims;
        let [own_size, size] = self.dims.map(|dims| dims.iter().product::<usize>());
        let phases = values.len() / own_size;
        let mut moved = vec![T::default(); size * phases];
        for (index, &value) in values.iter().enumerate() {
            if value == T::default() {
                continue;
            }
            let (phase, voxel) = (index / own_size, index % own_size);
            let at = [voxel % own[0], voxel / own[0] % own[1], voxel / (own[0] * own[1])];
            let [i, j, k] = self.map.target(at, fixed)?;
            moved[phase * size + (k * fixed[1] + j) * fixed[0] + i] = value;
        }
        Some(moved)
    }
}

impl VoxelMap {
    /// The map between two places, of a moving grid of `dims` voxels, and the largest distance of a voxel
    /// from the one that it is moved to, in voxels. None if spacing or axes differ, or the distance is
    /// more than [`NEAREST`].
    fn between(moving: &Affine, fixed: &Affine, dims: [usize; 3]) -> Option<(VoxelMap, f64)> {
        let to_fixed = inverse(fixed)?;
        let apply = |vector: [f64; 3]| {
            to_fixed.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum::<f64>())
        };
        let (mine, theirs) = (moving.origin(), fixed.origin());
        let origin = apply(std::array::from_fn(|axis| mine[axis] - theirs[axis]));
        // For each axis of the moving grid, its step in voxels of the fixed grid.
        let steps: [[f64; 3]; 3] = std::array::from_fn(|axis| apply(moving.step(axis)));
        let mut map = VoxelMap { start: origin.map(|at| at.round() as i64), ..AS_STORED };
        for axis in 0..3 {
            let along = steps.map(|step| step[axis]);
            let from = (0..3).max_by(|&a, &b| along[a].abs().total_cmp(&along[b].abs()))?;
            map.from[axis] = from;
            map.reversed[axis] = along[from] < 0.0;
            if !equal_spacing(along[from].abs(), 1.0) {
                return None;
            }
        }
        let [a, b, c] = map.from;
        if a == b || b == c || a == c {
            return None;
        }
        let mut distance: f64 = 0.0;
        for corner in 0..8usize {
            let at: [f64; 3] = std::array::from_fn(|axis| match corner >> axis & 1 {
                0 => 0.0,
                _ => dims[axis] as f64 - 1.0,
            });
            for axis in 0..3 {
                let exact =
                    origin[axis] + (0..3).map(|from| steps[from][axis] * at[from]).sum::<f64>();
                let sign = if map.reversed[axis] { -1.0 } else { 1.0 };
                let whole = map.start[axis] as f64 + sign * at[map.from[axis]];
                distance = distance.max((exact - whole).abs());
            }
        }
        (distance <= NEAREST).then_some((map, distance))
    }

    fn has_equal_length(&self, [moving, fixed]: [[usize; 3]; 2]) -> bool {
        (0..3).all(|axis| moving[self.from[axis]] == fixed[axis])
    }

    /// By how many voxels the moving grid's first plane along each axis, in the fixed grid's direction, is
    /// behind that of a fixed grid of the same `dims`.
    fn shift(&self, dims: [usize; 3]) -> [i64; 3] {
        std::array::from_fn(|axis| match self.reversed[axis] {
            true => self.start[axis] - (dims[axis] as i64 - 1),
            false => self.start[axis],
        })
    }

    /// What to warn of if two grids have the same lengths and do not begin at one place: what is cropped
    /// or padded rarely keeps its size, so that one of the origins may be wrong.
    fn shift_of_equal_grids(&self, dims: [[usize; 3]; 2], names: [&str; 2]) -> Option<String> {
        let shift = self.shift(dims[1]);
        (self.has_equal_length(dims) && shift != [0; 3]).then(|| {
            format!(
                "by the headers, the {} lie {} voxels (i, j, k) beside the {}, which has the same size, and \
                 are moved there; if voxels belong together as stored, copy the geometry of one header into \
                 the other",
                names[0],
                shift.map(|voxels| voxels.to_string()).join(", "),
                names[1]
            )
        })
    }

    /// Whether at least half the voxels of the smaller grid are in both. A heart is in the middle of its
    /// image, so grids with less in common are not of one image.
    fn overlaps(&self, [moving, fixed]: [[usize; 3]; 2]) -> bool {
        let common = |axis: usize| {
            let (length, start) = (moving[self.from[axis]] as i64, self.start[axis]);
            let first = if self.reversed[axis] { start - length + 1 } else { start };
            ((first + length).min(fixed[axis] as i64) - first.max(0)).max(0)
        };
        let smaller = moving.iter().product::<usize>().min(fixed.iter().product());
        2 * (0..3).map(common).product::<i64>() >= smaller as i64
    }

    /// Where a voxel goes, if that is inside a grid of `dims` voxels.
    fn target(&self, at: [usize; 3], dims: [usize; 3]) -> Option<[usize; 3]> {
        let mut target = [0; 3];
        for axis in 0..3 {
            let from = at[self.from[axis]] as i64;
            let to = self.start[axis] + if self.reversed[axis] { -from } else { from };
            target[axis] = usize::try_from(to).ok().filter(|&to| to < dims[axis])?;
        }
        Some(target)
    }
}

/// The spacing to use if only one of two grids has one: a default of 1 mm is none. Warns of that.
fn common_spacing(
    geometries: [Geometry; 2],
    names: [&str; 2],
    diagnostics: &mut Diagnostics,
) -> Option<[f64; 3]> {
    let [mine, theirs] = geometries.map(|geometry| geometry.has_default_spacing());
    if mine == theirs {
        return None;
    }
    let [own, other] = geometries.map(|geometry| lengths(&geometry.spacing));
    let (used, spacing) = match mine {
        true => (names[1], geometries[1].spacing),
        false => (names[0], geometries[0].spacing),
    };
    diagnostics.warn(format!(
        "the spacing of the {} is {own} mm, of the {} {other} mm; that of the {used} is used, and voxels \
         are paired as stored",
        names[0], names[1]
    ));
    Some(spacing)
}

fn same_spacing([a, b]: [Geometry; 2]) -> bool {
    a.spacing.iter().zip(b.spacing).all(|(&a, b)| equal_spacing(a, b))
}

/// What to warn of if both grids name axes, and others, though one of them is only a placeholder.
fn axes_differ(geometries: [Geometry; 2], names: [&str; 2]) -> Option<String> {
    let [own, other] = geometries.map(|geometry| geometry.affine);
    let [own, other] = [own?, other?].map(|affine| affine.axis_codes());
    (own != other).then(|| {
        format!(
            "axes of the {} run {own}, of the {} {other}, and not both headers say where in space they \
             are; voxels are paired as stored",
            names[0], names[1]
        )
    })
}

/// Why two grids cannot be reconciled, with the values of both.
fn refusal(headers: [&Header; 2], names: [&str; 2], places: [Affine; 2]) -> String {
    let describe = |at: usize| describe(headers[at], &places[at]);
    let angle = places[0].angle_to(&places[1]);
    let same_axes = places[0].axis_codes() == places[1].axis_codes();
    let turned = match same_axes && angle > 0.5 {
        true => format!(", turned by {angle:.1} degrees"),
        false => String::new(),
    };
    format!(
        "{} {} ({}) and the {} ({}{turned}) do not lie on one grid in space; if their voxels belong \
         together as stored, copy the geometry of one header into the other",
        if names[0].starts_with("frame ") { "" } else { "the" },
        names[0],
        describe(0),
        names[1],
        describe(1)
    )
    .trim_start()
    .to_owned()
}

/// Size and place of a grid, for messages.
fn describe(header: &Header, place: &Affine) -> String {
    format!(
        "{} voxels of {} mm, axes {}, first voxel at {} mm",
        header.shape(),
        lengths(&header.geometry.spacing),
        place.axis_codes(),
        point(&place.origin())
    )
}

/// The same of a grid whose place may be unknown.
pub(super) fn described(header: &Header) -> String {
    match header.geometry.place() {
        Some(place) => describe(header, &place),
        None => format!(
            "{} voxels of {} mm at an unknown place",
            header.shape(),
            lengths(&header.geometry.spacing)
        ),
    }
}

/// The inverse of an affine's linear part; none if it flattens space.
fn inverse(affine: &Affine) -> Option<[[f64; 3]; 3]> {
    let m = affine.rows;
    let minor = |r: usize, c: usize| {
        let [r1, r2] = [(r + 1) % 3, (r + 2) % 3];
        let [c1, c2] = [(c + 1) % 3, (c + 2) % 3];
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    let inverse: [[f64; 3]; 3] =
        std::array::from_fn(|r| std::array::from_fn(|c| minor(c, r) / determinant));
    inverse.iter().flatten().all(|value| value.is_finite()).then_some(inverse)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::read_header;
    use super::*;
    use crate::testing::{NiftiFile, TestFolder};

    /// The header of a grid of `dims` voxels at a place.
    fn header(dims: [usize; 3], spacing: [f32; 3], sform: Option<[[f32; 4]; 3]>) -> Header {
        let voxels = vec![0; dims.iter().product()];
        let file = NiftiFile { spacing, sform, ..NiftiFile::of_u8(&dims, &voxels) };
        read_header(TestFolder::new().nifti("a.nii", &file)).unwrap()
    }

    fn align(moving: &Header, fixed: &Header) -> Result<Alignment, String> {
        Alignment::of(moving, fixed, ["labels", "image"])
    }

    const SPACING: [f32; 3] = [2.0, 1.5, 10.0];

    fn diagonal(signs: [f32; 3], origin: [f32; 3]) -> Option<[[f32; 4]; 3]> {
        Some(std::array::from_fn(|row| {
            let mut line = [0.0, 0.0, 0.0, origin[row]];
            line[row] = signs[row] * SPACING[row];
            line
        }))
    }

    #[test]
    fn an_origin_of_zero_is_a_place() {
        let at_zero = header([4, 3, 2], SPACING, diagonal([1.0; 3], [0.0; 3]));
        let flipped = header([4, 3, 2], SPACING, diagonal([-1.0, -1.0, 1.0], [0.0; 3]));
        let line = align(&flipped, &at_zero).unwrap_err();
        assert!(line.contains("axes LPS") && line.contains("axes RAS"), "{line}");
        // The same voxels, counted from the other side.
        let same = header([4, 3, 2], SPACING, diagonal([-1.0, 1.0, 1.0], [6.0, 0.0, 0.0]));
        let found = align(&same, &at_zero).unwrap();
        assert!(found.covers() && !found.is_identity());
        assert_eq!(found.diagnostics, Diagnostics::default());
        let values: Vec<u8> = (0..24).collect();
        let moved = found.apply(&values).unwrap();
        assert_eq!(moved[..8], [3, 2, 1, 0, 7, 6, 5, 4]);
    }

    #[test]
    fn a_placeholder_is_paired_as_stored_with_a_warning() {
        let image = header([4, 3, 2], SPACING, diagonal([1.0; 3], [5.0, 6.0, 7.0]));
        let eye = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        for labels in [header([4, 3, 2], [1.0; 3], Some(eye)), header([4, 3, 2], [1.0; 3], None)] {
            let found = align(&labels, &image).unwrap();
            let [warning] = found.diagnostics.warnings.as_slice() else { panic!("{found:?}") };
            assert!(warning.contains("1 x 1 x 1") && warning.contains("2 x 1.5 x 10"), "{warning}");
            assert_eq!(found.spacing, [2.0, 1.5, 10.0]);
            assert_eq!(align(&image, &labels).unwrap().spacing, [2.0, 1.5, 10.0]);
        }
        // As in ACDC: the spacing is pixdim's, the sform a placeholder.
        let acdc = header([4, 3, 2], SPACING, Some(eye));
        assert_eq!(align(&acdc, &image).unwrap().diagnostics, Diagnostics::default());
        let turned = [[-1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        let found = align(&header([4, 3, 2], SPACING, Some(turned)), &image).unwrap();
        assert!(found.diagnostics.warnings[0].contains("LAS"), "{found:?}");
    }

    #[test]
    fn what_cannot_be_reconciled_is_refused_with_both_values() {
        let image = header([4, 3, 2], SPACING, diagonal([1.0; 3], [5.0, 6.0, 7.0]));
        let other = |spacing, sform| align(&header([4, 3, 2], spacing, sform), &image).unwrap_err();
        let line = other([2.0, 2.0, 8.0], None);
        assert!(line.contains("2 x 2 x 8") && line.contains("2 x 1.5 x 10"), "{line}");
        let line = other(SPACING, diagonal([1.0; 3], [6.0, 6.0, 7.0]));
        assert!(line.contains("(6, 6, 7)") && line.contains("(5, 6, 7)"), "{line}");
        let turned = [[1.732, -0.75, 0.0, 5.0], [1.0, 1.299, 0.0, 6.0], [0.0, 0.0, 10.0, 7.0]];
        assert!(other(SPACING, Some(turned)).contains("turned by 30.0 degrees"));
        let line = align(&header([5, 3, 2], SPACING, None), &image).unwrap_err();
        assert!(line.contains("5 x 3 x 2") && line.contains("4 x 3 x 2"), "{line}");
        // Less than half a voxel aside: the nearest voxels belong together.
        let near = header([4, 3, 2], SPACING, diagonal([1.0; 3], [5.8, 6.0, 7.0]));
        let found = align(&near, &image).unwrap();
        assert!(found.is_identity() && found.diagnostics.warnings[0].contains("0.40"), "{found:?}");
    }

    proptest! {
        /// A grid with its axes in another order and direction, cropped or not, brings every voxel back
        /// to its place.
        #[test]
        fn voxels_return_to_their_place_in_space(
            order in 0usize..6,
            reversed in prop::array::uniform3(any::<bool>()),
            angle in 0.0f64..3.0,
            crop in prop::array::uniform3(0usize..2),
        ) {
            let dims = [5usize, 4, 3];
            let (sin, cos) = angle.sin_cos();
            let spacing = SPACING.map(f64::from);
            let rows = [
                [cos * spacing[0], -sin * spacing[1], 0.0, 12.5],
                [sin * spacing[0], cos * spacing[1], 0.0, -40.0],
                [0.0, 0.0, spacing[2], 3.0],
            ];
            let from = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][order];
            // Axis n of the other grid runs along axis from[n] of this one, without its first planes.
            let mut other = [[0.0; 4]; 3];
            let first: [f64; 3] = std::array::from_fn(|axis| {
                if reversed[axis] { dims[axis] as f64 - 1.0 } else { crop[axis] as f64 }
            });
            for row in 0..3 {
                for (n, &axis) in from.iter().enumerate() {
                    let sign = if reversed[axis] { -1.0 } else { 1.0 };
                    other[row][n] = sign * rows[row][axis];
                }
                other[row][3] = rows[row][3]
                    + (0..3).map(|axis| rows[row][axis] * first[axis]).sum::<f64>();
            }
            let single = |rows: [[f64; 4]; 3]| Some(rows.map(|row| row.map(|v| v as f32)));
            let other_dims = from.map(|axis| dims[axis] - crop[axis]);
            let other_spacing = from.map(|axis| SPACING[axis]);
            let fixed = header(dims, SPACING, single(rows));
            let moving = header(other_dims, other_spacing, single(other));
            let found = align(&moving, &fixed).unwrap();
            prop_assert_eq!(found.covers(), crop == [0; 3]);
            let covered = found.covered();
            prop_assert!(found.diagnostics.warnings.is_empty());
            let count: usize = other_dims.iter().product();
            let values: Vec<u16> = (1..=count as u16).collect();
            let moved = found.apply(&values).unwrap();
            for (index, &value) in values.iter().enumerate() {
                let at = [
                    index % other_dims[0],
                    index / other_dims[0] % other_dims[1],
                    index / (other_dims[0] * other_dims[1]),
                ];
                let mut target = [0; 3];
                for (n, &axis) in from.iter().enumerate() {
                    target[axis] =
                        if reversed[axis] { dims[axis] - 1 - at[n] } else { at[n] + crop[axis] };
                }
                let [i, j, k] = target;
                prop_assert!(covered[(k * dims[1] + j) * dims[0] + i]);
                prop_assert_eq!(moved[(k * dims[1] + j) * dims[0] + i], value);
            }
            prop_assert_eq!(covered.iter().filter(|&&covered| covered).count(), count);
        }
    }
}
