//! Where a volume's voxels are in space: spacing, axes and origin, and the header field that each
//! comes from.
//!
//! A header can give the spacing in `pixdim`, and spacing, axes and origin in an affine, which is
//! either the `sform` (a matrix) or the `qform` (a quaternion and an offset). The three may disagree.

use ::nifti::NiftiHeader;

use crate::diagnostics::Diagnostics;

/// The spacing and orientation of a grid of voxels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Distance between neighbouring voxels along i, j, k, in millimetres.
    pub spacing: [f64; 3],
    /// Where the spacing comes from: `pixdim` or an affine.
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

    /// The largest angle between an axis and the same axis of another affine, in degrees.
    pub fn angle_to(&self, other: &Affine) -> f64 {
        let [mine, theirs] = [self, other].map(Affine::spacing);
        let angle = |axis: usize| -> f64 {
            let product: f64 =
                self.step(axis).iter().zip(other.step(axis)).map(|(a, b)| a * b).sum();
            (product / (mine[axis] * theirs[axis])).clamp(-1.0, 1.0).acos().to_degrees()
        };
        (0..3).map(angle).fold(0.0, f64::max)
    }

    /// Whether the steps are 1 mm along the axes of the scanner, in either direction: what programs
    /// write that know of no geometry.
    pub fn is_unit(&self) -> bool {
        (0..3).all(|axis| {
            let largest = self.step(axis).into_iter().map(f64::abs).fold(0.0, f64::max);
            (largest - 1.0).abs() < 1e-6 && (self.spacing()[axis] - 1.0).abs() < 1e-6
        })
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
    /// The geometry that a header gives, with a line for each contradiction. It is an error if an axis
    /// of several voxels has no plausible spacing.
    ///
    /// The affine is the sform, or else the qform. A placeholder sform of 1 mm gives way to a qform
    /// that is none. The spacing is `pixdim` where it agrees with the affine, and otherwise, as files
    /// with a forgotten `pixdim` and files with a forgotten sform both exist:
    ///
    /// - `pixdim` beside a placeholder sform of 1 mm (as in ACDC), the sform beside a `pixdim` of 1 mm;
    /// - the one that is usual for cine; if both or neither are, the sform, as in nibabel and ITK.
    pub(super) fn read(
        raw: &NiftiHeader,
        dims: &[usize; 4],
        diagnostics: &mut Diagnostics,
    ) -> Result<Geometry, String> {
        let unit = millimetres(raw.xyzt_units);
        let signed: [f64; 3] = std::array::from_fn(|axis| f64::from(raw.pixdim[axis + 1]) * unit);
        if signed.iter().any(|&step| step < 0.0) {
            let signed = lengths(&signed);
            diagnostics.note(format!("pixdim {signed} is negative; the sign is ignored"));
        }
        let pixdim = signed.map(f64::abs);
        let forms = [sform(raw, unit), qform(raw, unit, &pixdim)];
        unusable_forms(raw, forms, diagnostics);
        let affine = choose_affine(forms, diagnostics);
        diagnostics.warnings.extend(affine.and_then(|affine| shear(&affine, dims)));
        let (mut spacing, spacing_source) = choose_spacing(&pixdim, affine, dims, diagnostics);
        if affine.is_none() {
            diagnostics.warnings.extend(ignored_sform(raw, unit, &spacing));
        }
        for axis in 0..3 {
            if is_plausible(spacing[axis]) {
                continue;
            }
            if dims[axis] > 1 {
                let spacing = lengths(&spacing);
                let unit = unit_name(raw.xyzt_units);
                return Err(format!(
                    "header: no voxel spacing; it gives {spacing} mm (stored in {unit}); correct pixdim or \
                     its unit"
                ));
            }
            spacing[axis] = 1.0;
            if axis == 2 {
                diagnostics.warn(
                    "the header gives no slice thickness; 1 mm is assumed, and volumes are of that",
                );
            }
        }
        Ok(Geometry { spacing, spacing_source, affine })
    }

    /// Whether the spacing is 1 x 1 x 1 mm, which programs write that know of no spacing.
    pub fn has_default_spacing(&self) -> bool {
        self.spacing.iter().all(|step| (step - 1.0).abs() < 1e-6)
    }

    /// Whether short-axis cine is acquired with such a spacing, if it runs across slices along the coarsest
    /// axis.
    pub fn is_usual_for_cine(&self, dims: &[usize; 4]) -> bool {
        is_usual(&self.spacing, dims)
    }

    /// Where the grid is in space: the affine, with steps of the spacing. None if there is no affine,
    /// or only a placeholder: one that is not in the spacing, or 1 mm from an origin of 0, along the
    /// scanner's axes. (Any other origin of 0 is a place like others.)
    pub fn place(&self) -> Option<Affine> {
        let affine = self.affine?;
        let at_zero = affine.origin() == [0.0; 3];
        if affine.is_unit() && (at_zero || !self.has_default_spacing()) {
            return None;
        }
        let scale: [f64; 3] = {
            let steps = affine.spacing();
            std::array::from_fn(|axis| self.spacing[axis] / steps[axis])
        };
        let rows =
            affine.rows.map(|[x, y, z, origin]| [x * scale[0], y * scale[1], z * scale[2], origin]);
        Some(Affine { rows, source: affine.source })
    }
}

/// Of sform and qform, the one to use. Warns if they contradict each other.
fn choose_affine(
    [sform, qform]: [Option<Affine>; 2],
    diagnostics: &mut Diagnostics,
) -> Option<Affine> {
    let (Some(s), Some(q)) = (sform, qform) else { return sform.or(qform) };
    if s.is_unit() && !q.is_unit() {
        diagnostics.note("the sform is a placeholder of 1 mm; the qform is used");
        return Some(q);
    }
    if q.is_unit() && !s.is_unit() {
        return Some(s);
    }
    let [s_codes, q_codes] = [s, q].map(|affine| affine.axis_codes());
    let angle = s.angle_to(&q);
    if s_codes != q_codes {
        diagnostics.warn(format!(
            "the sform says that axes run {s_codes}, the qform {q_codes}; the sform is used"
        ));
    } else if angle > 2.0 {
        diagnostics.warn(format!(
            "the axes of sform and qform are {angle:.0} degrees apart; the sform is used"
        ));
    } else if distance(s.origin(), q.origin()) > 1.0 {
        diagnostics.note(format!(
            "the sform begins at {} mm, the qform at {} mm; the sform is used",
            point(&s.origin()),
            point(&q.origin())
        ));
    }
    Some(s)
}

/// Reports an sform or qform that the header declares and that is no affine. Where the other is used
/// instead, nothing is lost.
fn unusable_forms(raw: &NiftiHeader, forms: [Option<Affine>; 2], diagnostics: &mut Diagnostics) {
    let codes = [raw.sform_code, raw.qform_code];
    for (at, name) in ["sform", "qform"].into_iter().enumerate() {
        if codes[at] <= 0 || forms[at].is_some() {
            continue;
        }
        let what = format!("the {name} is no affine (not finite, or flat)");
        match forms[1 - at] {
            Some(other) => diagnostics.note(format!("{what}; the {} is used", other.source.name())),
            None => {
                diagnostics.warn(format!("{what}; axes and place of the voxels are unknown"));
            }
        }
    }
}

/// What to warn of if axes are not perpendicular: volumes and distances are computed as if they were.
fn shear(affine: &Affine, dims: &[usize; 4]) -> Option<String> {
    let steps = affine.spacing();
    let angle = |[a, b]: [usize; 2]| {
        let product: f64 = affine.step(a).iter().zip(affine.step(b)).map(|(x, y)| x * y).sum();
        (product / (steps[a] * steps[b])).clamp(-1.0, 1.0).acos().to_degrees()
    };
    let pairs = [[0, 1], [0, 2], [1, 2]].into_iter();
    let long = pairs.filter(|pair| pair.iter().all(|&axis| dims[axis] > 1));
    let furthest =
        long.max_by(|&a, &b| (angle(a) - 90.0).abs().total_cmp(&(angle(b) - 90.0).abs()))?;
    let found = angle(furthest);
    let [a, b] = furthest.map(|axis| ["i", "j", "k"][axis]);
    ((found - 90.0).abs() > 2.0).then(|| {
        format!(
            "axes {a} and {b} of the {} are {found:.0} degrees apart; volumes and distances are computed \
             as if they were 90: resample the image",
            affine.source.name()
        )
    })
}

/// What to warn of if the only affine is an sform of code 0, which the standard says to ignore, and its
/// spacing is another.
fn ignored_sform(raw: &NiftiHeader, unit: f64, spacing: &[f64; 3]) -> Option<String> {
    let steps = sform_rows(raw, unit)?.spacing();
    let same = steps.iter().zip(spacing).all(|(&a, &b)| equal_spacing(a, b));
    (raw.sform_code == 0 && !same && steps.iter().all(|&step| is_plausible(step))).then(|| {
        format!(
            "pixdim says {} mm, the sform {} mm; the sform is not used, as its code is 0",
            lengths(spacing),
            lengths(&steps)
        )
    })
}

/// Of `pixdim` and the spacing of the affine, the one to use; see [`Geometry::read`].
fn choose_spacing(
    pixdim: &[f64; 3],
    affine: Option<Affine>,
    dims: &[usize; 4],
    diagnostics: &mut Diagnostics,
) -> ([f64; 3], HeaderField) {
    let by_pixdim = (*pixdim, HeaderField::Pixdim);
    let Some(affine) = affine else { return by_pixdim };
    let (steps, name) = (affine.spacing(), affine.source.name());
    let by_affine = (steps, affine.source);
    let [said, affine_said] = [pixdim, &steps].map(lengths);
    if (0..3).any(|axis| dims[axis] > 1 && !is_plausible(pixdim[axis])) {
        diagnostics.note(format!("pixdim {said} is no spacing; that of the {name} is used"));
        return by_affine;
    }
    let differ = |axis: usize| {
        let [pixdim, step] = [pixdim[axis], steps[axis]];
        is_plausible(pixdim) && is_plausible(step) && !equal_spacing(pixdim, step)
    };
    if affine.source != HeaderField::Sform || !(0..3).any(differ) {
        return by_pixdim;
    }
    if affine.is_unit() {
        diagnostics.note(format!("the {name} is a placeholder of 1 mm; the spacing is pixdim's"));
        return by_pixdim;
    }
    if pixdim.iter().all(|&step| step == 1.0) {
        diagnostics.note(format!(
            "pixdim is a placeholder of 1 mm; the spacing is the {name}'s, {affine_said} mm"
        ));
        return by_affine;
    }
    let [pixdim_usual, affine_usual] = [pixdim, &steps].map(|spacing| is_usual(spacing, dims));
    let (chosen, used, why) = match (pixdim_usual, affine_usual) {
        (true, false) => (by_pixdim, "pixdim", "which is usual for cine"),
        (false, true) => (by_affine, name, "which is usual for cine"),
        _ => (by_affine, name, "as in nibabel and ITK"),
    };
    diagnostics.warn(format!(
        "pixdim says {said} mm, the {name} {affine_said} mm; the {used} is used, {why}"
    ));
    chosen
}

/// Whether two spacings are equal but for rounding.
pub(super) fn equal_spacing(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() <= 0.01
}

/// Whether short-axis cine is acquired with such a spacing: 0.5 to 3 mm in plane, in slices 4 to 16 mm
/// apart (anything, of a single slice).
pub(crate) fn is_usual_for_cine(in_plane: [f64; 2], between_slices: Option<f64>) -> bool {
    in_plane.iter().all(|step| (0.5..=3.0).contains(step))
        && between_slices.is_none_or(|step| (4.0..=16.0).contains(&step))
}

/// The same where it is unknown which axis runs across the slices: the coarsest.
fn is_usual(spacing: &[f64; 3], dims: &[usize; 4]) -> bool {
    let mut axes = [0, 1, 2];
    axes.sort_by(|&a, &b| spacing[a].total_cmp(&spacing[b]));
    let [a, b, c] = axes;
    is_usual_for_cine([spacing[a], spacing[b]], (dims[c] > 1).then_some(spacing[c]))
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// A point in millimetres: `(-12.5, 0, 38.1)`.
pub(super) fn point(values: &[f64; 3]) -> String {
    let rounded = values.map(|value| format!("{}", (value * 10.0).round() / 10.0 + 0.0));
    format!("({})", rounded.join(", "))
}

/// Three lengths to three decimals: `1.562 x 1.562 x 10`.
pub(super) fn lengths(values: &[f64; 3]) -> String {
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

/// The unit of length that a header names.
fn unit_name(units: u8) -> &'static str {
    match units & 7 {
        1 => "metres",
        3 => "micrometres",
        2 => "millimetres",
        _ => "no unit, taken for millimetres",
    }
}

/// Whether a voxel of a medical image can be this many millimetres wide.
fn is_plausible(step: f64) -> bool {
    (0.01..=100.0).contains(&step)
}

fn sform(raw: &NiftiHeader, unit: f64) -> Option<Affine> {
    (raw.sform_code > 0).then(|| sform_rows(raw, unit)).flatten()
}

/// The sform whatever its code.
fn sform_rows(raw: &NiftiHeader, unit: f64) -> Option<Affine> {
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
