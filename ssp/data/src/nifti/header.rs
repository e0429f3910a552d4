//! Headers of both versions, checked before a voxel is read.

use ::nifti::{Endianness, NiftiHeader, NiftiType};

use super::geometry::{self, Affine, AffineFrom, SpacingFrom};
use super::stream::Stream;

/// More voxels than any cine stack has (512 x 512 x 32 slices x 64 phases is half of it): 4 GiB.
const MOST_VOXELS: u64 = 1 << 30;

/// Which version of the format a header is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NIfTI-1, 348 bytes.
    Nifti1,
    /// NIfTI-2, 540 bytes.
    Nifti2,
}

/// What a file says about its voxels, and how that was understood.
#[derive(Clone, Debug)]
pub struct Header {
    /// Version of the format.
    pub format: Format,
    /// Voxels along the file's axes i, j, k, and phases.
    pub dims: [usize; 4],
    /// Distance between neighbouring voxels along i, j, k, in millimetres.
    pub spacing: [f64; 3],
    /// Where the spacing was found.
    pub spacing_from: SpacingFrom,
    /// From voxel indices to millimetres, right-anterior-superior, if the file says.
    pub affine: Option<Affine>,
    /// Where the affine was found.
    pub affine_from: AffineFrom,
    /// What was odd, and how it was resolved; a line each.
    pub remarks: Vec<String>,
    /// Stored type of a voxel.
    pub(super) element: NiftiType,
    /// Slope and offset from stored numbers to intensities, if there are any.
    pub(super) scale: Option<(f64, f64)>,
    /// Where the voxels start in their file.
    offset: u64,
    /// The header in NIfTI-1's fields, for writing back.
    pub(super) raw: NiftiHeader,
}

impl Header {
    /// Voxels in one phase.
    pub fn voxels_per_phase(&self) -> usize {
        self.dims[..3].iter().product()
    }

    /// The shape in words: `216 x 256 x 10`, with the phases behind if there are more than one.
    pub fn shape(&self) -> String {
        let [i, j, k, phases] = self.dims;
        if phases == 1 { format!("{i} x {j} x {k}") } else { format!("{i} x {j} x {k} x {phases}") }
    }

    /// Stored type of a voxel and its byte order: `int16`, `float32 (big-endian)`.
    pub fn stored_as(&self) -> String {
        let name = format!("{:?}", self.element).to_lowercase();
        if self.is_big_endian() && self.element.size_of() > 1 {
            format!("{name} (big-endian)")
        } else {
            name
        }
    }

    /// Slope and offset from stored numbers to intensities, if the file has any.
    pub fn scale(&self) -> Option<(f64, f64)> {
        self.scale
    }

    /// Where the axes i, j, k point, each as the nearest of right/left, anterior/posterior and
    /// superior/inferior: `LPS`; with `(oblique)` behind if they lie between.
    pub fn axis_codes(&self) -> Option<String> {
        self.affine.as_ref().map(geometry::axis_codes)
    }

    /// Where these axes run and those of another grid, where that is not the same; none where one of the
    /// two does not tell, or tells it without a place, as a placeholder does.
    pub fn turned_against(&self, other: &Header) -> Option<[String; 2]> {
        let codes = |header: &Header| {
            let affine = header.affine.as_ref()?;
            let placed = affine.iter().any(|row| row[3] != 0.0);
            placed.then(|| geometry::axis_codes(affine)[..3].to_owned())
        };
        let both = [codes(self)?, codes(other)?];
        (both[0] != both[1]).then_some(both)
    }

    pub(super) fn is_big_endian(&self) -> bool {
        self.raw.endianness == Endianness::Big
    }

    pub(super) fn in_one_file(&self) -> bool {
        self.raw.magic[1] == b'+'
    }

    pub(super) fn data_offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn data_bytes(&self) -> u64 {
        (self.voxels_per_phase() * self.dims[3] * self.element.size_of()) as u64
    }
}

/// Reads and checks a header at the start of a file.
pub(super) fn parse(file: &mut Stream) -> Result<Header, String> {
    let mut bytes = vec![0; 540];
    let start = file.fill(&mut bytes[..4])?;
    let size = [bytes[0], bytes[1], bytes[2], bytes[3]];
    let (format, big_endian) = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
        _ if start < 4 => return Err(not_nifti(file, &format!("it has {start} bytes"))),
        (348, _) => (Format::Nifti1, false),
        (_, 348) => (Format::Nifti1, true),
        (540, _) => (Format::Nifti2, false),
        (_, 540) => (Format::Nifti2, true),
        (other, _) => {
            let why = format!("its first number should be 348 or 540, and is {other}");
            return Err(not_nifti(file, &why));
        }
    };
    let length = if format == Format::Nifti1 { 348 } else { 540 };
    let got = 4 + file.fill(&mut bytes[4..length])?;
    if got < length {
        return Err(format!("is cut short: {got} of the {length} bytes of a NIfTI header"));
    }
    let fields = match format {
        Format::Nifti1 => first_version(&bytes[..length], big_endian)?,
        Format::Nifti2 => second_version(&bytes, big_endian)?,
    };
    understand(format, fields)
}

fn not_nifti(file: &Stream, why: &str) -> String {
    if file.named_zipped && !file.zipped {
        return format!("is named .gz and is not gzipped, nor is it a NIfTI file: {why}");
    }
    format!("is not a NIfTI file: {why}")
}

/// What both versions tell.
struct Fields {
    raw: NiftiHeader,
    dim: [i64; 8],
    offset: f64,
    slope: f64,
    inter: f64,
}

fn first_version(bytes: &[u8], big_endian: bool) -> Result<Fields, String> {
    match &bytes[344..348] {
        b"n+1\0" | b"ni1\0" => {}
        _ => {
            return Err("has no NIfTI mark: an Analyze 7.5 header, which tells no orientation; \
                        convert it to NIfTI"
                .into());
        }
    }
    // The crate tells the byte order by dim[0] alone; it must agree with the header's length.
    let rank = [bytes[40], bytes[41]];
    let rank = if big_endian { i16::from_be_bytes(rank) } else { i16::from_le_bytes(rank) };
    check_rank(rank.into())?;
    let raw = NiftiHeader::from_reader(bytes).map_err(|error| format!("header: {error}"))?;
    Ok(Fields {
        dim: raw.dim.map(|length| i64::from(length as i16)),
        offset: raw.vox_offset.into(),
        slope: raw.scl_slope.into(),
        inter: raw.scl_inter.into(),
        raw,
    })
}

/// NIfTI-2's fields by their offsets, put into NIfTI-1's.
fn second_version(bytes: &[u8], big_endian: bool) -> Result<Fields, String> {
    let part = |at: usize| -> [u8; 8] {
        let mut part = [0; 8];
        part.copy_from_slice(&bytes[at..at + 8]);
        part
    };
    let int =
        |at| if big_endian { i64::from_be_bytes(part(at)) } else { i64::from_le_bytes(part(at)) };
    let float =
        |at| if big_endian { f64::from_be_bytes(part(at)) } else { f64::from_le_bytes(part(at)) };
    let half = |at: usize| {
        let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if big_endian { i32::from_be_bytes(four) } else { i32::from_le_bytes(four) }
    };
    let short = |at: usize| {
        let two = [bytes[at], bytes[at + 1]];
        if big_endian { i16::from_be_bytes(two) } else { i16::from_le_bytes(two) }
    };
    let magic = match &bytes[4..8] {
        b"n+2\0" => *b"n+1\0",
        b"ni2\0" => *b"ni1\0",
        _ => return Err("has no NIfTI-2 mark".into()),
    };
    let row =
        |at| [float(at) as f32, float(at + 8) as f32, float(at + 16) as f32, float(at + 24) as f32];
    let dim: [i64; 8] = std::array::from_fn(|axis| int(16 + 8 * axis));
    let mut intent_name = [0; 16];
    intent_name.copy_from_slice(&bytes[508..524]);
    let raw = NiftiHeader {
        dim: dim.map(|length| length.clamp(0, u16::MAX.into()) as u16),
        datatype: short(12),
        bitpix: short(14),
        pixdim: std::array::from_fn(|axis| float(104 + 8 * axis) as f32),
        slice_duration: float(208) as f32,
        toffset: float(216) as f32,
        descrip: bytes[240..320].to_vec(),
        qform_code: half(344) as i16,
        sform_code: half(348) as i16,
        quatern_b: float(352) as f32,
        quatern_c: float(360) as f32,
        quatern_d: float(368) as f32,
        quatern_x: float(376) as f32,
        quatern_y: float(384) as f32,
        quatern_z: float(392) as f32,
        srow_x: row(400),
        srow_y: row(432),
        srow_z: row(464),
        slice_code: half(496) as u8,
        xyzt_units: half(500) as u8,
        intent_code: half(504) as i16,
        intent_name,
        dim_info: bytes[524],
        magic,
        endianness: if big_endian { Endianness::Big } else { Endianness::Little },
        ..NiftiHeader::default()
    };
    Ok(Fields { dim, offset: int(168) as f64, slope: float(176), inter: float(184), raw })
}

fn check_rank(rank: i64) -> Result<(), String> {
    if (1..=7).contains(&rank) {
        return Ok(());
    }
    Err(format!("header: the number of axes should be 1 to 7, and is {rank}"))
}

/// Checks what both versions have in common, and derives what is used.
fn understand(format: Format, fields: Fields) -> Result<Header, String> {
    let Fields { raw, dim, offset, slope, inter } = fields;
    let mut remarks = Vec::new();
    check_rank(dim[0])?;
    let axes = &dim[1..=dim[0] as usize];
    let element = real_type(raw.datatype)?;
    let dims = grid_and_phases(axes, raw.intent_code, &mut remarks)?;
    let least = match (raw.magic[1], format) {
        (b'+', Format::Nifti1) => 348,
        (b'+', Format::Nifti2) => 540,
        _ => 0,
    };
    if !offset.is_finite() || offset < f64::from(least) || offset > 1e15 {
        return Err(format!("header: the voxels cannot begin at byte {offset}"));
    }
    if raw.bitpix as usize != 8 * element.size_of() {
        remarks.push(format!(
            "the header gives {} bits per voxel for {element:?}; the type is believed",
            raw.bitpix
        ));
    }
    let scale = scale(slope, inter)?;
    let found = geometry::understand(&raw, &dims, &mut remarks)?;
    Ok(Header {
        format,
        dims,
        spacing: found.spacing,
        spacing_from: found.spacing_from,
        affine: found.affine,
        affine_from: found.affine_from,
        remarks,
        element,
        scale,
        offset: offset as u64,
        raw,
    })
}

fn real_type(code: i16) -> Result<NiftiType, String> {
    use NiftiType::{Float32, Float64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    let all = [Uint8, Int16, Int32, Float32, Float64, Int8, Uint16, Uint32, Int64, Uint64];
    if let Some(found) = all.into_iter().find(|&element| element as i16 == code) {
        return Ok(found);
    }
    let what = match code {
        32 | 1792 | 2048 => "complex numbers",
        128 | 2304 => "colours (RGB)",
        1536 => "128-bit floating point",
        1 => "single bits",
        _ => return Err(format!("header: voxel type {code} is unknown")),
    };
    Err(format!("holds {what}; a cine stack holds one real number per voxel"))
}

/// Voxels along i, j, k, and phases: axes of length 1 beyond the third are dropped.
fn grid_and_phases(
    axes: &[i64],
    intent: i16,
    remarks: &mut Vec<String>,
) -> Result<[usize; 4], String> {
    let shape = axes.iter().map(i64::to_string).collect::<Vec<_>>().join(" x ");
    if axes.iter().any(|&length| length < 1) {
        return Err(format!("header: its shape is {shape}; every axis should be at least 1 long"));
    }
    let total = axes.iter().try_fold(1u64, |all, &length| all.checked_mul(length as u64));
    if total.is_none_or(|total| total > MOST_VOXELS) || axes.iter().any(|&n| n > 32767) {
        return Err(format!("header: its shape is {shape}, larger than any cine stack"));
    }
    let grid = |axis: usize| axes.get(axis).map_or(1, |&length| length as usize);
    let beyond = axes.get(3..).unwrap_or(&[]);
    let long: Vec<usize> = (0..beyond.len()).filter(|&axis| beyond[axis] > 1).collect();
    let phases = match long[..] {
        [] => 1,
        [0] => beyond[0] as usize,
        // A fifth axis holds a voxel's several values, unless the file was merely saved clumsily.
        [axis] if intent == 0 => {
            remarks.push(format!("shape {shape}: axis {} is taken for the phases", axis + 4));
            beyond[axis] as usize
        }
        _ => {
            return Err(format!(
                "its shape is {shape}, with several values per voxel; a cine stack has 3 axes and \
                 phases"
            ));
        }
    };
    Ok([grid(0), grid(1), grid(2), phases])
}

/// The standard: a slope of 0 means that there is none. One that is not a number means the same.
fn scale(slope: f64, inter: f64) -> Result<Option<(f64, f64)>, String> {
    if slope == 0.0 || !slope.is_finite() {
        return Ok(None);
    }
    if !inter.is_finite() {
        return Err(format!("header: scale slope {slope} with an offset of {inter}"));
    }
    Ok((slope != 1.0 || inter != 0.0).then_some((slope, inter)))
}
