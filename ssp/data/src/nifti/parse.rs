//! From a header's bytes to its fields, in either version and byte order.

use ::nifti::{Endianness, NiftiHeader};

use super::byte_reader::ByteReader;

/// The version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NIfTI-1, with a header of 348 bytes.
    Nifti1,
    /// NIfTI-2, with a header of 540 bytes.
    Nifti2,
}

impl Format {
    /// Name in reports: `NIfTI-1`, `NIfTI-2`.
    pub fn name(self) -> &'static str {
        match self {
            Format::Nifti1 => "NIfTI-1",
            Format::Nifti2 => "NIfTI-2",
        }
    }

    /// Bytes of a header.
    pub(super) fn header_bytes(self) -> usize {
        match self {
            Format::Nifti1 => 348,
            Format::Nifti2 => 540,
        }
    }
}

/// The fields that both versions have. NIfTI-2's are wider than those of `raw`, so those that decide
/// what is read are kept apart.
pub(super) struct Fields {
    pub raw: NiftiHeader,
    /// The number of axes, then their lengths.
    pub dim: [i64; 8],
    /// The byte at which the voxels start.
    pub data_offset: f64,
    /// Scale slope of the intensities.
    pub slope: f64,
    /// Offset of the intensities, after the slope.
    pub offset: f64,
}

/// Reads the header at the start of a file.
pub(super) fn fields(file: &mut ByteReader) -> Result<(Format, Fields), String> {
    let mut bytes = [0; 540];
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
    let length = format.header_bytes();
    let filled = 4 + file.fill(&mut bytes[4..length])?;
    if filled < length {
        return Err(format!("is truncated: {filled} of the {length} bytes of a NIfTI header"));
    }
    let bytes = HeaderBytes { bytes: &bytes[..length], big_endian };
    let fields = match format {
        Format::Nifti1 => version_1(bytes)?,
        Format::Nifti2 => version_2(bytes)?,
    };
    Ok((format, fields))
}

fn not_nifti(file: &ByteReader, why: &str) -> String {
    if file.named_gz && !file.gzipped {
        return format!("is named .gz and is not gzipped, nor is it a NIfTI file: {why}");
    }
    format!("is not a NIfTI file: {why}")
}

/// Refuses a number of axes that the format does not have.
pub(super) fn check_rank(rank: i64) -> Result<(), String> {
    if (1..=7).contains(&rank) {
        return Ok(());
    }
    Err(format!("header: the number of axes should be 1 to 7, and is {rank}"))
}

/// Numbers at byte offsets, in the file's byte order.
#[derive(Clone, Copy)]
struct HeaderBytes<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl HeaderBytes<'_> {
    fn bytes<const N: usize>(self, at: usize) -> [u8; N] {
        let mut part = [0; N];
        part.copy_from_slice(&self.bytes[at..at + N]);
        part
    }

    fn little_endian<const N: usize>(self, at: usize) -> [u8; N] {
        let mut part = self.bytes(at);
        if self.big_endian {
            part.reverse();
        }
        part
    }

    fn i16(self, at: usize) -> i16 {
        i16::from_le_bytes(self.little_endian(at))
    }

    fn i32(self, at: usize) -> i32 {
        i32::from_le_bytes(self.little_endian(at))
    }

    fn i64(self, at: usize) -> i64 {
        i64::from_le_bytes(self.little_endian(at))
    }

    fn f64(self, at: usize) -> f64 {
        f64::from_le_bytes(self.little_endian(at))
    }

    /// `N` consecutive float64, as float32.
    fn f32s<const N: usize>(self, at: usize) -> [f32; N] {
        std::array::from_fn(|n| self.f64(at + 8 * n) as f32)
    }
}

fn version_1(header: HeaderBytes) -> Result<Fields, String> {
    if !matches!(&header.bytes(344), b"n+1\0" | b"ni1\0") {
        return Err("has no NIfTI mark: it is an Analyze 7.5 header, which has no orientation; \
                    convert it to NIfTI"
            .into());
    }
    // The `nifti` crate infers the byte order from dim[0], which must therefore be valid.
    check_rank(header.i16(40).into())?;
    let raw = NiftiHeader::from_reader(header.bytes).map_err(|error| format!("header: {error}"))?;
    Ok(Fields {
        dim: raw.dim.map(|length| i64::from(length as i16)),
        data_offset: raw.vox_offset.into(),
        slope: raw.scl_slope.into(),
        offset: raw.scl_inter.into(),
        raw,
    })
}

/// NIfTI-2's fields by their offsets, converted to NIfTI-1's types.
fn version_2(header: HeaderBytes) -> Result<Fields, String> {
    let magic = match &header.bytes(4) {
        b"n+2\0" => *b"n+1\0",
        b"ni2\0" => *b"ni1\0",
        _ => return Err("has no NIfTI-2 mark".into()),
    };
    let dim: [i64; 8] = std::array::from_fn(|axis| header.i64(16 + 8 * axis));
    let [quatern_b, quatern_c, quatern_d, quatern_x, quatern_y, quatern_z] = header.f32s(352);
    let [slice_duration, toffset] = header.f32s(208);
    let raw = NiftiHeader {
        dim: dim.map(|length| length.clamp(0, u16::MAX.into()) as u16),
        datatype: header.i16(12),
        bitpix: header.i16(14),
        pixdim: header.f32s(104),
        slice_duration,
        toffset,
        descrip: header.bytes[240..320].to_vec(),
        qform_code: header.i32(344) as i16,
        sform_code: header.i32(348) as i16,
        quatern_b,
        quatern_c,
        quatern_d,
        quatern_x,
        quatern_y,
        quatern_z,
        srow_x: header.f32s(400),
        srow_y: header.f32s(432),
        srow_z: header.f32s(464),
        slice_code: header.i32(496) as u8,
        xyzt_units: header.i32(500) as u8,
        intent_code: header.i32(504) as i16,
        intent_name: header.bytes(508),
        dim_info: header.bytes[524],
        magic,
        endianness: if header.big_endian { Endianness::Big } else { Endianness::Little },
        ..NiftiHeader::default()
    };
    let data_offset = header.i64(168) as f64;
    Ok(Fields { raw, dim, data_offset, slope: header.f64(176), offset: header.f64(184) })
}
