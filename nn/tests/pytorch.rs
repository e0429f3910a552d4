//! State dicts that PyTorch wrote (`pytorch/generate.py`), read as their safetensors twin is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nn::checkpoint::{self, Metadata};
use nn::{Init, Module, StateRef, UNet, WeightLayout};
use tensor::DType;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch").join(name)
}

fn network() -> UNet {
    UNet::new(&mut Init::new(1, 0, DType::F32), &[2, 3], 4, 1).unwrap()
}

fn values(net: &UNet) -> Vec<(String, Vec<f64>)> {
    let values = net.state().into_iter().map(|(name, state)| match state {
        StateRef::Parameter(p) => (name, p.tensor().to_f64()),
        StateRef::Buffer(b) => (name, b.tensor().to_f64()),
        StateRef::Counter(n) => (name, vec![n.get() as f64]),
    });
    values.collect()
}

fn refusal(path: &Path) -> String {
    let mut net = network();
    let before = values(&net);
    let error = checkpoint::load(path, &mut net).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    assert_eq!(values(&net), before);
    error
}

#[test]
fn whatever_way_pytorch_saved_it_a_network_is_the_same() {
    let mut twin = network();
    checkpoint::load(&fixture("twin.safetensors"), &mut twin).unwrap();
    let wanted = values(&twin);
    let shapes = checkpoint::shapes(&fixture("twin.safetensors")).unwrap();
    assert_eq!(shapes["decoder.upconvs.0.weight"], [3, 2, 2, 2]);
    for name in [
        "plain",
        "ordered",
        "float16",
        "bfloat16",
        "float64",
        "channels_last",
        "one_storage",
        "parameters",
        "wrapped",
        "data_parallel",
        "nested",
        "protocol4",
        "no_checksums",
    ] {
        let path = fixture(&format!("{name}.pt"));
        let mut net = network();
        let report = checkpoint::load(&path, &mut net).unwrap();
        assert_eq!(report.to_string(), "46 tensors matched", "{name}");
        assert_eq!(values(&net), wanted, "{name}");
        assert_eq!(checkpoint::shapes(&path).unwrap(), shapes, "{name}");
        assert_eq!(checkpoint::metadata(&path).unwrap(), Metadata::new(), "{name}");
    }
}

#[test]
fn what_pytorch_saved_is_kept_when_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.safetensors");
    let (mut a, mut b) = (network(), network());
    checkpoint::load(&fixture("channels_last.pt"), &mut a).unwrap();
    checkpoint::save(&path, &a, Metadata::new()).unwrap();
    checkpoint::load(&path, &mut b).unwrap();
    assert_eq!(values(&a), values(&b));
    let convolutions = |net: &UNet| {
        let parameters = net.parameters().into_iter();
        parameters.filter(|parameter| parameter.layout() != WeightLayout::Plain).count()
    };
    assert_eq!(convolutions(&a), 8);
}

#[test]
fn what_is_more_than_weights_is_refused_by_name() {
    for (name, what) in [
        ("hostile", "asks for Python's posix.system, which was not run"),
        ("whole_model", "asks for Python's reference.UNet2d, which was not run"),
        ("script", "a TorchScript archive"),
        ("legacy", "the format of PyTorch before 1.6"),
        ("big_endian", "written on a big-endian machine"),
        ("overlapping", "elements of [1000, 1000] share memory"),
    ] {
        let error = refusal(&fixture(&format!("{name}.pt")));
        assert!(error.contains(what), "{name}: {error}");
    }
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let whole = std::fs::read(fixture("plain.pt")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.pt");
    for length in (0..whole.len()).step_by(97).chain(whole.len() - 60..whole.len()) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = refusal(&path);
        assert!(error.contains("not a complete") || error.contains("write it again"), "{error}");
    }
}

/// With and without checksums that show a changed byte.
#[test]
fn changed_bytes_are_an_error_or_other_weights_but_never_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flipped.pt");
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let started = Instant::now();
    let mut refused = 0;
    for name in ["plain.pt", "no_checksums.pt"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        // The pickle comes first and is where a byte means most.
        for (trials, reach) in [(200, 6000), (150, whole.len())] {
            for _ in 0..trials {
                let mut bytes = whole.clone();
                for _ in 0..=random(3) {
                    let place = random(reach);
                    bytes[place] = random(256) as u8;
                }
                std::fs::write(&path, &bytes).unwrap();
                refused += usize::from(checkpoint::load(&path, &mut network()).is_err());
            }
        }
    }
    assert!(refused > 200, "{refused} of 700 were refused");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
