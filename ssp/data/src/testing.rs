//! Small NIfTI files for tests, built byte by byte so that they can also be wrong.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};

/// A NIfTI-1 header and its voxels, to be changed at will before it is written.
#[derive(Clone)]
pub struct Draft {
    /// Extents, fastest axis first.
    pub dims: Vec<usize>,
    /// Millimetres between voxels along the first three axes.
    pub spacing: [f32; 3],
    /// NIfTI's code of the voxels' type.
    pub datatype: i16,
    /// Bits of a voxel.
    pub bitpix: i16,
    /// `scl_slope` and `scl_inter`.
    pub scale: (f32, f32),
    /// Rows of the sform; none leaves its code 0.
    pub sform: Option<[[f32; 4]; 3]>,
    /// Where voxels begin in the file.
    pub offset: f32,
    /// Their bytes.
    pub voxels: Vec<u8>,
}

impl Draft {
    /// A file of 16-bit integers, 1.5 x 1.25 x 10 mm.
    pub fn of_i16(dims: &[usize], voxels: &[i16]) -> Draft {
        let bytes = voxels.iter().flat_map(|voxel| voxel.to_le_bytes()).collect();
        Draft::new(dims, 4, 16, bytes)
    }

    /// A file of bytes, 1.5 x 1.25 x 10 mm.
    pub fn of_u8(dims: &[usize], voxels: &[u8]) -> Draft {
        Draft::new(dims, 2, 8, voxels.to_vec())
    }

    fn new(dims: &[usize], datatype: i16, bitpix: i16, voxels: Vec<u8>) -> Draft {
        let (spacing, scale) = ([1.5, 1.25, 10.0], (0.0, 0.0));
        let dims = dims.to_vec();
        Draft { dims, spacing, datatype, bitpix, scale, sform: None, offset: 352.0, voxels }
    }

    /// The file, not compressed.
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
        put(344, b"n+1\0");
        header.extend(&self.voxels);
        header
    }

    /// Writes the file, gzipped if its name says so, and the folders above it.
    pub fn write(&self, path: impl AsRef<Path>) -> PathBuf {
        write(path, &self.bytes())
    }
}

/// Writes a file, gzipped if its name says so, and the folders above it.
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
    let path = path.as_ref();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut packer = GzEncoder::new(file, Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap();
    } else {
        (&file).write_all(bytes).unwrap();
    }
    path.to_path_buf()
}

/// The folder `part` of the real images that `CINE_REAL` names. Without that variable, says that the
/// test is left out.
///
/// # Panics
/// Where there is no such folder although `CINE_REAL` is set, or without it where `CI` is set.
pub fn real(part: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("CINE_REAL") else {
        let what = format!("CINE_REAL names no folder of real images, to read {part} from");
        assert!(std::env::var_os("CI").is_none(), "left out where CI is set: {what}");
        eprintln!("left out: {what}");
        return None;
    };
    let folder = PathBuf::from(folder).join(part);
    assert!(folder.is_dir(), "no {} in the folder that CINE_REAL names", folder.display());
    Some(folder)
}

/// Intensities of a small stack of `phases`: every voxel its own number, none of them 0.
pub fn ramp(count: usize) -> Vec<i16> {
    (0..count).map(|n| 1 + (n * 7 % 1000) as i16).collect()
}

/// A label map with `count` voxels of label `label` in each of the given phases, 0 elsewhere.
pub fn blobs(phase_size: usize, phases: usize, of: &[(usize, u8, usize)]) -> Vec<u8> {
    let mut labels = vec![0; phase_size * phases];
    for &(phase, label, count) in of {
        let start = phase * phase_size + usize::from(label - 1) * phase_size / 3;
        labels[start..start + count].fill(label);
    }
    labels
}
