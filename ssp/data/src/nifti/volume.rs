//! Volumes: a header and its voxels, from one file or from a pair.

use std::path::{Path, PathBuf};

use super::alignment::{Alignment, described};
use super::byte_reader::ByteReader;
use super::header::{self, Header};
use super::paths::{has_ending, partner};
use super::voxels;
use crate::{Error, Result};

/// A volume as stored: a header and every voxel, scale slope applied.
#[derive(Clone, Debug)]
pub struct Volume {
    /// `i * j * k * phases` intensities, the first axis fastest (the file's order).
    pub voxels: Vec<f32>,
    /// Shape and geometry, and the fields that a label map on this grid is written with.
    pub header: Header,
}

impl Volume {
    /// Voxels of one phase: `i * j * k` intensities, the first axis fastest.
    pub fn phase(&self, phase: usize) -> &[f32] {
        let size = self.header.voxels_per_phase();
        &self.voxels[phase * size..(phase + 1) * size]
    }

    /// Appends the phases of another volume of the same grid, whose voxels are moved by their place in space.
    /// `name` is that of the other in messages.
    ///
    /// # Errors
    /// If the two grids are not the same in space.
    pub(crate) fn append(&mut self, next: Volume, name: &str) -> std::result::Result<(), String> {
        let header = &mut self.header;
        let mut alignment = Alignment::of(&next.header, header, [name, "first frame"])?;
        if !alignment.covers() {
            let [own, other] = [&next.header, &*header].map(described);
            return Err(format!(
                "{name} ({own}) and the first frame ({other}) do not cover the same space; crop or pad \
                 them to one grid"
            ));
        }
        self.voxels.try_reserve(next.voxels.len()).map_err(|_| {
            format!("{} phases take more memory than the system has", header.dims[3] + 1)
        })?;
        let voxels = alignment.apply(&next.voxels);
        self.voxels.extend(voxels.ok_or_else(|| format!("{name} is outside the first frame"))?);
        alignment.diagnostics.notes.extend(alignment.describe(&format!("voxels of {name}")));
        header.diagnostics.merge(&next.header.diagnostics);
        header.diagnostics.merge(&alignment.diagnostics);
        header.geometry.spacing = alignment.spacing;
        header.dims[3] += next.header.dims[3];
        Ok(())
    }
}

/// Reads a volume: `.nii`, `.hdr` or `.img`, each with or without `.gz`.
///
/// # Errors
/// If the file (or the other file of its pair) is missing, is not NIfTI, is truncated, or holds
/// something other than one real number per voxel.
pub fn read(path: impl AsRef<Path>) -> Result<Volume> {
    let (header, mut image, image_path) = open_image(path.as_ref())?;
    let voxels =
        voxels::read(&header, &mut image).map_err(|what| Error::file(&image_path, what))?;
    Ok(Volume { voxels, header })
}

/// Reads a volume's header alone, with the same checks that [`read`] makes before the voxels.
///
/// # Errors
/// As [`read`].
pub fn read_header(path: impl AsRef<Path>) -> Result<Header> {
    open_image(path.as_ref()).map(|(header, ..)| header)
}

/// The header, the image's bytes positioned at the first voxel, and the file that holds them.
fn open_image(path: &Path) -> Result<(Header, ByteReader, PathBuf)> {
    let header_path = if has_ending(path, ".img") {
        let missing = || Error::file(path, "is the image of a pair, and its .hdr is missing");
        partner(path, ".hdr").ok_or_else(missing)?
    } else {
        path.to_path_buf()
    };
    let mut file = ByteReader::open(&header_path)?;
    let header = header::read(&mut file).map_err(|what| Error::file(&header_path, what))?;
    let (mut image, image_path) = if header.in_one_file {
        (file, header_path)
    } else {
        let image_path = partner(&header_path, ".img").ok_or_else(|| {
            Error::file(&header_path, "is the header of a pair, and its .img is missing")
        })?;
        (ByteReader::open(&image_path)?, image_path)
    };
    image
        .skip_to(header.data_offset)
        .and_then(|()| image.check_remaining(header.data_bytes()))
        .map_err(|what| Error::file(&image_path, what))?;
    Ok((header, image, image_path))
}
