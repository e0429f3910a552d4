//! Weights survive a file, and files that do not fit change nothing.

use safetensors::SafeTensors;
use tensor::{DType, Tensor};

use super::encode::element_order;
use super::*;
use crate::{Init, Mode, Sgd, SgdSettings, UNet, WeightLayout};

fn net(seed: u64, channels: &[usize]) -> UNet {
    UNet::new(&mut Init::new(seed, 0, DType::F32), channels, 3, 1).unwrap()
}

fn outputs(net: &mut UNet) -> Vec<f64> {
    let x = Tensor::build::<f32>([1, 4, 4, 1], |x| {
        x.iter_mut().enumerate().for_each(|(i, x)| *x = (i as f32).sin());
    });
    net.forward(&x, Mode::Evaluate).unwrap()[0].to_f64()
}

#[test]
fn a_network_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let (mut a, mut b) = (net(1, &[3, 5]), net(2, &[3, 5]));
    a.forward(&Tensor::zeros::<f32>([2, 4, 4, 1]), Mode::Train).unwrap();
    save(&path, &a, Metadata::from([("epoch".into(), "3".into())])).unwrap();
    assert_ne!(outputs(&mut a), outputs(&mut b));
    let report = load(&path, &mut b).unwrap();
    assert_eq!(outputs(&mut a), outputs(&mut b));
    assert_eq!(report.to_string(), "46 tensors matched");
    assert_eq!(metadata(&path).unwrap()["epoch"], "3");
}

#[test]
fn files_have_the_layout_of_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save(&path, &net(1, &[3, 5]), Metadata::new()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| file.tensor(name).unwrap().shape().to_vec();
    assert_eq!(shape("encoder.enc_blocks.1.conv1.weight"), [5, 3, 3, 3]);
    assert_eq!(shape("decoder.upconvs.0.weight"), [5, 3, 2, 2]);
    assert_eq!(shape("encoder.enc_blocks.0.bn1.num_batches_tracked"), [0; 0]);
    // [rows, columns, in, out] -> [out, in, rows, columns], element by element.
    let dims = [2, 3, 4, 5];
    let place =
        element_order(&dims, WeightLayout::Convolution).nth(((4 * 4 + 2) * 2 + 1) * 3 + 2).unwrap();
    assert_eq!(place, ((3 + 2) * 4 + 2) * 5 + 4);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save(&path, &net(1, &[3, 6]), Metadata::new()).unwrap();
    let mut other = net(2, &[3, 5]);
    let before = outputs(&mut other);
    let error = load(&path, &mut other).unwrap_err();
    assert!(matches!(error, Error::Shapes { .. }), "{error}");
    assert!(error.to_string().contains("the network has [5, 3, 3, 3] and"), "{error}");
    assert_eq!(outputs(&mut other), before);

    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = load(&path, &mut other).unwrap_err().to_string();
    assert!(error.contains("not a complete safetensors file"), "{error}");

    let foreign =
        BTreeMap::from([("a.b".into(), EncodedTensor::plain(&Tensor::scalar(1.0f32)).unwrap())]);
    write(&path, None, &foreign, &Metadata::new()).unwrap();
    let error = load(&path, &mut other).unwrap_err().to_string();
    assert!(error.contains("none of its 1 tensors belongs to this network"), "{error}");
}

#[test]
fn progress_that_lacks_a_tensor_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("progress.safetensors");
    let mut whole = encoded_state(&net(1, &[3, 5])).unwrap();
    whole.remove("decoder.output_convs.0.bias");
    write(&path, None, &whole, &Metadata::new()).unwrap();
    let mut other = net(2, &[3, 5]);
    let before = outputs(&mut other);
    let settings = SgdSettings { momentum: 0.9, nesterov: false, decay_matrices_only: false };
    let error = load_progress(&path, &mut other, &mut Sgd::new(settings)).unwrap_err();
    assert!(error.to_string().contains("decoder.output_convs.0.bias"), "{error}");
    assert_eq!(outputs(&mut other), before);

    let deep = EncodedTensor::plain(&Tensor::scalar(1.0f32)).unwrap();
    let deep = BTreeMap::from([("momentum.x".into(), EncodedTensor { shape: vec![1; 7], ..deep })]);
    write(&path, None, &deep, &Metadata::new()).unwrap();
    let error = load_progress(&path, &mut other, &mut Sgd::new(settings)).unwrap_err();
    assert!(error.to_string().contains("momentum.x has 7 axes"), "{error}");
}

#[test]
fn double_precision_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let net = |seed| UNet::new(&mut Init::new(seed, 0, DType::F64), &[3, 5], 3, 1).unwrap();
    let (mut a, mut b) = (net(1), net(2));
    save(&path, &a, Metadata::new()).unwrap();
    load(&path, &mut b).unwrap();
    let x = Tensor::zeros::<f64>([1, 4, 4, 1]);
    let outputs = [&mut a, &mut b].map(|net| net.forward(&x, Mode::Evaluate).unwrap()[0].to_f64());
    assert_eq!(outputs[0], outputs[1]);
}

/// The tensors of a network, of which `change` spoils one.
fn spoilt(name: &str, change: impl Fn(&mut [u8])) -> BTreeMap<String, EncodedTensor> {
    let mut tensors = encoded_state(&net(1, &[3, 5])).unwrap();
    change(&mut tensors.get_mut(name).unwrap().bytes);
    tensors
}

#[test]
fn a_flipped_bit_anywhere_is_found_or_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let texts = Metadata::from([("settings".into(), "{}".into()), ("state".into(), "1".into())]);
    save(&path, &net(1, &[2]), texts.clone()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    save(&path, &net(1, &[2]), texts).unwrap();
    assert!(std::fs::read(&path).unwrap() == whole, "equal content makes equal files");

    let mut other = net(2, &[2]);
    let (before, wanted) = (outputs(&mut other), outputs(&mut net(1, &[2])));
    let mut accepted = 0;
    for index in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[index] ^= 1 << (index % 8);
        std::fs::write(&path, &bytes).unwrap();
        match load(&path, &mut other) {
            // Only the name of the checksum may change unseen.
            Ok(_) => {
                assert_eq!(outputs(&mut other), wanted, "byte {index}");
                other = net(2, &[2]);
                accepted += 1;
            }
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("damaged") && !error.contains('\n'), "{error}");
                assert!(metadata(&path).is_err() && shapes(&path).is_err(), "byte {index}");
            }
        }
        assert_eq!(outputs(&mut other), before);
    }
    assert!(accepted <= checksum::KEY.len(), "{accepted}");
}

#[test]
fn a_file_without_a_checksum_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensors = encoded_state(&net(1, &[3, 5])).unwrap();
    let texts = Metadata::from([("epoch".into(), "3".into())]);
    std::fs::write(&path, safetensors::serialize(&tensors, Some(texts.clone())).unwrap()).unwrap();
    assert_eq!(load(&path, &mut net(2, &[3, 5])).unwrap().matched, 46);
    assert_eq!(metadata(&path).unwrap(), texts);
}

#[test]
fn values_that_no_network_can_use_are_refused_by_the_name_of_their_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let (weight, variance) =
        ("decoder.output_convs.0.weight", "encoder.enc_blocks.1.bn1.running_var");
    for (name, value, says) in [
        (weight, f32::NAN, "not finite (at 2: NaN)"),
        (weight, f32::NEG_INFINITY, "not finite (at 2: -inf)"),
        (variance, f32::NAN, "not a variance (at 2: NaN)"),
        (variance, -0.5, "not a variance (at 2: -0.5)"),
    ] {
        let change = |bytes: &mut [u8]| bytes[8..12].copy_from_slice(&value.to_le_bytes());
        write(&path, None, &spoilt(name, change), &Metadata::new()).unwrap();
        let mut other = net(2, &[3, 5]);
        let before = outputs(&mut other);
        let refusals = [check(&path, &other).unwrap_err(), load(&path, &mut other).unwrap_err()];
        for refusal in refusals.map(|error| error.to_string()) {
            assert!(refusal.contains(name) && refusal.contains(says), "{refusal}");
        }
        assert_eq!(outputs(&mut other), before);
    }
}

/// A double that is finite and that the network's own type is too small for.
#[test]
fn a_weight_that_overflows_in_the_networks_type_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut tensors = encoded_state(&net(1, &[3, 5])).unwrap();
    let name = "decoder.output_convs.0.bias";
    let huge = Tensor::from_slice(&[1.0, 2.0, 1e300], [3]).unwrap();
    tensors.insert(name.into(), EncodedTensor::plain(&huge).unwrap());
    write(&path, None, &tensors, &Metadata::new()).unwrap();
    let error = load(&path, &mut net(2, &[3, 5])).unwrap_err().to_string();
    assert!(error.contains(name), "{error}");
}

#[test]
fn momentum_that_is_not_finite_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [path, older] = ["progress", "previous"].map(|name| folder.path().join(name));
    let settings = SgdSettings { momentum: 0.9, nesterov: false, decay_matrices_only: false };
    let (mut a, mut optimiser) = (net(1, &[3, 5]), Sgd::new(settings));
    let name = "decoder.output_convs.0.bias";
    let momentum = Tensor::from_slice(&[0.0f32, f32::NAN, 0.0], [3]).unwrap();
    optimiser.set_momentum(BTreeMap::from([(name.to_owned(), momentum)]));
    save_progress(&path, &older, &a, &optimiser, Metadata::new()).unwrap();
    let error = load_progress(&path, &mut a, &mut optimiser).unwrap_err().to_string();
    assert!(error.contains(&format!("momentum.{name}")), "{error}");
}

#[test]
fn what_progress_was_before_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let [path, older] = ["progress", "previous"].map(|name| folder.path().join(name));
    let settings = SgdSettings { momentum: 0.9, nesterov: false, decay_matrices_only: false };
    let mut optimiser = Sgd::new(settings);
    for seed in 1..4 {
        save_progress(&path, &older, &net(seed, &[3]), &optimiser, Metadata::new()).unwrap();
        assert_eq!(older.exists(), seed > 1);
    }
    for (file, seed) in [(&older, 2), (&path, 3)] {
        let mut read = net(9, &[3]);
        load_progress(file, &mut read, &mut optimiser).unwrap();
        assert_eq!(outputs(&mut read), outputs(&mut net(seed, &[3])));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
