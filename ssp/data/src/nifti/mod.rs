//! NIfTI files: what a scanner's export, a challenge or a viewer leaves behind.
//!
//! Read are NIfTI-1 and NIfTI-2, in one file (`.nii`) or as a pair (`.hdr`, `.img`), either byte
//! order, gzipped or not (told by content, not by name), every real integer and floating type, with
//! extensions (skipped) and scale slopes (0 or not a number: none). Everything else is refused in
//! one line: Analyze, colour, complex, more than one axis beyond the third, files that end too soon.
//! Headers are parsed by the `nifti` crate; its reader of voxels is not used, because it would trust
//! a header's sizes before there is a byte to show for them.
//!
//! Format: <https://nifti.nimh.nih.gov/nifti-1>, <https://nifti.nimh.nih.gov/nifti-2>.

mod geometry;
mod header;
mod labels;
mod stream;
mod voxels;

use std::path::{Path, PathBuf};

pub use geometry::{Affine, AffineFrom, SpacingFrom};
pub use header::{Format, Header};
pub use labels::{LabelVolume, read_labels, write_labels};

use crate::{Error, Result};

/// A volume as stored: a header and every voxel, scale slope applied.
#[derive(Clone, Debug)]
pub struct Volume {
    /// `i * j * k * phases` intensities, the first axis fastest (the file's order).
    pub voxels: Vec<f32>,
    /// Shape, spacing, orientation, and what a label map on this grid is written with.
    pub header: Header,
}

impl Volume {
    /// Voxels of one phase: `i * j * k` intensities, the first axis fastest.
    pub fn phase(&self, phase: usize) -> &[f32] {
        let size = self.header.voxels_per_phase();
        &self.voxels[phase * size..(phase + 1) * size]
    }

    /// Joins volumes of one grid, in order, into one of as many phases as all have together. The
    /// header is the first one's.
    ///
    /// # Errors
    /// If there is none, or if shapes differ; the line names the shapes.
    pub fn join(volumes: Vec<Volume>) -> std::result::Result<Volume, String> {
        let mut volumes = volumes.into_iter();
        let mut first = volumes.next().ok_or("no frame to stack")?;
        for next in volumes {
            if next.header.dims[..3] != first.header.dims[..3] {
                return Err(format!(
                    "frames differ in shape: {} and {}",
                    first.header.shape(),
                    next.header.shape()
                ));
            }
            first.header.dims[3] += next.header.dims[3];
            first.voxels.extend(next.voxels);
        }
        Ok(first)
    }
}

/// Reads a volume: `.nii`, `.hdr` or `.img`, each with or without `.gz`.
///
/// # Errors
/// If the file (or the other half of a pair) is missing, is not NIfTI, ends too soon, or holds what
/// no cine stack is made of; one line says which.
pub fn read(path: impl AsRef<Path>) -> Result<Volume> {
    let path = path.as_ref();
    let (header, mut image, image_path) = open_image(path)?;
    let voxels =
        voxels::read(&header, &mut image).map_err(|what| Error::file(&image_path, what))?;
    Ok(Volume { voxels, header })
}

/// Reads a volume's header alone, after the same checks that [`read`] makes before the voxels.
///
/// # Errors
/// As [`read`].
pub fn read_header(path: impl AsRef<Path>) -> Result<Header> {
    open_image(path.as_ref()).map(|(header, ..)| header)
}

/// Whether a file's name is one that [`read`] takes for the start of a volume: `.nii` or `.hdr`,
/// with or without `.gz`.
pub fn is_volume_name(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.ends_with(".nii") || name.ends_with(".hdr")
}

/// The files of a volume: itself and, where it is one half of a pair, the other.
pub fn files_of(path: PathBuf) -> Vec<PathBuf> {
    let other = [".hdr", ".img"].into_iter().find(|ending| has_ending(&path, ending));
    let other = other.and_then(|own| partner(&path, if own == ".hdr" { ".img" } else { ".hdr" }));
    std::iter::once(path).chain(other).collect()
}

/// A file's name without folder, `.gz`, and `.nii`, `.hdr` or `.img`.
pub fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    split_name(&name).0.to_string()
}

/// A name's stem and the ending that [`stem`] takes off, its case kept.
fn split_name(name: &str) -> (&str, &str) {
    let lower = name.to_ascii_lowercase();
    for ending in [".nii.gz", ".hdr.gz", ".img.gz", ".nii", ".hdr", ".img"] {
        if lower.ends_with(ending) {
            return name.split_at(name.len() - ending.len());
        }
    }
    (name, "")
}

/// Header, and the image's bytes positioned at the first voxel, and the file these come from.
fn open_image(path: &Path) -> Result<(Header, stream::Stream, PathBuf)> {
    let header_path = partner(path, ".hdr").filter(|_| has_ending(path, ".img"));
    let header_path = match header_path {
        Some(found) => found,
        None if has_ending(path, ".img") => {
            return Err(Error::file(path, "is the image of a pair, and its .hdr is missing"));
        }
        None => path.to_path_buf(),
    };
    let mut file = stream::Stream::open(&header_path)?;
    let header = header::parse(&mut file).map_err(|what| Error::file(&header_path, what))?;
    let (mut image, image_path) = if header.in_one_file() {
        (file, header_path)
    } else {
        let image_path = partner(&header_path, ".img").ok_or_else(|| {
            Error::file(&header_path, "is the header of a pair, and its .img is missing")
        })?;
        (stream::Stream::open(&image_path)?, image_path)
    };
    image.skip_to(header.data_offset()).map_err(|what| Error::file(&image_path, what))?;
    image.expect(header.data_bytes()).map_err(|what| Error::file(&image_path, what))?;
    Ok((header, image, image_path))
}

fn has_ending(path: &Path, ending: &str) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    name.strip_suffix(".gz").unwrap_or(&name).ends_with(ending)
}

/// The other half of a pair beside `path`, compressed as `path` is or the other way.
fn partner(path: &Path, ending: &str) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let (stem, own) = split_name(&name);
    let ending = if own.contains(|c: char| c.is_ascii_uppercase()) {
        ending.to_uppercase()
    } else {
        ending.to_string()
    };
    let zipped = own.to_ascii_lowercase().ends_with(".gz");
    let names = [format!("{stem}{ending}"), format!("{stem}{ending}.gz")];
    let mut candidates: Vec<PathBuf> = names.iter().map(|name| path.with_file_name(name)).collect();
    if zipped {
        candidates.reverse();
    }
    candidates.into_iter().find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests;
