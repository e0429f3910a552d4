//! Headers of both versions, checked before a voxel is read.

use ::nifti::{Endianness, NiftiHeader, NiftiType};

use super::byte_reader::ByteReader;
use super::geometry::Geometry;
use super::parse::{Fields, Format, check_rank, fields};
use crate::diagnostics::Diagnostics;

/// The voxels of a very large cine stack (512 x 512 x 32 slices x 64 phases): 2 GiB of float32.
const MOST_VOXELS: u64 = 1 << 29;

/// Header and extensions are at most this many bytes. Reading on to the voxels of a gzipped file
/// decompresses all that is before them.
const MOST_BEFORE_VOXELS: f64 = (256 << 20) as f64;

/// What a header says about its voxels.
#[derive(Clone, Debug)]
pub struct Header {
    /// Version of the format.
    pub format: Format,
    /// Voxels along the file's axes i, j, k, and phases.
    pub dims: [usize; 4],
    /// Spacing and orientation.
    pub geometry: Geometry,
    /// The oddities of the header.
    pub diagnostics: Diagnostics,
    /// Stored type of a voxel.
    pub(super) element: NiftiType,
    /// Slope and offset from stored numbers to intensities, if the file has any.
    pub scale: Option<(f64, f64)>,
    /// The byte at which the voxels start in their file.
    pub(super) data_offset: u64,
    /// Whether the voxels follow the header in its file, or are in the other file of a pair.
    pub(super) in_one_file: bool,
    /// The header as NIfTI-1, to write label maps with.
    pub(super) raw: NiftiHeader,
}

impl Header {
    /// Voxels in one phase.
    pub fn voxels_per_phase(&self) -> usize {
        self.dims[..3].iter().product()
    }

    /// The shape: `216 x 256 x 10`, with the phases appended if there are several.
    pub fn shape(&self) -> String {
        let [i, j, k, phases] = self.dims;
        if phases == 1 { format!("{i} x {j} x {k}") } else { format!("{i} x {j} x {k} x {phases}") }
    }

    /// Stored type of a voxel and its byte order: `int16`, `float32 (big-endian)`.
    pub fn stored_as(&self) -> String {
        let name = format!("{:?}", self.element).to_lowercase();
        let order = self.is_big_endian() && self.element.size_of() > 1;
        if order { name + " (big-endian)" } else { name }
    }

    pub(super) fn is_big_endian(&self) -> bool {
        self.raw.endianness == Endianness::Big
    }

    pub(super) fn data_bytes(&self) -> u64 {
        (self.voxels_per_phase() * self.dims[3] * self.element.size_of()) as u64
    }
}

/// Reads and checks the header at the start of a file.
pub(super) fn read(file: &mut ByteReader) -> Result<Header, String> {
    let (format, Fields { raw, dim, data_offset, slope, offset }) = fields(file)?;
    let mut diagnostics = Diagnostics::default();
    check_rank(dim[0])?;
    let element = element_type(raw.datatype)?;
    let dims = grid_and_phases(&dim[1..=dim[0] as usize], raw.intent_code, &mut diagnostics)?;
    // The magic is `n+1`, or `ni1` for a pair.
    let in_one_file = raw.magic[1] == b'+';
    let least = if in_one_file { format.header_bytes() as f64 } else { 0.0 };
    if !data_offset.is_finite() || data_offset < least || data_offset > MOST_BEFORE_VOXELS {
        return Err(format!("header: the voxels cannot begin at byte {data_offset}"));
    }
    if raw.bitpix as usize != 8 * element.size_of() {
        diagnostics.note(format!(
            "the header gives {} bits per voxel for {element:?}; the type is used",
            raw.bitpix
        ));
    }
    let scale = scale(slope, offset)?;
    let geometry = Geometry::read(&raw, &dims, &mut diagnostics)?;
    let data_offset = data_offset as u64;
    Ok(Header {
        format,
        dims,
        geometry,
        diagnostics,
        element,
        scale,
        data_offset,
        in_one_file,
        raw,
    })
}

/// The type of a voxel by its code; types other than real numbers are refused.
fn element_type(code: i16) -> Result<NiftiType, String> {
    use NiftiType::{Float32, Float64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    let real = [Uint8, Int16, Int32, Float32, Float64, Int8, Uint16, Uint32, Int64, Uint64];
    if let Some(found) = real.into_iter().find(|&element| element as i16 == code) {
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

/// Voxels along i, j, k, and phases. Axes of length 1 beyond the third are dropped.
fn grid_and_phases(
    axes: &[i64],
    intent: i16,
    diagnostics: &mut Diagnostics,
) -> Result<[usize; 4], String> {
    let shape = axes.iter().map(i64::to_string).collect::<Vec<_>>().join(" x ");
    if axes.iter().any(|&length| length < 1) {
        return Err(format!("header: its shape is {shape}; every axis should be at least 1 long"));
    }
    let total = axes.iter().try_fold(1u64, |all, &length| all.checked_mul(length as u64));
    if total.is_none_or(|total| total > MOST_VOXELS) || axes.iter().any(|&n| n > 32767) {
        return Err(format!(
            "header: its shape is {shape}, larger than any cine stack (at most 32767 voxels along an \
             axis and {MOST_VOXELS} in all)"
        ));
    }
    let length = |axis: usize| axes.get(axis).map_or(1, |&length| length as usize);
    let long: Vec<usize> = (3..axes.len()).filter(|&axis| length(axis) > 1).collect();
    let phases = match long[..] {
        [] => 1,
        [3] => length(3),
        // By the standard, a fifth axis holds the values of one voxel. Some programs write phases
        // there, which an intent code of 0 distinguishes.
        [axis] if intent == 0 => {
            diagnostics.note(format!("shape {shape}: axis {} is taken for the phases", axis + 1));
            length(axis)
        }
        _ => {
            return Err(format!(
                "its shape is {shape}, with several values per voxel; a cine stack has 3 axes and \
                 phases"
            ));
        }
    };
    Ok([length(0), length(1), length(2), phases])
}

/// By the standard, a slope of 0 means that there is none; one that is not finite is taken likewise.
fn scale(slope: f64, offset: f64) -> Result<Option<(f64, f64)>, String> {
    if slope == 0.0 || !slope.is_finite() {
        return Ok(None);
    }
    if !offset.is_finite() {
        return Err(format!("header: scale slope {slope} with an offset of {offset}"));
    }
    Ok((slope != 1.0 || offset != 0.0).then_some((slope, offset)))
}
