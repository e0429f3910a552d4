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
    write(&path, &foreign, Metadata::new()).unwrap();
    let error = load(&path, &mut other).unwrap_err().to_string();
    assert!(error.contains("none of its 1 tensors belongs to this network"), "{error}");
}

#[test]
fn progress_that_lacks_a_tensor_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("progress.safetensors");
    let mut whole = encoded_state(&net(1, &[3, 5])).unwrap();
    whole.remove("decoder.output_convs.0.bias");
    write(&path, &whole, Metadata::new()).unwrap();
    let mut other = net(2, &[3, 5]);
    let before = outputs(&mut other);
    let settings = SgdSettings { momentum: 0.9, nesterov: false, decay_matrices_only: false };
    let error = load_progress(&path, &mut other, &mut Sgd::new(settings)).unwrap_err();
    assert!(error.to_string().contains("decoder.output_convs.0.bias"), "{error}");
    assert_eq!(outputs(&mut other), before);

    let deep = EncodedTensor::plain(&Tensor::scalar(1.0f32)).unwrap();
    let deep = BTreeMap::from([("momentum.x".into(), EncodedTensor { shape: vec![1; 7], ..deep })]);
    write(&path, &deep, Metadata::new()).unwrap();
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
