//! The readers.

use std::path::Path;
use std::sync::LazyLock;

use common::yaml;
use data::nifti;
use nn::{Init, UNet};
use sampling::cache::{Cache, Key};
use sampling::split_file::SplitFile;
use settings::published::Configs;
use settings::{Method, Preset, Settings};
use tensor::DType;
use train::model::Model;
use train::roles::Roles;
use train::run::{folder::read_json, metrics};

use crate::desk::{Desk, line, shown};
use crate::seeds;

/// A reader and its seeds.
pub struct Reader {
    /// Its name.
    pub name: &'static str,
    /// Reads bytes as one file of its kind.
    pub read: fn(&[u8]),
    /// Small files of its kind.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every reader.
pub const READERS: [Reader; 14] = [
    Reader { name: "volume", read: volume, seeds: seeds::volumes },
    Reader { name: "gzip", read: gzip, seeds: seeds::gzips },
    Reader { name: "pair", read: pair, seeds: seeds::volumes },
    Reader { name: "info", read: info, seeds: seeds::infos },
    Reader { name: "table", read: table, seeds: seeds::tables },
    Reader { name: "split", read: split, seeds: seeds::splits },
    Reader { name: "yaml", read: yaml, seeds: seeds::configs },
    Reader { name: "config", read: config, seeds: seeds::configs },
    Reader { name: "settings", read: settings, seeds: seeds::settings },
    Reader { name: "weights", read: weights, seeds: seeds::weights },
    Reader { name: "pytorch", read: pytorch, seeds: seeds::pytorch },
    Reader { name: "cache", read: cache, seeds: seeds::caches },
    Reader { name: "run", read: run, seeds: seeds::runs },
    Reader { name: "results", read: results, seeds: seeds::results },
];

thread_local! {
    static DESK: Desk = Desk::new();
}

/// Writes a file of the thread and reads it.
fn of_file<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    DESK.with(|desk| read(&desk.file(name, bytes)))
}

fn read_volume(path: &Path) {
    line(nifti::read_header(path));
    if let Some(volume) = line(nifti::read(path)) {
        let header = &volume.header;
        let [i, j, k, phases] = header.dims;
        assert_eq!(volume.voxels.len(), i * j * k * phases);
        assert_eq!(volume.phase(phases - 1).len(), header.voxels_per_phase());
        assert!(header.geometry.spacing.iter().all(|step| *step > 0.0 && step.is_finite()));
    }
    if let Some(labels) = line(nifti::read_labels(path, 3)) {
        assert!(labels.labels.iter().all(|label| *label <= 3));
    }
    if let Some(loaded) = line(data::folder::load_file(path)) {
        let stack = &loaded.subject.stack;
        assert_eq!(stack.voxels.len(), stack.phases * stack.slices * stack.rows * stack.columns);
    }
}

fn volume(bytes: &[u8]) {
    of_file("volume.nii", bytes, read_volume);
}

fn gzip(bytes: &[u8]) {
    of_file("volume.nii.gz", bytes, read_volume);
}

/// A header and its image, in two files.
fn pair(bytes: &[u8]) {
    let (header, image) = bytes.split_at(bytes.len().min(352));
    DESK.with(|desk| {
        let mut header = header.to_vec();
        if header.len() > 347 {
            header[344..347].copy_from_slice(b"ni1");
        }
        desk.file("pair.img", image);
        read_volume(&desk.file("pair.hdr", &header));
    });
}

/// The report of a folder in which one file has these bytes.
fn inspected(name: &str, bytes: &[u8], others: fn(&Desk)) {
    DESK.with(|desk| {
        others(desk);
        desk.file(name, bytes);
        let folder = desk.folder().join(name.split('/').next().unwrap_or(name));
        let report = data::inspect::inspect(&folder).to_string();
        report.lines().filter(|line| !line.is_empty()).for_each(shown);
    });
}

/// `Info.cfg` of ACDC.
fn info(bytes: &[u8]) {
    inspected("acdc/patient001/Info.cfg", bytes, |desk| {
        if !desk.folder().join("acdc/patient001").is_dir() {
            for (name, file) in seeds::patient() {
                desk.file(&format!("acdc/patient001/{name}"), &file);
            }
        }
    });
}

/// The table of M&Ms.
fn table(bytes: &[u8]) {
    inspected("mnms/table.csv", bytes, |desk| {
        if !desk.folder().join("mnms").is_dir() {
            for (name, file) in seeds::subject() {
                desk.file(&format!("mnms/A0S9V9/{name}"), &file);
            }
        }
    });
}

fn split(bytes: &[u8]) {
    of_file("split.yaml", bytes, |path| line(SplitFile::read_roles(path)));
}

/// What is read is written as text that reads as the same.
fn yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let documents = line(yaml::parse(text, Path::new("a.yaml"))).unwrap_or_default();
    for document in documents {
        shown(&format!("found {}", common::text::line(&document.described())));
        let value = document.value();
        if let Some(map) = value.as_object().filter(|map| !map.is_empty()) {
            let written = yaml::to_text(map);
            let again = yaml::parse(&written, Path::new("written.yaml"));
            if let Some([again]) = line(again).as_deref() {
                assert_eq!(again.get("").is_some(), map.contains_key(""));
            }
        }
    }
    yaml::value(text);
}

fn config(bytes: &[u8]) {
    of_file("config.yaml", bytes, |path| {
        let Some(configs) = line(Configs::read(&[path.to_path_buf()])) else { return };
        for method in [None, Some(Method::Pcl)] {
            if let Some(found) = line(configs.settings(method, None, Preset::Demo, &[])) {
                found.settings.check().expect("settings that were checked");
                line(found.settings.to_published()).expect("settings that can be written");
            }
        }
    });
}

/// The settings of a run, and one assignment for each line of text.
fn settings(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice(bytes) {
        line(Settings::from_value(&value));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for assignment in text.lines().take(4) {
        let mut settings = Settings::preset(Preset::Demo, Method::Dino);
        let _ = settings.apply(&[assignment.to_owned()]);
    }
}

fn read_weights(path: &Path) {
    line(nn::checkpoint::metadata(path).map_err(Into::into));
    line(nn::checkpoint::shapes(path).map_err(Into::into));
    let network = UNet::new(&mut Init::new(1, 0, DType::F32), &[1, 2], 4, 1);
    let mut network = network.expect("a network");
    line(nn::checkpoint::load(path, &mut network).map_err(Into::into));
    line(Model::open(path, None, &[]));
}

fn weights(bytes: &[u8]) {
    of_file("weights.safetensors", bytes, read_weights);
}

fn pytorch(bytes: &[u8]) {
    of_file("weights.pt", bytes, read_weights);
}

/// A cache that cannot be used is built again.
fn cache(bytes: &[u8]) {
    static NAME: LazyLock<String> = LazyLock::new(seeds::cache_name);
    let key = Key::of_settings("fuzz", 1, "");
    DESK.with(|desk| {
        desk.file(&NAME, bytes);
        let ids = ["a".to_owned()];
        let read = |_| Ok(seeds::cached());
        let built = Cache::open_or_build(desk.folder(), &key, &ids, read, |_, _| {});
        let Some((cache, _)) = line(built) else { return };
        for subject in cache.subjects() {
            let _ = (subject.id(), subject.vendor(), subject.pathology(), subject.grid());
            let _ = (subject.statistics(), subject.centre(), subject.motion_centre());
            for phase in 0..subject.phases() {
                subject.labels(phase);
                for slice in 0..subject.slices() {
                    let _ = (subject.place(phase, slice), subject.slice(phase, slice));
                }
            }
        }
    });
}

/// `split.json` and `metrics.csv` of a run folder.
fn run(bytes: &[u8]) {
    of_file("split.json", bytes, |path| line(read_json::<Roles>(path)));
    of_file("result.json", bytes, |path| line(read_json::<serde_json::Value>(path)));
    of_file("metrics.csv", bytes, |path| line(metrics::read(path)));
}

/// Results of frames and slices.
fn results(bytes: &[u8]) {
    of_file("frames.csv", bytes, |path| {
        line(evaluate::read_frames(path));
        line(evaluate::read_slices(path));
    });
}
