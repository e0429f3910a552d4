//! Spacing and orientation from a header's three ways to tell them.

use ::nifti::NiftiHeader;

/// From voxel indices (i, j, k, 1) to millimetres: right, anterior, superior.
pub type Affine = [[f64; 4]; 3];

/// Where a spacing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpacingFrom {
    /// The header's `pixdim`.
    Pixdim,
    /// The lengths of the affine's columns, as `pixdim` has none.
    Affine,
}

/// Where an affine was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AffineFrom {
    /// The `sform`: a matrix.
    Sform,
    /// The `qform`: a quaternion and an offset.
    Qform,
    /// Nowhere: the file tells no orientation.
    Nowhere,
}

impl AffineFrom {
    /// Name in tables: `sform`, `qform`, `none`.
    pub fn name(self) -> &'static str {
        match self {
            AffineFrom::Sform => "sform",
            AffineFrom::Qform => "qform",
            AffineFrom::Nowhere => "none",
        }
    }
}

pub(super) struct Geometry {
    pub spacing: [f64; 3],
    pub spacing_from: SpacingFrom,
    pub affine: Option<Affine>,
    pub affine_from: AffineFrom,
}

/// Spacing from `pixdim` (some files carry a placeholder matrix of 1 mm beside it), else from the
/// affine; the affine from the sform, else from the qform.
pub(super) fn understand(
    raw: &NiftiHeader,
    dims: &[usize; 4],
    remarks: &mut Vec<String>,
) -> Result<Geometry, String> {
    let unit = millimetres(raw.xyzt_units);
    let pixdim: [f64; 3] = std::array::from_fn(|axis| f64::from(raw.pixdim[axis + 1]) * unit);
    if pixdim.iter().any(|&step| step < 0.0) {
        remarks.push(format!("pixdim {} is negative; its size is taken", triple(&pixdim)));
    }
    let pixdim = pixdim.map(f64::abs);
    let (affine, affine_from) = match (sform(raw, unit), qform(raw, unit, &pixdim)) {
        (Some(affine), _) => (Some(affine), AffineFrom::Sform),
        (None, Some(affine)) => (Some(affine), AffineFrom::Qform),
        (None, None) => (None, AffineFrom::Nowhere),
    };
    let steps = affine.as_ref().map(column_lengths);
    let (mut spacing, spacing_from) = match steps {
        Some(steps) if !(0..3).all(|axis| plausible(pixdim[axis]) || dims[axis] == 1) => {
            remarks
                .push(format!("pixdim {} is no spacing; the affine's is taken", triple(&pixdim)));
            (steps, SpacingFrom::Affine)
        }
        _ => (pixdim, SpacingFrom::Pixdim),
    };
    for axis in 0..3 {
        if plausible(spacing[axis]) {
            continue;
        }
        if dims[axis] > 1 {
            return Err(format!("header: no voxel spacing; it gives {} mm", triple(&spacing)));
        }
        spacing[axis] = 1.0;
    }
    if let Some(steps) = steps
        && spacing_from == SpacingFrom::Pixdim
        && (0..3).any(|axis| dims[axis] > 1 && (steps[axis] / spacing[axis] - 1.0).abs() > 0.01)
    {
        let name = affine_from.name();
        remarks.push(match steps.iter().all(|&step| (step - 1.0).abs() < 1e-6) {
            true => format!("the {name} is a placeholder of 1 mm; spacing is pixdim's"),
            false => format!(
                "pixdim says {} mm, the {name} {} mm; pixdim is taken",
                triple(&spacing),
                triple(&steps)
            ),
        });
    }
    Ok(Geometry { spacing, spacing_from, affine, affine_from })
}

/// Three lengths in words, to three decimals: `1.562 x 1.562 x 10`.
pub(super) fn triple(values: &[f64; 3]) -> String {
    values.map(|value| format!("{}", (value * 1000.0).round() / 1000.0)).join(" x ")
}

/// The header's unit of length in millimetres; unknown is taken for millimetres.
fn millimetres(units: u8) -> f64 {
    match units & 7 {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    }
}

/// A voxel of a person's image is between a hundredth and a hundred millimetres wide.
fn plausible(step: f64) -> bool {
    (0.01..=100.0).contains(&step)
}

fn sform(raw: &NiftiHeader, unit: f64) -> Option<Affine> {
    if raw.sform_code <= 0 {
        return None;
    }
    usable([raw.srow_x, raw.srow_y, raw.srow_z].map(|row| row.map(|v| f64::from(v) * unit)))
}

/// The standard's method 2: rotation from a unit quaternion whose first part is left out.
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
    let handed = if raw.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let steps = [pixdim[0], pixdim[1], pixdim[2] * handed];
    let shift = [raw.quatern_x, raw.quatern_y, raw.quatern_z].map(|v| f64::from(v) * unit);
    usable(std::array::from_fn(|row| {
        let turned = &rotation[row];
        [turned[0] * steps[0], turned[1] * steps[1], turned[2] * steps[2], shift[row]]
    }))
}

/// An affine is of use if it is finite and does not flatten space.
fn usable(affine: Affine) -> Option<Affine> {
    if affine.iter().flatten().any(|value| !value.is_finite()) {
        return None;
    }
    let [x, y, z] = affine;
    let determinant = x[0] * (y[1] * z[2] - y[2] * z[1]) - x[1] * (y[0] * z[2] - y[2] * z[0])
        + x[2] * (y[0] * z[1] - y[1] * z[0]);
    let volume: f64 = column_lengths(&affine).iter().product();
    (volume > 0.0 && determinant.abs() > 1e-3 * volume).then_some(affine)
}

/// Lengths of an affine's first three columns: the voxel spacing that it implies.
pub(super) fn column_lengths(affine: &Affine) -> [f64; 3] {
    std::array::from_fn(|axis| affine.iter().map(|row| row[axis] * row[axis]).sum::<f64>().sqrt())
}

/// See [`super::Header::axis_codes`]: of all ways to pair axes with directions, the closest.
pub(super) fn axis_codes(affine: &Affine) -> String {
    const ENDS: [[char; 2]; 3] = [['R', 'L'], ['A', 'P'], ['S', 'I']];
    const PAIRINGS: [[usize; 3]; 6] =
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let lengths = column_lengths(affine);
    let cosine = |row: usize, axis: usize| affine[row][axis] / lengths[axis];
    let closeness =
        |rows: &[usize; 3]| -> f64 { (0..3).map(|axis| cosine(rows[axis], axis).abs()).sum() };
    let best = PAIRINGS.iter().fold(&PAIRINGS[0], |best, next| {
        if closeness(next) > closeness(best) { next } else { best }
    });
    let codes: String =
        (0..3).map(|axis| ENDS[best[axis]][usize::from(cosine(best[axis], axis) < 0.0)]).collect();
    let oblique = (0..3).any(|axis| cosine(best[axis], axis).abs() < 0.9999);
    if oblique { codes + " (oblique)" } else { codes }
}
