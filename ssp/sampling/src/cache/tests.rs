use std::sync::Mutex;

use tempfile::TempDir;

use super::*;
use data::{LabelledFrame, Stack};

/// Subject `i` of a small cohort: odd ones have fractional intensities, every third no labels.
fn subject(i: usize) -> Subject {
    let (phases, slices, rows, columns) = (3, 2 + i % 2, 4, 5 + i);
    let volume = slices * rows * columns;
    let step = if i.is_multiple_of(2) { 1.0 } else { 0.25 };
    let voxels = (0..phases * volume).map(|v| (v * 37 % 101) as f32 * step - 20.0).collect();
    let mut labels = vec![0; volume];
    labels[columns + 1] = 1;
    labels[rows * columns + columns + 3] = 3;
    let frame =
        |phase, cardiac_phase| LabelledFrame { phase, cardiac_phase, labels: labels.clone() };
    let frames = match i % 3 {
        2 => vec![],
        // Out of order on purpose.
        _ => vec![frame(2, CardiacPhase::EndSystole), frame(0, CardiacPhase::EndDiastole)],
    };
    Subject {
        id: format!("S{i}"),
        stack: Stack { voxels, phases, slices, rows, columns, spacing: [1.5, 1.25, 10.0] },
        frames,
        vendor: (i == 1).then(|| "Philips".into()),
        pathology: None,
    }
}

fn ids(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("S{i}")).collect()
}

/// Opens or builds a cohort of four, and says how many subjects had to be read.
fn cohort(folder: &TempDir, settings: &str) -> (Cache, Vec<Failure>, usize) {
    let reads = AtomicUsize::new(0);
    let read = |i| {
        reads.fetch_add(1, Ordering::Relaxed);
        Ok(subject(i))
    };
    let key = Key::of_settings("test set", 1, settings);
    let (cache, failures) =
        Cache::open_or_build(folder.path(), &key, &ids(4), read, |_, _| {}).unwrap();
    (cache, failures, reads.into_inner())
}

#[test]
fn everything_of_a_subject_is_kept() {
    let folder = TempDir::new().unwrap();
    let (cache, failures, _) = cohort(&folder, "a");
    assert!(failures.is_empty() && cache.len() == 4);
    for (i, found) in cache.subjects().enumerate() {
        let wanted = subject(i);
        assert_eq!((found.id(), found.vendor()), (&*wanted.id, wanted.vendor.as_deref()));
        assert_eq!((found.phases(), found.slices()), (wanted.stack.phases, wanted.stack.slices));
        assert_eq!(found.grid(), Grid { size: [4, 5 + i], spacing: [1.5, 1.25] });
        assert_eq!(found.statistics().lowest, -20.0);
        for phase in 0..3 {
            for slice in 0..found.slices() {
                let pixels: Vec<f32> = match found.slice(phase, slice).pixels {
                    Pixels::Whole(p) => p.iter().map(|&p| f32::from(p)).collect(),
                    Pixels::Real(p) => p.to_vec(),
                };
                let source = wanted.stack.slice(phase, slice);
                assert!(pixels.iter().zip(source).all(|(&p, &s)| p == s + 20.0));
                assert_eq!(
                    found.slice(phase, slice).position,
                    slice as f64 / found.slices() as f64
                );
            }
            let frame = wanted.frames.iter().find(|frame| frame.phase == phase);
            assert_eq!(found.labels(phase), frame.map(|frame| &*frame.labels));
        }
        if i % 3 == 2 {
            assert_eq!((found.centre(), found.frames().len()), (None, 0));
        } else {
            assert_eq!(found.centre(), Some([1.0, 2.0]));
            let frames: Vec<_> = found.frames().collect();
            assert_eq!(frames, [(0, CardiacPhase::EndDiastole), (2, CardiacPhase::EndSystole)]);
        }
        assert_eq!(matches!(found.slice(0, 0).pixels, Pixels::Whole(_)), i % 2 == 0);
    }
}

#[test]
fn statistics_are_of_the_whole_stack() {
    let folder = TempDir::new().unwrap();
    let (cache, ..) = cohort(&folder, "a");
    let voxels: Vec<f64> = subject(1).stack.voxels.iter().map(|&v| f64::from(v) + 20.0).collect();
    let n = voxels.len() as f64;
    let mean = voxels.iter().sum::<f64>() / n;
    let variance = voxels.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let found = cache.subject(1).statistics();
    assert!((found.mean - mean).abs() < 1e-9 && (found.deviation - variance.sqrt()).abs() < 1e-9);
    assert_eq!(found.highest, voxels.iter().copied().fold(0.0, f64::max));
}

#[test]
fn a_cache_is_built_once_per_key() {
    let folder = TempDir::new().unwrap();
    assert_eq!(cohort(&folder, "a").2, 4);
    assert_eq!(cohort(&folder, "a").2, 0);
    assert_eq!(cohort(&folder, "b").2, 4);
    assert_eq!(cohort(&folder, "a").2, 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file stays");
}

#[test]
fn a_key_follows_its_files() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("image");
    std::fs::write(&path, "one").unwrap();
    let key = || Key::of_files("reader", 1, &[&path]).unwrap();
    let first = key();
    assert_eq!(first, key());
    assert_ne!(first, Key::of_files("reader", 2, &[&path]).unwrap());
    std::fs::write(&path, "longer").unwrap();
    assert_ne!(first, key());
    let error = Key::of_files("reader", 1, &[folder.path().join("none")]).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}

#[test]
fn a_damaged_file_is_built_again() {
    let folder = TempDir::new().unwrap();
    let path = cohort(&folder, "a").0.path().to_path_buf();
    let whole = std::fs::read(&path).unwrap();
    let end = whole.len();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let damages = [
        vec![],
        b"something else altogether, but long enough that it could be a header......".to_vec(),
        whole[..30].to_vec(),
        whole[..end - 1].to_vec(),
        [&whole[..], b"x"].concat(),
        flipped(0),
        flipped(9),
        flipped(13),
        flipped(17),
        flipped(26),
        flipped(45),
        flipped(end - 10),
    ];
    for (i, damage) in damages.into_iter().enumerate() {
        std::fs::write(&path, damage).unwrap();
        let (cache, _, reads) = cohort(&folder, "a");
        assert_eq!((cache.len(), reads), (4, 4), "damage {i}");
        assert!(std::fs::read(&path).unwrap() == whole, "equal sources, equal bytes");
    }
    assert_eq!(cohort(&folder, "a").2, 0);
}

#[test]
fn failures_are_reported_and_remembered_unless_they_may_pass() {
    let folder = TempDir::new().unwrap();
    let read = |passing: bool, i: usize| match i {
        1 if passing => Err(Error::io("disk", std::io::Error::other("busy"))),
        1 => Err(Error::file("S1.nii", "is not a NIfTI file")),
        2 => Ok(Subject { frames: vec![], ..subject(2) }),
        3 => {
            let mut subject = subject(3);
            subject.frames[0].labels[0] = 9;
            Ok(subject)
        }
        i => Ok(subject(i)),
    };
    let progress = Mutex::new(vec![]);
    let open = |passing| {
        let key = Key::of_settings("test", 1, "");
        let log = |done, total| progress.lock().unwrap().push((done, total));
        let read = |i| read(passing, i);
        Cache::open_or_build(folder.path(), &key, &ids(4), read, log).unwrap()
    };
    let failed = |(_, failures): &(Cache, Vec<Failure>)| -> Vec<String> {
        failures.iter().map(|f| format!("{}: {}", f.id, f.reason)).collect()
    };
    let labels = "S3: a label 9 in phase 2; takes 0 to 3";
    assert_eq!(failed(&open(true)), ["S1: disk: busy", labels]);
    let wanted = ["S1: S1.nii: is not a NIfTI file", labels];
    assert_eq!(failed(&open(false)), wanted, "an error that may pass is tried again");
    assert_eq!(progress.lock().unwrap().len(), 8);
    assert_eq!(failed(&open(true)), wanted, "one that stays is remembered");
    assert_eq!(progress.lock().unwrap().len(), 8);
    let (cache, _) = open(false);
    assert_eq!((cache.find("S2"), cache.find("S1")), (Some(1), None));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refuse = |change: &dyn Fn(&mut Subject)| {
        let mut subject = subject(0);
        change(&mut subject);
        Prepared::new(subject).err().expect("should be refused").to_string()
    };
    let error = refuse(&|s| s.stack.voxels.truncate(7));
    assert!(["7", "3", "2", "4 x 5"].iter().all(|part| error.contains(part)), "{error}");
    let error = refuse(&|s| s.stack.voxels.fill(4.0));
    assert!(error.contains("same intensity") && error.contains('4'), "{error}");
    let error = refuse(&|s| s.stack.voxels[9] = f32::NAN);
    assert!(error.contains("NaN"), "{error}");
    let error = refuse(&|s| s.stack.spacing[1] = 0.0);
    assert!(error.contains("spacing") && error.contains("0 mm"), "{error}");
    assert!(refuse(&|s| s.frames[1].phase = 2).contains("phase 2"));
    assert!(refuse(&|s| s.frames[1].phase = 3).contains("phase 3"));
}

#[test]
fn builders_at_once_do_no_harm() {
    let folder = TempDir::new().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let cache = cohort(&folder, "a").0;
                assert_eq!(cache.len(), 4);
                assert_eq!(cache.subject(3).id(), "S3");
            });
        }
    });
    assert_eq!(cohort(&folder, "a").2, 0);
}
