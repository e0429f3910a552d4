//! Voxels: from bytes of any real type and either byte order to float32.

use ::nifti::NiftiType;

use super::byte_reader::ByteReader;
use super::header::Header;

/// Copies of a volume that exist at once, at most, until it is ready for use: as stored, as a stack of
/// slices, in the cache, and on its way from one to the next.
const COPIES: usize = 4;

/// Reads all voxels, first axis fastest. The scale slope is applied in float64.
///
/// Memory for all voxels is reserved before the first is read, so that a volume that does not fit is an
/// error of its file instead of the end of the process. The caller has checked that the file can hold
/// so many. Reserved memory is not used before voxels are written to it.
pub(super) fn read(header: &Header, file: &mut ByteReader) -> Result<Vec<f32>, String> {
    let count = header.voxels_per_phase() * header.dims[3];
    let convert = converter(header.element, header.is_big_endian());
    let width = header.element.size_of();
    let mut buffer = vec![0; width << 14];
    drop(reserved::<f32>(count.saturating_mul(COPIES))?);
    let mut voxels = reserved(count)?;
    while voxels.len() < count {
        let wanted = buffer.len().min((count - voxels.len()) * width);
        let filled = file.fill(&mut buffer[..wanted])?;
        convert(&buffer[..filled], header.scale, &mut voxels);
        if filled < wanted {
            return Err(format!(
                "is truncated: it holds {} of {count} voxels ({})",
                voxels.len(),
                header.shape()
            ));
        }
    }
    file.verify_checksum()?;
    Ok(voxels)
}

/// An empty vector with memory for `count` elements.
///
/// # Errors
/// If the system does not have the memory.
pub(crate) fn reserved<T>(count: usize) -> Result<Vec<T>, String> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(count).map_err(|_| {
        let mebibytes = count.saturating_mul(size_of::<T>()) >> 20;
        format!("takes {mebibytes} MiB of memory, which the system does not have")
    })?;
    Ok(vector)
}

/// Appends the whole elements in some bytes, scaled by a slope and an offset.
type Convert = fn(&[u8], Option<(f64, f64)>, &mut Vec<f32>);

fn converter(element: NiftiType, big_endian: bool) -> Convert {
    macro_rules! of {
        ($number:ty) => {
            if big_endian {
                |bytes, scale, out| each(bytes, scale, out, |b| <$number>::from_be_bytes(b) as f64)
            } else {
                |bytes, scale, out| each(bytes, scale, out, |b| <$number>::from_le_bytes(b) as f64)
            }
        };
    }
    match element {
        NiftiType::Uint8 => of!(u8),
        NiftiType::Int8 => of!(i8),
        NiftiType::Uint16 => of!(u16),
        NiftiType::Int16 => of!(i16),
        NiftiType::Uint32 => of!(u32),
        NiftiType::Int32 => of!(i32),
        NiftiType::Uint64 => of!(u64),
        NiftiType::Int64 => of!(i64),
        NiftiType::Float64 => of!(f64),
        // The header check refuses all other types.
        _ => of!(f32),
    }
}

fn each<const WIDTH: usize>(
    bytes: &[u8],
    scale: Option<(f64, f64)>,
    out: &mut Vec<f32>,
    number: impl Fn([u8; WIDTH]) -> f64,
) {
    let (elements, _) = bytes.as_chunks::<WIDTH>();
    match scale {
        None => out.extend(elements.iter().map(|&e| number(e) as f32)),
        Some((slope, offset)) => {
            out.extend(elements.iter().map(|&e| (number(e) * slope + offset) as f32));
        }
    }
}
