//! NIfTI files, as scanners, challenges and viewers write them.
//!
//! Supported: NIfTI-1 and NIfTI-2, in one file (`.nii`) or as a pair (`.hdr`, `.img`), in either
//! byte order, gzipped or not (detected from the content, not the name), every real integer and
//! floating type, extensions (skipped) and scale slopes (0 or NaN: none). All else is refused with
//! one line: Analyze, colour, complex numbers, more than one axis beyond the third, truncated files.
//!
//! The `nifti` crate parses the headers. Its voxel reader is not used, because it allocates what a
//! header promises before any voxel has been read.
//!
//! Format: <https://nifti.nimh.nih.gov/nifti-1>, <https://nifti.nimh.nih.gov/nifti-2>.

mod alignment;
mod byte_reader;
mod geometry;
mod header;
mod labels;
mod parse;
mod paths;
#[cfg(test)]
mod tests;
mod volume;
mod voxels;

pub use alignment::Alignment;
pub(crate) use geometry::is_usual_for_cine;
pub use geometry::{Affine, Geometry, HeaderField};
pub use header::Header;
pub use labels::{LabelVolume, read_labels, write_labels};
pub use parse::Format;
pub(crate) use paths::same_name;
pub use paths::{distinct_volumes_in, files_of, is_volume_name, stem, volumes_in};
pub use volume::{Volume, read, read_header};
pub(crate) use voxels::reserved;
