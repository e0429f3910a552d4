//! Files are read correctly, or refused with one line.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::Diagnostics;
use crate::testing::{NiftiFile, TestFolder, ramp, real};

/// The error of reading a file, which must be one line.
fn refusal(path: impl AsRef<Path>) -> String {
    let line = read(path).map(|volume| volume.header.shape()).unwrap_err().to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn a_stack_is_read_as_it_was_written() {
    let folder = TestFolder::new();
    let voxels = ramp(2 * 3 * 4 * 2);
    for name in ["a.nii", "a.nii.gz"] {
        let path = folder.nifti(name, &NiftiFile::of_i16(&[2, 3, 4, 2], &voxels));
        let volume = read(&path).unwrap();
        assert_eq!(volume.header.dims, [2, 3, 4, 2]);
        assert_eq!(volume.header.geometry.spacing, [1.5, 1.25, 10.0]);
        assert_eq!(volume.header.geometry.affine, None);
        let expected: Vec<f32> = voxels.iter().map(|&voxel| voxel.into()).collect();
        assert_eq!(volume.voxels, expected);
        assert_eq!(volume.phase(1), &expected[24..]);
    }
}

/// Tapes and copying programs fill a file's last block with zeros, and some programs write several members.
#[test]
fn gzip_members_and_zeros_behind_them_are_read() {
    let folder = TestFolder::new();
    let file = NiftiFile::of_i16(&[2, 3, 4], &ramp(24));
    let whole = std::fs::read(folder.nifti("a.nii.gz", &file)).unwrap();
    let bytes = file.bytes();
    let (start, end) = bytes.split_at(360);
    let [start, end] = [(start, "b.gz"), (end, "c.gz")]
        .map(|(bytes, name)| std::fs::read(folder.bytes(name, bytes)).unwrap());
    let voxels = |parts: &[&[u8]]| {
        std::fs::write(folder.path("d.nii.gz"), parts.concat()).unwrap();
        read(folder.path("d.nii.gz")).map(|volume| volume.voxels)
    };
    let wanted = read(folder.path("a.nii.gz")).unwrap().voxels;
    let block = vec![0; 1 << 17];
    for parts in [
        vec![&whole[..], &[0]],
        vec![&whole, &block],
        vec![&start, &end],
        vec![&start, &block, &end, &[0; 512]],
    ] {
        assert_eq!(voxels(&parts).unwrap(), wanted);
    }
    for behind in [&b"garbage"[..], &[0, 0, 7]] {
        let line = voxels(&[&whole, behind]).unwrap_err().to_string();
        assert!(line.contains("gzip data are damaged"), "{line}");
    }
}

#[test]
fn a_slope_of_zero_or_nan_means_no_scale() {
    let folder = TestFolder::new();
    let read_with = |scale| {
        let file = NiftiFile { scale, ..NiftiFile::of_i16(&[2, 1, 1], &[10, -20]) };
        read(folder.nifti("a.nii", &file)).unwrap().voxels
    };
    assert_eq!(read_with((0.5, 3.0)), [8.0, -7.0]);
    assert_eq!(read_with((0.0, 3.0)), [10.0, -20.0]);
    assert_eq!(read_with((f32::NAN, 3.0)), [10.0, -20.0]);
}

#[test]
fn spacing_is_pixdim_or_else_that_of_the_affine() {
    let folder = TestFolder::new();
    let sform = Some([[-2.0, 0.0, 0.0, 5.0], [0.0, 0.0, 3.0, 6.0], [0.0, 2.0, 0.0, 7.0]]);
    let file = NiftiFile { sform, ..NiftiFile::of_i16(&[2, 2, 2], &ramp(8)) };
    let Header { geometry, diagnostics, .. } = read_header(folder.nifti("a.nii", &file)).unwrap();
    assert_eq!(geometry.spacing, [1.5, 1.25, 10.0]);
    assert_eq!(geometry.spacing_source, HeaderField::Pixdim);
    let affine = geometry.affine.unwrap();
    assert_eq!((affine.source, affine.origin()), (HeaderField::Sform, [5.0, 6.0, 7.0]));
    assert_eq!((affine.axis_codes().as_str(), affine.is_oblique()), ("LSA", false));
    let [warning] = diagnostics.warnings.as_slice() else { panic!("{diagnostics:?}") };
    assert!(warning.contains("the sform 2 x 2 x 3 mm; the pixdim is used"), "{warning}");
    let file = NiftiFile { spacing: [0.0; 3], ..file };
    let geometry = read_header(folder.nifti("a.nii", &file)).unwrap().geometry;
    assert_eq!(geometry.spacing, [2.0, 2.0, 3.0]);
    assert_eq!(geometry.spacing_source, HeaderField::Sform);
    let file = NiftiFile { sform: None, ..file };
    assert!(refusal(folder.nifti("a.nii", &file)).contains("no voxel spacing"));
}

/// The spacing of a header whose pixdim and sform differ, and how many notes and warnings there are.
#[test]
fn a_forgotten_pixdim_or_sform_does_not_decide_the_spacing() {
    let folder = TestFolder::new();
    let read = |spacing: [f32; 3], steps: [f32; 3]| {
        let [x, y, z] = steps;
        let sform = Some([[-x, 0.0, 0.0, 0.0], [0.0, -y, 0.0, 0.0], [0.0, 0.0, z, 0.0]]);
        let file = NiftiFile { spacing, sform, ..NiftiFile::of_i16(&[2, 2, 2], &ramp(8)) };
        let header = read_header(folder.nifti("a.nii", &file)).unwrap();
        let Diagnostics { notes, warnings } = header.diagnostics;
        (header.geometry.spacing, notes.len(), warnings.len())
    };
    let (usual, other) = ([1.5, 1.5, 10.0], [2.0, 2.0, 8.0]);
    assert_eq!(read(usual, usual), ([1.5, 1.5, 10.0], 0, 0));
    assert_eq!(read(usual, [1.0; 3]), ([1.5, 1.5, 10.0], 1, 0), "as in ACDC");
    assert_eq!(read([1.0; 3], usual), ([1.5, 1.5, 10.0], 1, 0), "pixdim was forgotten");
    assert_eq!(read(usual, other), ([2.0, 2.0, 8.0], 0, 1), "either may be right");
    assert_eq!(read([1.5, 1.5, 1.0], usual), ([1.5, 1.5, 10.0], 0, 1));
    assert_eq!(read(usual, [1.5, 1.5, 1.0]), ([1.5, 1.5, 10.0], 0, 1));
    assert_eq!(read([1.0; 3], [1.0; 3]), ([1.0; 3], 0, 0));
}

#[test]
fn a_qform_that_contradicts_the_sform_is_a_warning() {
    let folder = TestFolder::new();
    let sform =
        |down: f32| Some([[1.5, 0.0, 0.0, 5.0], [0.0, 1.25, 0.0, 6.0], [0.0, 0.0, down, 7.0]]);
    let read = |sform, qform| {
        let file = NiftiFile { sform, qform, ..NiftiFile::of_i16(&[2, 2, 2], &ramp(8)) };
        read_header(folder.nifti("a.nii", &file)).unwrap()
    };
    let straight = Some([0.0, 0.0, 0.0, 5.0, 6.0, 7.0]);
    assert_eq!(read(sform(10.0), straight).diagnostics, Diagnostics::default());
    let warned = |header: Header, part: &str| {
        let [line] = header.diagnostics.warnings.as_slice() else { panic!("{header:?}") };
        assert!(line.contains(part), "{line}");
        assert_eq!(header.geometry.affine.unwrap().source, HeaderField::Sform);
    };
    warned(read(sform(-10.0), straight), "sform says that axes run RAI, the qform RAS");
    let turned = Some([0.0, 0.0, 5f32.to_radians().sin(), 5.0, 6.0, 7.0]);
    warned(read(sform(10.0), turned), "10 degrees apart");
    let elsewhere = Some([0.0, 0.0, 0.0, 5.0, 60.0, 7.0]);
    let notes = read(sform(10.0), elsewhere).diagnostics.notes;
    assert!(notes[0].contains("(5, 6, 7)") && notes[0].contains("(5, 60, 7)"), "{notes:?}");
    // A placeholder gives way to what is none.
    let eye = Some([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);
    let header = read(eye, turned);
    assert_eq!(header.geometry.affine.unwrap().source, HeaderField::Qform);
    assert_eq!(header.geometry.spacing, [1.5, 1.25, 10.0]);
}

#[test]
fn an_impossible_header_is_refused_before_memory_is_allocated() {
    let folder = TestFolder::new();
    let fine = NiftiFile::of_i16(&[2, 3, 4], &ramp(24));
    let cases = [
        (
            NiftiFile { dims: vec![32767, 32767, 32767], ..fine.clone() },
            "larger than any cine stack",
        ),
        (NiftiFile { dims: vec![1000, 1000, 500], ..fine.clone() }, "truncated"),
        (NiftiFile { dims: vec![2, 0, 4], ..fine.clone() }, "at least 1"),
        (NiftiFile { dims: vec![2, 65535, 4], ..fine.clone() }, "-1"),
        (NiftiFile { dims: vec![2, 1, 3, 2, 2], ..fine.clone() }, "several values per voxel"),
        (NiftiFile { dims: vec![2; 9], ..fine.clone() }, "number of axes"),
        (NiftiFile { offset: f32::NAN, ..fine.clone() }, "begin at byte"),
        (NiftiFile { offset: -352.0, ..fine.clone() }, "begin at byte"),
        (NiftiFile { offset: 1e8, ..fine.clone() }, "truncated"),
        (NiftiFile { offset: 1e9, ..fine.clone() }, "begin at byte"),
        (NiftiFile { dims: vec![1024, 1024, 32, 32], ..fine.clone() }, "536870912"),
        (NiftiFile { datatype: 32, ..fine.clone() }, "complex"),
        (NiftiFile { datatype: 128, ..fine.clone() }, "RGB"),
        (NiftiFile { datatype: 7, ..fine.clone() }, "unknown"),
        (NiftiFile { scale: (2.0, f32::INFINITY), ..fine.clone() }, "offset"),
    ];
    for (file, expected) in cases {
        for name in ["a.nii", "a.nii.gz"] {
            let line = refusal(folder.nifti(name, &file));
            assert!(line.contains(expected), "{line:?} lacks {expected:?}");
        }
    }
}

#[test]
fn a_truncated_or_damaged_file_is_refused() {
    let folder = TestFolder::new();
    let whole = NiftiFile::of_i16(&[5, 5, 5], &ramp(125));
    for name in ["a.nii", "a.nii.gz"] {
        let bytes = std::fs::read(folder.nifti(name, &whole)).unwrap();
        // The last 8 bytes of a gzip file are its checksum and size; without them, all voxels can be read.
        for length in (0..bytes.len()).step_by(7) {
            let cut = folder.path("cut.nii");
            std::fs::write(&cut, &bytes[..length]).unwrap();
            if name == "a.nii" || length < bytes.len() - 12 {
                refusal(&cut);
            }
        }
    }
    let mut bytes = std::fs::read(folder.path("a.nii.gz")).unwrap();
    let middle = bytes.len() - 6;
    bytes[middle] ^= 0x55;
    std::fs::write(folder.path("bad.nii.gz"), bytes).unwrap();
    assert!(refusal(folder.path("bad.nii.gz")).contains("damaged"));
}

proptest! {
    /// No header makes the reader panic or take more memory than the file could fill.
    #[test]
    fn no_header_makes_the_reader_panic(
        changes in prop::collection::vec((4usize..344, any::<u8>()), 1..12),
    ) {
        let folder = TestFolder::new();
        let mut bytes = NiftiFile::of_i16(&[4, 4, 4], &ramp(64)).bytes();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        let path = folder.bytes("a.nii", &bytes);
        let _ = read(&path);
        let _ = read_labels(&path, 3);
    }
}

#[test]
fn labels_are_read_as_written_with_the_geometry_of_their_source() {
    let folder = TestFolder::new();
    let sform =
        Some([[-0.9, -0.4, 5.8, 134.5], [0.0, -1.0, -5.1, 196.4], [0.8, -0.4, 6.3, -125.6]]);
    let file =
        NiftiFile { sform, scale: (2.5, 7.0), ..NiftiFile::of_i16(&[4, 3, 2, 2], &ramp(48)) };
    let source = read(folder.nifti("a.nii.gz", &file)).unwrap();
    let path = folder.path("labels.nii.gz");
    for phases in [1, 2] {
        let labels: Vec<u8> = (0..24 * phases).map(|n| (n % 4) as u8).collect();
        write_labels(&path, &source.header, &labels).unwrap();
        let back = read_labels(&path, 3).unwrap();
        assert_eq!(back.labels, labels);
        assert_eq!(back.header.dims, [4, 3, 2, phases]);
        assert_eq!(back.header.geometry, source.header.geometry);
        assert_eq!((back.header.stored_as().as_str(), back.header.scale), ("uint8", None));
        assert_eq!(back.header.raw.xyzt_units, source.header.raw.xyzt_units);
    }
    assert!(write_labels(&path, &source.header, &[0; 23]).is_err());
    assert!(write_labels(folder.path("none/a.nii.gz"), &source.header, &[0; 24]).is_err());
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 2, "no leftovers");
}

#[test]
fn an_error_names_the_voxel_that_is_not_a_label() {
    let folder = TestFolder::new();
    let file = NiftiFile::of_u8(&[2, 2, 2], &[0, 1, 2, 3, 0, 0, 4, 0]);
    let path = folder.nifti("a.nii", &file);
    let line = read_labels(path, 3).unwrap_err().to_string();
    assert!(line.contains("(0, 1, 1) holds 4"), "{line}");
    let file = NiftiFile { scale: (0.5, 0.0), ..NiftiFile::of_u8(&[2, 1, 1], &[2, 1]) };
    let line = read_labels(folder.nifti("b.nii", &file), 3).unwrap_err().to_string();
    assert!(line.contains("holds 0.5"), "{line}");
}

#[test]
fn labels_on_a_grid_shifted_by_whole_voxels_are_moved() {
    let folder = TestFolder::new();
    let at = |z: f32| Some([[1.5, 0.0, 0.0, 1.0], [0.0, 1.25, 0.0, 2.0], [0.0, 0.0, 10.0, z]]);
    let image = NiftiFile { sform: at(0.0), ..NiftiFile::of_i16(&[2, 2, 2], &ramp(8)) };
    let image = read_header(folder.nifti("image.nii", &image)).unwrap();
    let labels = |z: f32, voxels: &[u8]| {
        let file = NiftiFile { sform: at(z), ..NiftiFile::of_u8(&[2, 2, 4], voxels) };
        read_labels(folder.nifti("l.nii", &file), 3)
            .unwrap()
            .on_grid_of(&image, ["labels", "image"])
    };
    let inside = [0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    let (moved, alignment) = labels(-10.0, &inside).unwrap();
    assert_eq!((moved.labels.as_slice(), alignment.is_identity()), (&inside[4..12], false));
    assert!(labels(10.0, &inside).unwrap_err().contains("outside"));
    assert!(labels(-5.0, &inside).unwrap_err().contains("do not lie on one grid"));
}

type Expected = std::result::Result<([usize; 4], f64), &'static str>;

/// The result of reading every awkward file: the shape and the sum of the voxels, or a part of the
/// error. Sums are those of nibabel 5 in float64.
const AWKWARD: &[(&str, Expected)] = &[
    ("nibabel/analyze.hdr", Err("Analyze")),
    ("nibabel/anatomical.nii", Ok(([33, 41, 25, 1], 284_166_082.0))),
    ("nibabel/example4d.nii.gz", Ok(([128, 96, 24, 2], 101_985_356.0))),
    ("nibabel/example_nifti2.nii.gz", Ok(([32, 20, 12, 2], 6_926_802.0))),
    ("nibabel/functional.nii", Ok(([17, 21, 3, 20], 77_913_290.362_923_62))),
    ("nibabel/invalid.nii", Err("NIfTI")),
    ("nibabel/invalid.nii.gz", Err("NIfTI")),
    ("nibabel/nifti1.hdr", Err(".img")),
    ("nibabel/nifti2.hdr", Err(".img")),
    ("nibabel/reoriented_anat_moved.nii", Ok(([21, 26, 22, 1], 32_739_769.449_157_715))),
    ("nibabel/resampled_anat_moved.nii", Ok(([17, 21, 3, 1], f64::NAN))),
    ("nibabel/someones_anatomy.nii.gz", Err("gzip")),
    ("nibabel/standard.nii.gz", Ok(([4, 5, 7, 1], 7650.0))),
    ("nifti-jl/empty.nii.gz", Err("empty")),
    ("nifti-reader-js/5D_small.nii", Err("per voxel")),
    ("nifti-reader-js/5D_zeros.nii.gz", Err("per voxel")),
    ("nifti-reader-js/big.nii.gz", Ok(([64, 64, 21, 1], 11_648.372_022_011_292))),
    ("nifti-reader-js/little.nii.gz", Ok(([64, 64, 21, 1], 11_648.372_022_011_292))),
    ("nifti-reader-js/not-nifti.nii", Err("NIfTI")),
    ("nifti-reader-js/with_extension.nii.gz", Ok(([161, 191, 151, 1], 1_472_871.0))),
    ("nifti-rs/3D.nii", Err("RGB")),
    ("nifti-rs/4D.nii", Err("RGB")),
    ("nifti-rs/avg152T1_LR_nifti.hdr.gz", Err(".img")),
    ("nifti-rs/complex32.nii", Err("complex")),
    ("nifti-rs/complex64.nii", Err("complex")),
    ("nifti-rs/crash-1.nii", Err("NIfTI")),
    ("nifti-rs/crash-ed7d46344d7efb3b9f0c374d66d2e02f66cc447d.nii", Err("NIfTI")),
    ("nifti-rs/f32.nii.gz", Ok(([11, 11, 11, 1], 166.000_000_715_255_74))),
    ("nifti-rs/float32.nii", Ok(([3, 3, 3, 1], 351.0))),
    ("nifti-rs/float64.nii", Ok(([3, 3, 3, 1], 351.0))),
    ("nifti-rs/int16.nii", Ok(([3, 3, 3, 1], 351.0))),
    ("nifti-rs/int32.nii", Ok(([3, 3, 3, 1], 351.0))),
    ("nifti-rs/int64.nii", Ok(([3, 3, 3, 1], 351.0))),
    ("nifti-rs/int8.nii", Ok(([3, 3, 3, 1], 351.0))),
    ("nifti-rs/minimal.hdr", Ok(([64, 64, 10, 1], 1_290_240.0))),
    ("nifti-rs/minimal.hdr.gz", Ok(([64, 64, 10, 1], 1_290_240.0))),
    ("nifti-rs/minimal.img", Ok(([64, 64, 10, 1], 1_290_240.0))),
    ("nifti-rs/minimal.img.gz", Ok(([64, 64, 10, 1], 1_290_240.0))),
    ("nifti-rs/minimal.nii", Ok(([64, 64, 10, 1], 1_290_240.0))),
    ("nifti-rs/minimal.nii.gz", Ok(([64, 64, 10, 1], 1_290_240.0))),
    ("nifti-rs/minimal2.hdr", Err("NIfTI")),
    ("nifti-rs/minimal2.img.gz", Err("NIfTI")),
    ("nifti-rs/minimal_extended_hdr.nii", Ok(([8, 8, 1, 1], 0.0))),
    ("nifti-rs/uint16.nii", Ok(([3, 3, 3, 1], 351.0))),
    ("nifti-rs/uint32.nii", Ok(([3, 3, 3, 1], 351.0))),
    ("nifti-rs/uint64.nii", Ok(([3, 3, 3, 1], 351.0))),
    ("nifti-rs/uint8.nii", Ok(([3, 3, 3, 1], 351.0))),
    ("nifti-rs/zstat1.nii.gz", Ok(([64, 64, 21, 1], 11_648.372_022_011_292))),
];

#[test]
fn awkward_files_are_read_correctly_or_refused() {
    let Some(folder) = real("awkward") else { return };
    for (name, expected) in AWKWARD {
        match (read(folder.join(name)), expected) {
            (Ok(volume), Ok((dims, sum))) => {
                assert_eq!(volume.header.dims, *dims, "{name}");
                let found: f64 = volume.voxels.iter().map(|&voxel| f64::from(voxel)).sum();
                let close = (found - sum).abs() <= 1e-6 * sum.abs();
                assert!(close || sum.is_nan() && found.is_nan(), "{name}: {found}, not {sum}");
            }
            (Err(error), Err(part)) => {
                let line = error.to_string();
                assert!(line.contains(part) && !line.contains('\n'), "{name}: {line}");
                assert!(line.contains(&stem(Path::new(name))), "{name}: {line}");
            }
            (Ok(volume), Err(_)) => panic!("{name} was read as {}", volume.header.shape()),
            (Err(error), Ok(_)) => panic!("{name} was refused: {error}"),
        }
    }
    let mut listed = 0;
    for source in std::fs::read_dir(&folder).unwrap() {
        let files = std::fs::read_dir(source.unwrap().path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
        listed += names.filter(|name| !name.contains("LICENSE") && name != "COPYING").count();
    }
    assert_eq!(listed, AWKWARD.len(), "every awkward file is in the table");
}

#[test]
fn phases_on_another_axis_and_labels_on_another_grid_are_read() {
    let (Some(odd), Some(fd)) = (real("odd"), real("autofd")) else { return };
    let labels = read_labels(odd.join("acdc_patient021_labels_6d.nii.gz"), 3).unwrap();
    assert_eq!(labels.header.dims, [240, 256, 10, 30]);
    assert_eq!(labels.labels.iter().map(|&label| u64::from(label)).sum::<u64>(), 971_987);
    let image = read_header(fd.join("A/sa_ED.nii.gz")).unwrap();
    let source = image.geometry.affine.map(|affine| affine.source);
    assert_eq!((image.dims, source), ([123, 123, 12, 1], Some(HeaderField::Qform)));
    let line = read_labels(fd.join("A/seg_sa_ED.nii.gz"), 3).unwrap_err().to_string();
    assert!(line.contains("4"), "{line}");
    let labels = read_labels(fd.join("A/seg_sa_ED.nii.gz"), 4).unwrap();
    let (moved, alignment) = labels.on_grid_of(&image, ["labels", "image"]).unwrap();
    assert_eq!((moved.header.dims, alignment.is_identity()), ([123, 123, 12, 1], false));
    assert_eq!(moved.labels.iter().map(|&label| u64::from(label)).sum::<u64>(), 94_724);
}
