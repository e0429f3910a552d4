//! Small NIfTI files for tests, built byte by byte so that they can also be invalid.

use std::io::Write;
use std::path::PathBuf;

use flate2::{Compression, write::GzEncoder};

/// A NIfTI-1 header and its voxels. Fields may be changed before the file is written.
#[derive(Clone)]
pub struct NiftiFile {
    /// Lengths of the axes, the fastest first.
    pub dims: Vec<usize>,
    /// `pixdim` of the first three axes, in millimetres.
    pub spacing: [f32; 3],
    /// NIfTI's code of a voxel's type.
    pub datatype: i16,
    /// Bits of a voxel.
    pub bitpix: i16,
    /// `scl_slope` and `scl_inter`.
    pub scale: (f32, f32),
    /// Rows of the sform; if there are none, its code is 0.
    pub sform: Option<[[f32; 4]; 3]>,
    /// The qform: quaternion b, c, d and the origin; if there is none, its code is 0.
    pub qform: Option<[f32; 6]>,
    /// The byte at which the voxels start.
    pub offset: f32,
    /// The bytes of the voxels.
    pub voxels: Vec<u8>,
}

impl NiftiFile {
    /// A file of 16-bit integers, with 1.5 x 1.25 x 10 mm between voxels.
    pub fn of_i16(dims: &[usize], voxels: &[i16]) -> NiftiFile {
        let bytes = voxels.iter().flat_map(|voxel| voxel.to_le_bytes()).collect();
        NiftiFile::new(dims, 4, 16, bytes)
    }

    /// A file of bytes, with 1.5 x 1.25 x 10 mm between voxels.
    pub fn of_u8(dims: &[usize], voxels: &[u8]) -> NiftiFile {
        NiftiFile::new(dims, 2, 8, voxels.to_vec())
    }

    fn new(dims: &[usize], datatype: i16, bitpix: i16, voxels: Vec<u8>) -> NiftiFile {
        let (spacing, scale) = ([1.5, 1.25, 10.0], (0.0, 0.0));
        let dims = dims.to_vec();
        let (sform, qform) = (None, None);
        NiftiFile { dims, spacing, datatype, bitpix, scale, sform, qform, offset: 352.0, voxels }
    }

    /// The uncompressed file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut header = vec![0u8; 352];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &348i32.to_le_bytes());
        put(40, &(self.dims.len() as i16).to_le_bytes());
        for axis in 0..7 {
            let length = self.dims.get(axis).copied().unwrap_or(1) as i16;
            put(42 + 2 * axis, &length.to_le_bytes());
            let step = self.spacing.get(axis).copied().unwrap_or(1.0);
            put(80 + 4 * axis, &step.to_le_bytes());
        }
        put(70, &self.datatype.to_le_bytes());
        put(72, &self.bitpix.to_le_bytes());
        put(76, &1f32.to_le_bytes());
        put(108, &self.offset.to_le_bytes());
        put(112, &self.scale.0.to_le_bytes());
        put(116, &self.scale.1.to_le_bytes());
        put(123, &[2]);
        if let Some(rows) = self.sform {
            put(254, &1i16.to_le_bytes());
            for (n, value) in rows.iter().flatten().enumerate() {
                put(280 + 4 * n, &value.to_le_bytes());
            }
        }
        if let Some(values) = self.qform {
            put(252, &1i16.to_le_bytes());
            for (n, value) in values.iter().enumerate() {
                put(256 + 4 * n, &value.to_le_bytes());
            }
        }
        put(344, b"n+1\0");
        header.extend(&self.voxels);
        header
    }
}

/// A temporary folder with files.
pub struct TestFolder(tempfile::TempDir);

impl Default for TestFolder {
    fn default() -> TestFolder {
        TestFolder(tempfile::tempdir().unwrap())
    }
}

impl TestFolder {
    /// An empty folder.
    pub fn new() -> TestFolder {
        TestFolder::default()
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a NIfTI file; see [`bytes`](Self::bytes).
    pub fn nifti(&self, name: &str, file: &NiftiFile) -> PathBuf {
        self.bytes(name, &file.bytes())
    }

    /// Writes a file, gzipped if its name ends in `.gz`, and the folders above it.
    pub fn bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::File::create(&path).unwrap();
        if name.ends_with(".gz") {
            let mut encoder = GzEncoder::new(file, Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap();
        } else {
            file.write_all(bytes).unwrap();
        }
        path
    }
}

/// A part of the folder of real images that `CINE_REAL` names. Without that variable, the test is
/// skipped, except in continuous integration, where it fails.
pub fn real(part: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CINE_REAL");
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "set CINE_REAL to the folder of real images");
        eprintln!("skipped: CINE_REAL names no folder of real images ({part})");
    }
    folder.map(|folder| PathBuf::from(folder).join(part))
}

/// `count` intensities that differ from one voxel to the next, none of them 0.
pub fn ramp(count: usize) -> Vec<i16> {
    (0..count).map(|n| 1 + (n * 7 % 1000) as i16).collect()
}

/// Voxels along the axes of the small stacks below.
pub const DIMS: [usize; 3] = [6, 5, 3];

/// Voxels in one phase of the small stacks below.
pub const SIZE: usize = 90;

/// A stack in which every voxel differs from its neighbours, in space and time.
pub fn cine(phases: usize) -> NiftiFile {
    NiftiFile::of_i16(&[DIMS[0], DIMS[1], DIMS[2], phases], &ramp(SIZE * phases))
}

/// One phase of [`cine`] as a file of its own.
pub fn frame(phase: usize) -> NiftiFile {
    NiftiFile::of_i16(&DIMS, &ramp(SIZE * (phase + 1))[phase * SIZE..])
}

/// A label map with `count` voxels of label `label` for each `(phase, label, count)`.
pub fn labels(phases: usize, of: &[(usize, u8, usize)]) -> NiftiFile {
    let mut labels = vec![0; SIZE * phases];
    for &(phase, label, count) in of {
        let start = phase * SIZE + usize::from(label - 1) * SIZE / 3;
        labels[start..start + count].fill(label);
    }
    NiftiFile::of_u8(&[DIMS[0], DIMS[1], DIMS[2], phases], &labels)
}
