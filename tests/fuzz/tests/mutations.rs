//! Thousands of damaged files for each reader, the same in every run, in a bounded memory. The input that is
//! being read is kept in the target folder, so that one that ends the process is found.

use std::alloc::System;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cap::Cap;
use fuzz::{READERS, Reader};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// More than this at once fails, and ends the process unless it was asked for with `try_reserve`.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, 768 << 20);

/// Damaged files for each reader. CINE_FUZZ multiplies it.
const COUNT: usize = 1500;

/// Longest time that one input may take.
const LONGEST: Duration = Duration::from_secs(5);

/// The seeds of a reader and the inputs that a search has kept.
fn inputs(reader: &Reader) -> Vec<Vec<u8>> {
    let mut all = (reader.seeds)();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(reader.name);
    let mut files: Vec<PathBuf> = match std::fs::read_dir(corpus) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => vec![],
    };
    files.sort();
    all.extend(files.iter().map(|file| std::fs::read(file).unwrap()));
    all
}

/// Changes a file as transfers, editors and attackers do: bits, numbers, parts that are missing, repeated,
/// swapped or taken from another file.
fn damage(random: &mut impl Rng, file: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..random.random_range(1..=4) {
        if file.is_empty() {
            file.extend(other);
            continue;
        }
        let at = random.random_range(0..file.len());
        let length = random.random_range(1..=file.len().min(64)).min(file.len() - at);
        match random.random_range(0..9) {
            0 => file[at] ^= 1 << random.random_range(0..8),
            1 => file[at] = random.random(),
            2 => {
                let edges = [
                    0u64,
                    1,
                    0x7f,
                    0xff,
                    0x7fff,
                    0x8000,
                    0x7fff_ffff,
                    0x7f80_0000,
                    u64::MAX,
                    1 << 63,
                ];
                let number = edges[random.random_range(0..edges.len())].to_le_bytes();
                let end = file.len().min(at + [1, 2, 4, 8][random.random_range(0..4)]);
                file[at..end].copy_from_slice(&number[..end - at]);
            }
            3 => file.truncate(at),
            4 => drop(file.drain(at..at + length)),
            5 => {
                let part = file[at..at + length].to_vec();
                let to = random.random_range(0..=file.len());
                file.splice(to..to, part);
            }
            6 => {
                let words: [&[u8]; 12] = [
                    b"\n",
                    b"\"",
                    b"'",
                    b"-1",
                    b"1e999",
                    b"NaN",
                    b"9223372036854775808",
                    b": ",
                    b"[",
                    b"*a",
                    b"\x1b[2J",
                    "\u{202e}é".as_bytes(),
                ];
                file.splice(at..at, words[random.random_range(0..words.len())].iter().copied());
            }
            7 if !other.is_empty() => {
                let from = random.random_range(0..other.len());
                let end = other.len().min(from + length);
                file.splice(at..at + length, other[from..end].iter().copied());
            }
            _ => file[at..at + length].reverse(),
        }
    }
}

#[test]
fn damaged_files_are_read_or_refused_in_one_line() {
    let factor: usize = std::env::var("CINE_FUZZ").map_or(1, |text| text.parse().unwrap());
    let only = std::env::var("CINE_FUZZ_ONLY").ok();
    for (number, reader) in READERS.iter().enumerate() {
        if only.as_ref().is_some_and(|only| only != reader.name) {
            continue;
        }
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", reader.name));
        let inputs = inputs(reader);
        let mut random = SmallRng::seed_from_u64(number as u64);
        let run = |file: &[u8]| {
            std::fs::write(&kept, file).unwrap();
            let begun = Instant::now();
            (reader.read)(file);
            assert!(begun.elapsed() < LONGEST, "{:?}: {}", begun.elapsed(), kept.display());
        };
        inputs.iter().for_each(|file| run(file));
        // A cache that is damaged is built again and brought to the disk, which takes long.
        let count = if reader.name == "cache" { COUNT / 20 } else { COUNT };
        for _ in 0..count * factor {
            let mut file = inputs[random.random_range(0..inputs.len())].clone();
            let other = &inputs[random.random_range(0..inputs.len())];
            damage(&mut random, &mut file, other);
            run(&file);
        }
        std::fs::remove_file(&kept).unwrap();
    }
}
