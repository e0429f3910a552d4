//! Every operation on files can fail or be the last of its process, and nothing is lost, wrong or left.
//!
//! A reference run lists its fault points (see `files::faults`). For chosen points, a run with a fault must
//! end as it has to, and the same command without it must come to the files of the reference, bit by bit.
//! `CINE_FAULTS=all` tries every point with every effect, which takes an hour.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::desk::{Desk, bytes};
use crate::resume::start;

/// Settings that make every stage a fraction of a second.
const SMALL: [&str; 20] = [
    "network.size=16",
    "network.spacing=10",
    "network.channels=4,8",
    "subjects.phantom=5",
    "pretrain.epochs=2",
    "pretrain.batch=64",
    "pretrain.mlp=8,8",
    "pretrain.warmup_epochs=0",
    "pretrain.mim.patch=8,8",
    "pretrain.dino.local_size=16",
    "pretrain.dino.hidden=16",
    "pretrain.dino.bottleneck=8",
    "pretrain.dino.outputs=32",
    "pretrain.dino.checkpoint_every=1",
    "finetune.epochs=3",
    "finetune.batch=32",
    "finetune.validate_every=1",
    "subjects.test_share=0.2",
    "subjects.valid_share=0.2",
    "save_every=0",
];

/// Where a fault can be injected: the `call`-th call of an operation, about this file.
#[derive(Clone, Debug)]
struct Point {
    operation: String,
    call: usize,
    path: String,
}

/// What a fault does there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Effect {
    Kill,
    Error(&'static str),
    /// A bit is inverted, and the process killed at the next write but one.
    Flip,
}

impl Effect {
    fn at(self, Point { operation, call, .. }: &Point) -> String {
        match self {
            Effect::Kill => format!("{operation}:{call}:kill"),
            Effect::Error("ENOSPC") => format!("{operation}:{call}+:ENOSPC"),
            Effect::Error(name) => format!("{operation}:{call}:{name}"),
            Effect::Flip => format!("write:{call}:flip,write:{}:kill", call + 2),
        }
    }
}

/// A command in a folder of its own, with a cache of its own.
fn command(desk: &Desk, arguments: &[&str], fault: Option<&str>) -> Command {
    let mut all = arguments.to_vec();
    SMALL.iter().for_each(|setting| all.extend(["--set", setting]));
    all.extend(["--threads", "1", "--device", "cpu"]);
    let mut command = desk.command(&all);
    command.env("CINE_CACHE", "cache").env_remove("CINE_FAULT");
    fault.map(|fault| command.env("CINE_FAULT", fault));
    command
}

/// Gives a run the cache of another, since drawing subjects takes most of a run's time, and returns the point
/// as it is counted there. Faults of the cache need a run that makes it.
fn with_cache(desk: &Desk, whole: &Desk, points: &[Point], point: &Point) -> Point {
    let of_cache = |point: &&Point| point.path.contains("cache");
    if of_cache(&point) {
        return point.clone();
    }
    std::fs::create_dir(desk.path("cache")).unwrap();
    for (path, content) in files(&whole.path("cache")) {
        std::fs::write(desk.path("cache").join(path), content).unwrap();
    }
    let counted = |other: &&Point| other.operation == point.operation && of_cache(other);
    Point { call: point.call - points.iter().filter(counted).count(), ..point.clone() }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The files below a folder by relative path, those that a finished run must have and no others.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        let mut is_empty = true;
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            is_empty = false;
            match path.is_dir() {
                true => walk(root, &path, found),
                false => _ = found.insert(path.strip_prefix(root).unwrap().into(), bytes(&path)),
            }
        }
        assert!(!is_empty, "{} is empty", folder.display());
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

/// The content of a file without what differs from run to run: times, and what is made from them. None
/// where that is all of it.
fn timeless(path: &Path, bytes: &[u8]) -> Option<Vec<u8>> {
    fn without_times(value: &mut serde_json::Value) {
        if let Some(object) = value.as_object_mut() {
            object.retain(|key, _| key != "seconds");
            object.values_mut().for_each(without_times);
        }
    }
    let text = || String::from_utf8(bytes.to_vec()).unwrap();
    let columns = |dropped: usize| -> Vec<u8> {
        let short = |line: &str| line.rsplitn(dropped + 1, ',').last().unwrap().to_owned() + "\n";
        text().lines().map(short).collect::<String>().into()
    };
    match path.file_name()?.to_str()? {
        "metrics.csv" => Some(columns(2)),
        "table.csv" => Some(columns(1)),
        // It has the absolute path of the weights.
        "job.json" => {
            let mut value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            value.as_object_mut().unwrap().remove("weights");
            Some(value.to_string().into())
        }
        "result.json" | "cell.json" | "pretraining.json" => {
            let mut value = serde_json::from_slice(bytes).unwrap();
            without_times(&mut value);
            Some(value.to_string().into())
        }
        "progress.safetensors" | "report.html" | "table.md" | "fingerprints.json" => None,
        _ => Some(bytes.to_vec()),
    }
}

/// Two folders have the same files, with the same content but for times. `except` may differ.
#[track_caller]
fn assert_same(reference: &Path, folder: &Path, except: Option<&str>, fault: &str) {
    let [wanted, found] = [reference, folder].map(files);
    let names = |files: &BTreeMap<PathBuf, _>| files.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&wanted), names(&found), "{fault}");
    for (path, content) in &wanted {
        let differs = timeless(path, content) != timeless(path, &found[path]);
        let excepted = except.is_some_and(|name| Path::new(name) == path);
        assert!(!differs || excepted, "{fault}: {} differs", path.display());
    }
}

/// One error line at the end, which names the file of the fault and no temporary one.
#[track_caller]
fn assert_refused(output: &Output, point: &Point, fault: &str) {
    let stderr = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{fault} ({}): {stderr}", point.path);
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error:")).collect();
    assert!(errors.len() == 1 && stderr.lines().last() == Some(errors[0]), "{fault}: {stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains(".unfinished-"), "{fault}: {stderr}");
    let folder = Path::new(&point.path).parent().unwrap();
    let named = match point.operation.as_str() {
        // The file is not known there, and the error names what it is for.
        "create" => folder.file_name().map_or_else(String::new, |n| n.to_str().unwrap().to_owned()),
        _ => point.path.replace(".previous", ""),
    };
    assert!(errors[0].contains(&named), "{fault} of {named}: {stderr}");
}

/// The points of a run that ends well.
fn points(output: &Output) -> Vec<Point> {
    let stderr = stderr(output);
    assert!(output.status.success(), "{stderr}");
    let points = stderr.lines().filter_map(|line| line.strip_prefix("fault point: "));
    let point = |line: &str| {
        let mut parts = line.splitn(3, ' ').map(str::to_owned);
        let mut next = || parts.next().unwrap();
        Point { operation: next(), call: next().parse().unwrap(), path: next() }
    };
    let points: Vec<_> = points.map(point).collect();
    assert!(points.len() > 50, "{stderr}");
    points
}

/// The faults to try: all, or the first, the middle and the last point of each operation and some that are
/// drawn with a fixed seed.
fn faults(points: &[Point], seed: usize) -> Vec<(Point, Effect)> {
    const ERRORS: [Effect; 2] = [Effect::Error("EIO"), Effect::Error("ENOSPC")];
    let of = |operation: &str| -> Vec<Point> {
        points.iter().filter(|point| point.operation == operation).cloned().collect()
    };
    let mut chosen = Vec::new();
    for (index, operation) in ["fsync", "rename", "write", "mkdir", "create"].iter().enumerate() {
        let points = of(operation);
        let drawn = |n: usize| points[(seed * 31 + index * 7 + n * 17) % points.len()].clone();
        if std::env::var_os("CINE_FAULTS").is_some_and(|which| which == "all") {
            for (n, point) in points.iter().enumerate() {
                chosen.extend([Effect::Kill, ERRORS[n % 2]].map(|effect| (point.clone(), effect)));
                if *operation == "write" {
                    chosen.push((point.clone(), Effect::Flip));
                }
            }
            continue;
        }
        match *operation {
            "fsync" | "rename" | "write" => {
                let ends = [0, points.len() / 2, points.len() - 1];
                chosen.extend(ends.map(|at| (points[at].clone(), Effect::Kill)));
                chosen.push((drawn(1), ERRORS[(seed + index) % 2]));
            }
            _ => chosen.push((
                drawn(1),
                if seed.is_multiple_of(2) { Effect::Kill } else { ERRORS[index % 2] },
            )),
        }
        if *operation == "write" {
            chosen.extend([2, 3].map(|n| (drawn(n), Effect::Flip)));
        }
    }
    chosen
}

/// What became of the faults, for people.
#[derive(Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn count(&mut self, outcome: &str, effect: Effect) {
        *self.0.entry(format!("{effect:?}: {outcome}")).or_default() += 1;
    }
}

/// Tries faults in runs of a command that makes the folder `out`.
fn survives(arguments: &[&str], seed: usize) {
    let whole = Desk::new();
    let points = points(&command(&whole, arguments, Some("list")).output().unwrap());
    let mut tally = Tally::default();
    for (point, effect) in faults(&points, seed) {
        let desk = Desk::new();
        let fault = effect.at(&with_cache(&desk, &whole, &points, &point));
        let output = command(&desk, arguments, Some(&fault)).output().unwrap();
        let was_killed = output.status.signal().is_some();
        match effect {
            Effect::Kill => assert!(was_killed, "{fault}: {}", stderr(&output)),
            Effect::Error(_) => assert_refused(&output, &point, &fault),
            // The cache is read again as soon as it is written.
            Effect::Flip if output.status.code() == Some(1) => {
                assert_refused(&output, &point, &fault);
            }
            Effect::Flip => {
                assert!(was_killed || output.status.success(), "{fault}: {}", stderr(&output));
            }
        }
        let again = command(&desk, arguments, None).output().unwrap();
        if effect == Effect::Flip && !again.status.success() {
            assert_refused(&again, &point, &fault);
            tally.count("refused", effect);
            continue;
        }
        assert!(again.status.success(), "{fault} of {}: {}", point.path, stderr(&again));
        let ended_well = effect == Effect::Flip && !was_killed;
        // What nothing is resumed from is not written again: pictures, which have a checksum of their own; the
        // numbers beside one, which no program reads; and weights, which are refused when they are read.
        let is_weights = point.path.ends_with(".safetensors") && !point.path.contains("progress");
        let is_drawn = [".png", "neighbours.json"].iter().any(|end| point.path.ends_with(end));
        let is_written_once = is_weights || is_drawn;
        let is_excepted = ended_well || effect == Effect::Flip && is_written_once;
        let except = is_excepted.then_some(point.path.as_str());
        assert_same(&whole.path(""), &desk.path(""), except, &format!("{fault} of {}", point.path));
        let [sound, found] = [&whole, &desk].map(|desk| desk.path(&point.path));
        if effect == Effect::Flip && is_weights && bytes(&sound) != bytes(&found) {
            assert!(nn::checkpoint::metadata(&found).is_err(), "{fault} of {}", point.path);
            tally.count("refused when read", effect);
            continue;
        }
        tally.count("same bits", effect);
    }
    println!("{}: {:?}", arguments.join(" "), tally.0);
}

#[test]
fn training_from_scratch_survives_every_fault() {
    survives(&["train", "--out", "out", "--method", "scratch"], 0);
}

#[test]
fn simclr_survives_every_fault() {
    survives(&["train", "--out", "out", "--method", "simclr"], 1);
}

#[test]
fn pcl_survives_every_fault() {
    survives(&["train", "--out", "out", "--method", "pcl"], 2);
}

#[test]
fn dino_survives_every_fault() {
    survives(&["train", "--out", "out", "--method", "dino"], 3);
}

#[test]
fn mim_survives_every_fault() {
    survives(&["train", "--out", "out", "--method", "mim"], 4);
}

/// The process with the fault and another one work on a sweep at once, and a third ends it.
#[test]
fn a_sweep_of_two_processes_survives_every_fault() {
    let arguments = ["sweep", "--out", "out", "--as-given", "--methods", "scratch,mim"];
    let more = ["--counts", "1,all", "--seeds", "1", "--set", "finetune.steps=0"];
    let arguments = [&arguments[..], &more, &["--set", "finetune.validate_steps=0"]].concat();
    let whole = Desk::new();
    let points = points(&command(&whole, &arguments, Some("list")).output().unwrap());
    let mut tally = Tally::default();
    for (point, effect) in faults(&points, 5).into_iter().filter(|(_, e)| *e != Effect::Flip) {
        let desk = Desk::new();
        let fault = effect.at(&with_cache(&desk, &whole, &points, &point));
        let faulty = start(command(&desk, &arguments, Some(&fault)));
        let sound = start(command(&desk, &arguments, None));
        let [faulty, sound] = [faulty, sound].map(|child| child.wait_with_output().unwrap());
        assert!(sound.status.success(), "{fault}: {}", stderr(&sound));
        // The processes share the work in another way each time, so its point may not come.
        let outcome = match effect {
            _ if faulty.status.success() => "not reached, same bits",
            Effect::Kill => {
                assert!(faulty.status.signal().is_some(), "{fault}: {}", stderr(&faulty));
                "same bits"
            }
            _ => {
                assert_eq!(faulty.status.code(), Some(1), "{fault}: {}", stderr(&faulty));
                "same bits"
            }
        };
        let again = command(&desk, &arguments, None).output().unwrap();
        assert!(again.status.success(), "{fault}: {}", stderr(&again));
        assert_same(&whole.path(""), &desk.path(""), None, &format!("{fault} of {}", point.path));
        tally.count(outcome, effect);
    }
    println!("sweep: {:?}", tally.0);
}

/// Without `--out` the next run must take the number that a fault left unused.
#[test]
fn a_fault_before_the_settings_leaves_no_numbered_folder() {
    let arguments = ["train", "--method", "scratch"];
    let whole = Desk::new();
    let points = points(&command(&whole, &arguments, Some("list")).output().unwrap());
    let begins = points.iter().position(|point| point.path == "runs").unwrap();
    let ends = points.iter().rposition(|point| point.path.ends_with("settings.json")).unwrap();
    for (n, point) in points[begins..=ends].iter().enumerate() {
        for effect in [Effect::Kill, Effect::Error("EIO")] {
            let desk = Desk::new();
            let fault = effect.at(&with_cache(&desk, &whole, &points, point));
            let output = command(&desk, &arguments, Some(&fault)).output().unwrap();
            if effect != Effect::Kill {
                assert_refused(&output, point, &fault);
                let left = desk.path("runs").read_dir().map_or(0, |entries| entries.count());
                assert_eq!(left, 0, "{n}: {fault}");
            }
            let again = command(&desk, &arguments, None).output().unwrap();
            assert!(again.status.success(), "{fault}: {}", stderr(&again));
            assert_same(&whole.path(""), &desk.path(""), None, &fault);
        }
    }
}
