//! Where a volume's voxels are in space: spacing, axes and origin, and the header field that each
//! comes from.
//!
//! A header can give the spacing in `pixdim`, and spacing, axes and origin in an affine, which is
//! either the `sform` (a matrix) or the `qform` (a quaternion and an offset). The three may disagree.

use ::nifti::NiftiHeader;

/// The spacing and orientation of a grid of voxels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Distance between neighbouring voxels along i, j, k, in millimetres.
    pub spacing: [f64; 3],
    /// Where the spacing comes from: `pixdim`, or an affine if `pixdim` is not usable.
    pub spacing_source: HeaderField,
    /// Axes and origin; none if the file has neither a usable sform nor a usable qform.
    pub affine: Option<Affine>,
}

/// A field of the header that gives a spacing or an affine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderField {
    /// `pixdim`: the spacing.
    Pixdim,
    /// The `sform`: an affine as a matrix.
    Sform,
    /// The `qform`: an affine as a quaternion and an offset.
    Qform,
}

impl HeaderField {
    /// Name in reports: `pixdim`, `sform`, `qform`.
    pub fn name(self) -> &'static str {
        match self {
            HeaderField::Pixdim => "pixdim",
            HeaderField::Sform => "sform",
            HeaderField::Qform => "qform",
        }
    }
}

/// Maps voxel indices (i, j, k, 1) to millimetres towards right, anterior and superior.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Rows for right, anterior, superior; three columns for i, j, k, and one for the origin.
    pub rows: [[f64; 4]; 3],
    /// Where it comes from: sform or qform.
    pub source: HeaderField,
}

impl Affine {
    /// The step from one voxel to the next along an axis (0 = i), in millimetres.
    pub fn step(&self, axis: usize) -> [f64; 3] {
        self.rows.map(|row| row[axis])
    }

    /// The position of voxel (0, 0, 0), in millimetres.
    pub fn origin(&self) -> [f64; 3] {
        self.step(3)
    }

    /// The lengths of the steps: the voxel spacing that the affine implies.
    pub fn spacing(&self) -> [f64; 3] {
        std::array::from_fn(|axis| self.step(axis).iter().map(|x| x * x).sum::<f64>().sqrt())
    }

    /// The directions of the axes i, j, k, each the nearest of right/left, anterior/posterior and
    /// superior/inferior: `LPS`. All ways to assign axes to directions are compared, so that no
    /// direction is used twice.
    pub fn axis_codes(&self) -> String {
        let directions = self.nearest_directions();
        (0..3)
            .map(|axis| {
                let [positive, negative] = [['R', 'L'], ['A', 'P'], ['S', 'I']][directions[axis]];
                if self.cosine(directions[axis], axis) < 0.0 { negative } else { positive }
            })
            .collect()
    }

    /// Whether an axis is oblique to the axes of the scanner.
    pub fn is_oblique(&self) -> bool {
        let directions = self.nearest_directions();
        (0..3).any(|axis| self.cosine(directions[axis], axis).abs() < 0.9999)
    }

    /// For each axis, the row of its nearest direction.
    fn nearest_directions(&self) -> [usize; 3] {
        const PERMUTATIONS: [[usize; 3]; 6] =
            [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let closeness = |rows: &[usize; 3]| -> f64 {
            (0..3).map(|axis| self.cosine(rows[axis], axis).abs()).sum()
        };
        let closer = |best: [usize; 3], next: [usize; 3]| {
            if closeness(&next) > closeness(&best) { next } else { best }
        };
        PERMUTATIONS.into_iter().fold(PERMUTATIONS[0], closer)
    }

    fn cosine(&self, row: usize, axis: usize) -> f64 {
        self.rows[row][axis] / self.spacing()[axis]
    }

    /// An affine, if it is finite and does not flatten space.
    fn usable(rows: [[f64; 4]; 3], source: HeaderField) -> Option<Affine> {
        let affine = Affine { rows, source };
        if rows.iter().flatten().any(|value| !value.is_finite()) {
            return None;
        }
        let [x, y, z] = rows;
        let determinant = x[0] * (y[1] * z[2] - y[2] * z[1]) - x[1] * (y[0] * z[2] - y[2] * z[0])
            + x[2] * (y[0] * z[1] - y[1] * z[0]);
        let volume: f64 = affine.spacing().iter().product();
        (volume > 0.0 && determinant.abs() > 1e-3 * volume).then_some(affine)
    }
}

impl Geometry {
    /// The geometry that a header gives, with a note for each contradiction. The affine is the sform,
    /// or else the qform. The spacing is `pixdim`, as some files have a placeholder matrix of 1 mm
    /// beside it, or else that of the affine.
    /// It is an error if an axis of several voxels has no plausible spacing.
    pub(super) fn read(
        raw: &NiftiHeader,
        dims: &[usize; 4],
        notes: &mut Vec<String>,
    ) -> Result<Geometry, String> {
        let unit = millimetres(raw.xyzt_units);
        let signed: [f64; 3] = std::array::from_fn(|axis| f64::from(raw.pixdim[axis + 1]) * unit);
        if signed.iter().any(|&step| step < 0.0) {
            notes.push(format!("pixdim {} is negative; the sign is ignored", in_words(&signed)));
        }
        let pixdim = signed.map(f64::abs);
        let affine = sform(raw, unit).or_else(|| qform(raw, unit, &pixdim));
        let complete = (0..3).all(|axis| is_plausible(pixdim[axis]) || dims[axis] == 1);
        let (mut spacing, spacing_source) = match affine {
            Some(affine) if !complete => {
                let pixdim = in_words(&pixdim);
                let name = affine.source.name();
                notes.push(format!("pixdim {pixdim} is no spacing; that of the {name} is used"));
                (affine.spacing(), affine.source)
            }
            _ => (pixdim, HeaderField::Pixdim),
        };
        for axis in 0..3 {
            if is_plausible(spacing[axis]) {
                continue;
            }
            if dims[axis] > 1 {
                let spacing = in_words(&spacing);
                return Err(format!("header: no voxel spacing; it gives {spacing} mm"));
            }
            spacing[axis] = 1.0;
        }
        let geometry = Geometry { spacing, spacing_source, affine };
        notes.extend(geometry.spacing_conflict(dims));
        Ok(geometry)
    }

    /// What to note if `pixdim` and affine give spacings that differ by more than 1%.
    fn spacing_conflict(&self, dims: &[usize; 4]) -> Option<String> {
        let affine = self.affine.filter(|_| self.spacing_source == HeaderField::Pixdim)?;
        let (pixdim, steps, name) = (self.spacing, affine.spacing(), affine.source.name());
        let differ =
            |axis: usize| dims[axis] > 1 && (steps[axis] / pixdim[axis] - 1.0).abs() > 0.01;
        if !(0..3).any(differ) {
            return None;
        }
        Some(match steps.iter().all(|&step| (step - 1.0).abs() < 1e-6) {
            true => format!("the {name} is a placeholder of 1 mm; the spacing is pixdim's"),
            false => format!(
                "pixdim says {} mm, the {name} {} mm; pixdim is used",
                in_words(&pixdim),
                in_words(&steps)
            ),
        })
    }

    /// The axis codes of this grid and of another, if both are known and differ. An affine whose
    /// origin is exactly 0 is taken for a placeholder, that is, unknown.
    pub fn differing_axes(&self, other: &Geometry) -> Option<[String; 2]> {
        let codes = |geometry: &Geometry| {
            let placed = geometry.affine.filter(|affine| affine.origin().iter().any(|&x| x != 0.0));
            placed.map(|affine| affine.axis_codes())
        };
        let both = [codes(self)?, codes(other)?];
        (both[0] != both[1]).then_some(both)
    }

    /// How many voxels of `other` its origin is away from this grid's origin, along i, j, k. None
    /// if an affine is unknown, if the axes differ, or if the shift is not a whole number of voxels.
    pub(super) fn voxel_shift(&self, other: &Geometry) -> Option<[i64; 3]> {
        let (a, b) = (self.affine?, other.affine?);
        let lengths = b.spacing();
        let mut shift = [0; 3];
        for axis in 0..3 {
            let (step, other_step, length) = (a.step(axis), b.step(axis), lengths[axis]);
            if (0..3).any(|row| (step[row] - other_step[row]).abs() > 0.01 * length) {
                return None;
            }
            // The axes are at right angles, so the shift along one of them is a projection.
            let (from, to) = (a.origin(), b.origin());
            let along: f64 = (0..3).map(|row| (from[row] - to[row]) * other_step[row]).sum();
            let voxels = along / (length * length);
            if (voxels - voxels.round()).abs() > 0.05 {
                return None;
            }
            shift[axis] = voxels.round() as i64;
        }
        Some(shift)
    }
}

/// Three lengths to three decimals: `1.562 x 1.562 x 10`.
fn in_words(values: &[f64; 3]) -> String {
    values.map(|value| format!("{}", (value * 1000.0).round() / 1000.0)).join(" x ")
}

/// The header's unit of length in millimetres; an unknown unit is taken for millimetres.
fn millimetres(units: u8) -> f64 {
    match units & 7 {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    }
}

/// Whether a voxel of a medical image can be this many millimetres wide.
fn is_plausible(step: f64) -> bool {
    (0.01..=100.0).contains(&step)
}

fn sform(raw: &NiftiHeader, unit: f64) -> Option<Affine> {
    if raw.sform_code <= 0 {
        return None;
    }
    let rows = [raw.srow_x, raw.srow_y, raw.srow_z].map(|row| row.map(|v| f64::from(v) * unit));
    Affine::usable(rows, HeaderField::Sform)
}

/// The standard's method 2: a rotation by a unit quaternion whose first component is omitted.
fn qform(raw: &NiftiHeader, unit: f64, pixdim: &[f64; 3]) -> Option<Affine> {
    if raw.qform_code <= 0 {
        return None;
    }
    let [b, c, d] = [raw.quatern_b, raw.quatern_c, raw.quatern_d].map(f64::from);
    let rest = 1.0 - (b * b + c * c + d * d);
    if rest < -1e-3 || rest.is_nan() {
        return None;
    }
    let a = rest.max(0.0).sqrt();
    let rotation = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    let handedness = if raw.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let steps = [pixdim[0], pixdim[1], pixdim[2] * handedness];
    let origin = [raw.quatern_x, raw.quatern_y, raw.quatern_z].map(|v| f64::from(v) * unit);
    let rows = std::array::from_fn(|row| {
        let [x, y, z] = rotation[row];
        [x * steps[0], y * steps[1], z * steps[2], origin[row]]
    });
    Affine::usable(rows, HeaderField::Qform)
}
