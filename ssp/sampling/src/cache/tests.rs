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

/// Size and time of change may be as before, after a copy that keeps times or on purpose.
#[test]
fn a_key_follows_the_content_of_its_files() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("image");
    let of = |version, settings| {
        let key = Key::of_files("reader", version, settings, &[&path], folder.path()).unwrap();
        key.as_str().to_owned()
    };
    let key = || of(1, "");
    std::fs::write(&path, "one").unwrap();
    let first = key();
    assert_eq!(first, key());
    assert_ne!(first, of(2, ""));
    assert_ne!(first, of(1, "other ids"));
    let times = || {
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        (file.metadata().unwrap().modified().unwrap(), file)
    };
    let (before, _) = times();
    std::fs::write(&path, "two").unwrap();
    times().1.set_modified(before).unwrap();
    assert_ne!(first, key(), "same size, same time of change");
    std::fs::write(&path, "one").unwrap();
    assert_eq!(first, key(), "same content at another time");
    std::fs::write(&path, "longer").unwrap();
    assert_ne!(first, key());
    std::fs::remove_file(&path).unwrap();
    let error = Key::of_files("reader", 1, "", &[&path], folder.path()).unwrap_err();
    assert!(error.to_string().contains("image"), "{error}");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("image");
    std::fs::write(&path, "one").unwrap();
    let key = || Key::of_files("reader", 1, "", &[&path], folder.path()).unwrap();
    let read = |change: bool, i| {
        if change {
            std::fs::write(&path, "another").unwrap();
        }
        Ok(subject(i))
    };
    let open = |change| {
        let read = |i| read(change, i);
        Cache::open_or_build(folder.path(), &key(), &ids(1), read, |_, _| {})
    };
    let error = open(true).err().expect("refused").to_string();
    assert!(error.contains("image") && error.contains("changed"), "{error}");
    assert!(open(false).is_ok());
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
    let cuts = [
        vec![],
        b"something else altogether, but long enough that it could be a header......".to_vec(),
        whole[..30].to_vec(),
        whole[..end - 1].to_vec(),
        [&whole[..], b"x"].concat(),
        flipped(end - 10),
    ];
    let damages: Vec<_> = cuts.into_iter().chain((0..48).map(flipped)).collect();
    for (i, damage) in damages.into_iter().enumerate() {
        std::fs::write(&path, damage).unwrap();
        let (cache, _, reads) = cohort(&folder, "a");
        assert_eq!((cache.len(), reads), (4, 4), "damage {i}");
        assert!(std::fs::read(&path).unwrap() == whole, "equal sources, equal bytes");
    }
    assert_eq!(cohort(&folder, "a").2, 0);
}

/// Wherever a bit flips, the cache is built again or holds what was written.
#[test]
fn a_flipped_bit_never_gives_other_voxels_or_labels() {
    let folder = TempDir::new().unwrap();
    let content = |cache: &Cache| -> Vec<(Vec<u8>, Vec<u8>)> {
        let of = |s: CachedSubject| {
            let voxels = s.entry.voxels_in(s.bytes).to_vec();
            (voxels, s.frames().flat_map(|(phase, _)| s.labels(phase).unwrap().to_vec()).collect())
        };
        cache.subjects().map(of).collect()
    };
    let (cache, ..) = cohort(&folder, "a");
    let (wanted, path) = (content(&cache), cache.path().to_path_buf());
    let whole = std::fs::read(&path).unwrap();
    let arrays: Vec<std::ops::Range<usize>> = cache
        .subjects()
        .flat_map(|s| {
            let labels = s.entry.frames.iter().map(|f| (f.labels as usize, s.entry.volume()));
            let voxels = (s.entry.voxels as usize, s.entry.voxels_in(s.bytes).len());
            labels.chain([voxels]).map(|(start, length)| start..start + length).collect::<Vec<_>>()
        })
        .collect();
    let mut rebuilt = 0;
    for at in (0..whole.len()).step_by(11) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&path, bytes).unwrap();
        let (cache, _, reads) = cohort(&folder, "a");
        assert!(content(&cache) == wanted, "byte {at}");
        assert!(reads == 4 || !arrays.iter().any(|array| array.contains(&at)), "byte {at}");
        rebuilt += usize::from(reads == 4);
    }
    assert!(rebuilt > 100, "{rebuilt}");
}

#[test]
fn warnings_and_digests_are_kept_with_the_cache() {
    let folder = TempDir::new().unwrap();
    let read = |i: usize| {
        let warnings = (i == 1).then(|| "tilted".to_owned()).into_iter().collect();
        Ok(Loaded { subject: subject(i), warnings })
    };
    let open = || {
        let key = Key::of_settings("test", 1, "");
        let (cache, _) =
            Cache::open_or_build(folder.path(), &key, &ids(3), read, |_, _| {}).unwrap();
        let of = |s: CachedSubject| (s.warnings().to_vec(), s.digests().clone());
        cache.subjects().map(of).collect::<Vec<_>>()
    };
    let first = open();
    assert_eq!(first[1].0, ["tilted"]);
    assert!(first[0].0.is_empty());
    assert_eq!(open(), first);
    let digests = |change: &dyn Fn(&mut Subject)| {
        let mut subject = subject(1);
        change(&mut subject);
        Prepared::new(subject.into()).unwrap().entry.digests
    };
    let plain = digests(&|_| {});
    assert_eq!(plain, first[1].1);
    let labels = digests(&|s| s.frames[0].labels[0] = 2);
    assert!(labels.image == plain.image && labels.labels != plain.labels);
    let moment = digests(&|s| s.frames[0].cardiac_phase = CardiacPhase::Other);
    assert!(moment.image == plain.image && moment.labels != plain.labels);
    for image in [digests(&|s| s.stack.voxels[7] += 1.0), digests(&|s| s.stack.spacing[2] = 9.0)] {
        assert!(image.image != plain.image && image.labels == plain.labels);
    }
}

/// Its file is mapped, and as good.
#[test]
fn a_cache_that_another_process_finished_first_is_used() {
    let folder = TempDir::new().unwrap();
    let key = Key::of_settings("test set", 1, "a");
    let inode = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();
    let first = Mutex::new(None);
    let read = |i| {
        let mut first = first.lock().unwrap();
        if first.is_none() {
            let path = cohort(&folder, "a").0.path().to_path_buf();
            std::thread::sleep(std::time::Duration::from_millis(20));
            *first = Some(inode(&path));
        }
        Ok(subject(i))
    };
    let (cache, _) = Cache::open_or_build(folder.path(), &key, &ids(4), read, |_, _| {}).unwrap();
    assert_eq!(cache.len(), 4);
    assert_eq!(first.into_inner().unwrap(), Some(inode(cache.path())));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "its own is removed");
}

/// The test below runs the program of the tests again, for this part of it.
const CHILD: &str = "CINE_TEST_CACHE_FOLDER";

/// What is a crash otherwise, of the process with all its work.
#[test]
#[cfg(unix)]
fn a_cache_that_is_cut_short_in_use_is_an_error_line() {
    let name = "cache::tests::a_cache_that_is_cut_short_in_use_is_an_error_line";
    if let Some(folder) = std::env::var_os(CHILD) {
        let key = Key::of_settings("cut", 1, "");
        let large = |_| {
            let voxels = (0..1 << 20).map(|v| (v % 251) as f32).collect();
            let (phases, slices, rows, columns) = (16, 1, 256, 256);
            let stack = Stack { voxels, phases, slices, rows, columns, spacing: [1.0; 3] };
            Ok(Subject { stack, frames: vec![], ..subject(0) })
        };
        let folder = Path::new(&folder);
        let (cache, _) = Cache::open_or_build(folder, &key, &ids(1), large, |_, _| {}).unwrap();
        let file = std::fs::File::options().write(true).open(cache.path()).unwrap();
        file.set_len(4096).unwrap();
        let bytes = cache.subject(0).entry.voxels_in(&cache.file.map);
        panic!("read {}", bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>());
    }
    let folder = TempDir::new().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", "--nocapture", name]).env(CHILD, folder.path()).output();
    let output = output.unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let lines: Vec<_> = errors.lines().filter(|line| line.starts_with("error: ")).collect();
    let [line] = lines[..] else { panic!("one line: {errors}") };
    assert!(line.contains("cut-") && line.contains("cut short") && !errors.contains("panicked"));
}

/// A writer that is killed leaves its file; the next one to open a cache removes it.
#[test]
#[cfg(target_os = "linux")]
fn what_a_killed_writer_leaves_is_removed() {
    let name = "cache::tests::what_a_killed_writer_leaves_is_removed";
    if let Some(folder) = std::env::var_os(CHILD) {
        let stuck = |_| -> Result<Subject> {
            loop {
                std::thread::park();
            }
        };
        let key = Key::of_settings("test set", 1, "a");
        let _ = Cache::open_or_build(Path::new(&folder), &key, &ids(1), stuck, |_, _| {});
        unreachable!("no subject is ever read");
    }
    let folder = TempDir::new().unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let mut child = child.args(["--exact", name]).env(CHILD, folder.path()).spawn().unwrap();
    let begun = std::time::Instant::now();
    while files() == 0 && begun.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    cohort(&folder, "b");
    assert_eq!(files(), 2, "its writer is at work");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(files(), 2);
    cohort(&folder, "b");
    assert_eq!(files(), 1);
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
        Prepared::new(subject.into()).err().expect("should be refused").to_string()
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

/// A full or write-protected disk is named with what to do about it.
#[test]
fn a_folder_that_keeps_nothing_is_an_error_that_names_the_variable() {
    let place = TempDir::new().unwrap();
    std::fs::write(place.path().join("file"), "").unwrap();
    for folder in [place.path().join("file"), place.path().join("file/below")] {
        let key = Key::of_settings("test set", 1, "a");
        let error = Cache::open_or_build(&folder, &key, &ids(1), |i| Ok(subject(i)), |_, _| {});
        let Err(error) = error else { panic!("kept in a file") };
        let line = error.to_string();
        let named = folder.display().to_string();
        let parts = [&*named, "cannot be kept", "os error", "CINE_CACHE"];
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    // What a source lacks is another matter.
    let gone = place.path().join("gone.nii");
    let error = Key::of_files("test set", 1, "", &[gone], place.path()).unwrap_err().to_string();
    assert!(!error.contains("CINE_CACHE"), "{error}");
}
