//! Small files of each kind, built from code, or from what was found by a search (`corpus/`).

use std::io::Write;
use std::path::Path;

use data::testing::{NiftiFile, cine, frame, labels, ramp};
use data::{Stack, Subject};
use flate2::{Compression, write::GzEncoder};
use nn::checkpoint::{self, Metadata};
use nn::{Init, UNet};
use sampling::cache::{Cache, Key};
use settings::{Method, Preset, Settings};
use tensor::DType;

/// Volumes of several types, and label maps.
pub fn volumes() -> Vec<Vec<u8>> {
    let sform = Some([[-2.0, 0.0, 0.0, 5.0], [0.0, 0.0, 3.0, 6.0], [0.0, 2.0, 0.0, 7.0]]);
    let small = NiftiFile::of_i16(&[3, 2, 2], &ramp(12));
    let float: Vec<u8> = (0..12).flat_map(|n| (n as f32 / 3.0).to_le_bytes()).collect();
    let files = [
        cine(2),
        labels(1, &[(0, 1, 4), (0, 2, 5), (0, 3, 6)]),
        NiftiFile { sform, ..small.clone() },
        NiftiFile { scale: (0.5, 3.0), ..small.clone() },
        NiftiFile { datatype: 16, bitpix: 32, voxels: float, ..small },
    ];
    files.iter().map(NiftiFile::bytes).collect()
}

/// The same, gzipped.
pub fn gzips() -> Vec<Vec<u8>> {
    volumes().iter().map(|file| gzipped(file)).collect()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// The images of a patient of ACDC.
pub fn patient() -> Vec<(&'static str, Vec<u8>)> {
    let truth = |more: usize| labels(1, &[(0, 1, 4 + more), (0, 2, 5), (0, 3, 6)]).bytes();
    vec![
        ("patient001_frame01.nii", frame(0).bytes()),
        ("patient001_frame01_gt.nii", truth(4)),
        ("patient001_frame12.nii", frame(1).bytes()),
        ("patient001_frame12_gt.nii", truth(0)),
    ]
}

/// The images of a subject of M&Ms.
pub fn subject() -> Vec<(&'static str, Vec<u8>)> {
    let truth = labels(2, &[(0, 1, 8), (0, 2, 5), (0, 3, 6), (1, 1, 4), (1, 2, 5), (1, 3, 6)]);
    vec![("A0S9V9_sa.nii", cine(2).bytes()), ("A0S9V9_sa_gt.nii", truth.bytes())]
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// `Info.cfg` of ACDC.
pub fn infos() -> Vec<Vec<u8>> {
    texts(&[
        "ED: 1\nES: 12\nGroup: DCM\nHeight: 184.0\nNbFrame: 30\nWeight: 95.0\n",
        "ED: 0\r\nES: 11\r\n",
    ])
}

/// Tables of subjects.
pub fn tables() -> Vec<Vec<u8>> {
    texts(&[
        "External code,VendorName,Vendor,Centre,Pathology,ED,ES\nA0S9V9,Siemens,A,1,NOR,0,1\n",
        "\u{feff}External code;Vendor;ED;ES\r\n\"A0S9V9\";\"B\";1;0\r\n",
    ])
}

/// Split files.
pub fn splits() -> Vec<Vec<u8>> {
    texts(&[
        "train: {phantom: [phantom0001, 002]}\nvalid:\n  phantom:\n  - '003'\ntest: []\n",
        "train: [a, b]\nvalid: [&x c]\n",
    ])
}

/// Configurations, as the program writes them for each method.
pub fn configs() -> Vec<Vec<u8>> {
    let shown = |method| Settings::preset(Preset::Demo, method).to_published().expect("a text");
    let mut all: Vec<Vec<u8>> = Method::ALL.map(|method| shown(method).into_bytes()).to_vec();
    all.extend(texts(&[
        "network: {size: 96, channels: [8, \"16\"]}\nfinetune:\n  loss: &a {dice: 0.5}\n",
    ]));
    all
}

/// Settings of runs, and assignments.
pub fn settings() -> Vec<Vec<u8>> {
    let json = |method| {
        let value = Settings::preset(Preset::Demo, method).to_value().expect("a value");
        value.to_string().into_bytes()
    };
    let assignments = "finetune.epochs=7\nnetwork.channels=[8, 16]\npretrain.dino.local.scale.range=0.2,0.4\n\
                       pretrain.augmentation.blur={probability: 1.0, range: [0.1, 2.0]}";
    vec![json(Method::Scratch), json(Method::Dino), assignments.as_bytes().to_vec()]
}

/// Weights of a small network, with settings and without.
pub fn weights() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.safetensors");
    let network = UNet::new(&mut Init::new(1, 0, DType::F32), &[1, 2], 4, 1).expect("a network");
    let mut settings = Settings::preset(Preset::Demo, Method::Scratch);
    settings.network.channels = vec![1, 2];
    let text = settings.to_value().expect("a value").to_string();
    let metadata = [Metadata::new(), Metadata::from([("settings".to_owned(), text)])];
    let write = |metadata| {
        checkpoint::save(&path, &network, metadata).expect("a file");
        std::fs::read(&path).expect("a file")
    };
    metadata.map(write).to_vec()
}

/// Weights as PyTorch writes them.
pub fn pytorch() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nn/tests/pytorch");
    let files = ["plain.pt", "wrapped.pt"].map(|name| folder.join(name));
    files.map(|file| std::fs::read(file).expect("a file of the tests of nn")).to_vec()
}

/// A subject to be cached.
pub fn cached() -> Subject {
    let (phases, slices, rows, columns) = (2, 2, 3, 4);
    let voxels = (0..48).map(|n| (n * 37 % 101) as f32).collect();
    Subject {
        id: "a".into(),
        stack: Stack { voxels, phases, slices, rows, columns, spacing: [1.5, 1.25, 10.0] },
        frames: vec![],
        vendor: Some("B".into()),
        pathology: None,
    }
}

/// A cache of this subject: its file's name and bytes.
fn cache() -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = Key::of_settings("fuzz", 1, "");
    let ids = ["a".to_owned()];
    let built = Cache::open_or_build(folder.path(), &key, &ids, |_| Ok(cached()), |_, _| {});
    let (cache, _) = built.expect("a cache");
    let name = cache.path().file_name().expect("a name").to_string_lossy().into_owned();
    (name, std::fs::read(cache.path()).expect("a file"))
}

/// The name of the file of this cache.
pub fn cache_name() -> String {
    cache().0
}

/// The bytes of this cache.
pub fn caches() -> Vec<Vec<u8>> {
    vec![cache().1]
}

/// JSON and metrics of runs.
pub fn runs() -> Vec<Vec<u8>> {
    texts(&[
        "{\"train\": [\"a\"], \"valid\": [\"b\"], \"test\": [\"c\"], \"labelled\": [\"a\"]}",
        "stage,part,epoch,step,learning_rate,loss\npretrain,train,1,10,0.1,2.5\n",
    ])
}

/// Results of frames and slices.
pub fn results() -> Vec<Vec<u8>> {
    texts(&[
        "subject,moment,phase,dice_lv,dice_myo,dice_rv,dice_mean,vendor,pathology\na,ED,0,0.5,0.5,0.5,0.5,A,\n",
        "subject,moment,phase,slice,position,dice_lv,dice_myo,dice_rv,dice_mean\n'=a,ES,3,1,0.5,1,1,0,0.66\n",
    ])
}
