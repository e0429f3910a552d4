//! Checkpoints: safetensors under the published names, in PyTorch's layouts, in the network's own
//! precision. State dicts that PyTorch saved (`.pt`, `.pth`) are read as well.

mod file;
mod found;
mod pytorch;
mod stored;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io::Write;
use std::path::Path;

use safetensors::serialize;
use safetensors::tensor::Dtype;

use crate::{Error, Layout, Module, Result, Sgd, Slot};
use file::File;
use found::Found;
use stored::{Stored, file_shape};

/// Text kept beside the tensors.
pub type Metadata = HashMap<String, String>;

/// What a file held of what a network wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tensors taken over.
    pub matched: usize,
    /// Wanted, but not in the file.
    pub missing: Vec<String>,
    /// In the file, but not wanted.
    pub unexpected: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors matched", self.matched)?;
        for (names, what) in [(&self.missing, "not in the file"), (&self.unexpected, "left over")] {
            match names.as_slice() {
                [] => {}
                [one] => write!(f, ", 1 {what} ({one})")?,
                [first, .., last] => write!(f, ", {} {what} ({first} to {last})", names.len())?,
            }
        }
        Ok(())
    }
}

/// Writes every parameter and buffer of `module`, replacing `path` at once or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, module: &mut dyn Module, metadata: Metadata) -> Result<()> {
    write(path, &stored_tensors(module)?, metadata)
}

fn stored_tensors(module: &mut dyn Module) -> Result<BTreeMap<String, Stored>> {
    let mut tensors = BTreeMap::new();
    let mut failure = None;
    module.visit("", &mut |name, slot| {
        let stored = match slot {
            Slot::Parameter(p) => Stored::of(p.tensor(), p.layout()),
            Slot::Buffer(b) => Stored::of(b, Layout::Plain),
            Slot::Counter(n) => Ok(Stored {
                dtype: Dtype::I64,
                shape: vec![],
                bytes: (*n as i64).to_le_bytes().to_vec(),
            }),
        };
        match stored {
            Ok(stored) => _ = tensors.insert(name.to_owned(), stored),
            Err(error) => failure = Some(error),
        }
    });
    match failure {
        None => Ok(tensors),
        Some(error) => Err(Error::Tensor(error)),
    }
}

/// Writes a network with what its optimiser remembers, exactly, in one file: what it takes to go
/// on as if nothing had happened. `path` is replaced at once or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn save_progress(
    path: &Path,
    module: &mut dyn Module,
    optimiser: &Sgd,
    metadata: Metadata,
) -> Result<()> {
    let mut tensors = stored_tensors(module)?;
    for (name, tensor) in optimiser.momentum() {
        tensors.insert(format!("{MOMENTUM}{name}"), Stored::of(tensor, Layout::Plain)?);
    }
    write(path, &tensors, metadata)
}

/// Reads back what [`save_progress`] wrote, and returns its metadata.
///
/// # Errors
/// When the file cannot be read, is not whole, or belongs to another network. Network and
/// optimiser are then as they were.
pub fn load_progress(
    path: &Path,
    module: &mut dyn Module,
    optimiser: &mut Sgd,
) -> Result<Metadata> {
    let file = File::open(path)?;
    let (mut found, metadata) = (file.tensors()?, file.metadata()?);
    let mut momentum = BTreeMap::new();
    for (whole, tensor) in found.extract_if(|name, _| name.starts_with(MOMENTUM)) {
        let value = tensor.plain();
        let value = value.map_err(|what| Error::checkpoint(path, format!("{whole} {what}")))?;
        momentum.insert(whole[MOMENTUM.len()..].to_owned(), value);
    }
    optimiser.check(&momentum, module).map_err(|what| Error::checkpoint(path, what))?;
    let report = compare(path, &found, module)?;
    if let Some(name) = report.missing.first().or(report.unexpected.first()) {
        let what = format!("{name} and the network do not match; start the stage afresh");
        return Err(Error::checkpoint(path, what));
    }
    take_over(&found, module)?;
    optimiser.remember(momentum);
    Ok(metadata)
}

/// Names of the optimiser's tensors start with this.
const MOMENTUM: &str = "momentum.";

/// What [`load`] would say, without taking anything over.
///
/// # Errors
/// As [`load`].
pub fn check(path: &Path, module: &mut dyn Module) -> Result<Report> {
    compare(path, &File::open(path)?.tensors()?, module)
}

/// Takes over what the file holds of the parameters and buffers of `module`.
///
/// # Errors
/// When the file cannot be read, is not whole, fits nowhere, or holds a wanted tensor in another
/// shape. The network is then as it was.
pub fn load(path: &Path, module: &mut dyn Module) -> Result<Report> {
    let file = File::open(path)?;
    let found = file.tensors()?;
    let report = compare(path, &found, module)?;
    take_over(&found, module)?;
    Ok(report)
}

fn take_over(found: &HashMap<String, Found<'_>>, module: &mut dyn Module) -> Result<()> {
    let mut outcome = Ok(());
    module.visit("", &mut |name, slot| {
        let Some(found) = found.get(name) else { return };
        let moved = match slot {
            Slot::Parameter(p) => {
                let value = found.like(p.tensor(), p.layout());
                value.on(&p.tensor().device()).map(|value| p.set(value))
            }
            Slot::Buffer(b) => found.like(b, Layout::Plain).on(&b.device()).map(|value| *b = value),
            Slot::Counter(n) => {
                *n = found.count();
                Ok(())
            }
        };
        if let Err(error) = moved {
            outcome = Err(Error::Tensor(error));
        }
    });
    outcome
}

/// The text kept beside the tensors of a file; files of PyTorch have none.
///
/// # Errors
/// When the file cannot be read or is not whole.
pub fn metadata(path: &Path) -> Result<Metadata> {
    File::open(path)?.metadata()
}

/// Names and shapes of the tensors in a file, in PyTorch's order of axes.
///
/// # Errors
/// When the file cannot be read or is not whole.
pub fn shapes(path: &Path) -> Result<BTreeMap<String, Vec<usize>>> {
    File::open(path)?.shapes()
}

/// What a file holds of what a network wants, without taking it over. A file that does not fit is
/// an error.
fn compare(
    path: &Path,
    found: &HashMap<String, Found<'_>>,
    module: &mut dyn Module,
) -> Result<Report> {
    let mut report = Report::default();
    let mut wanted = HashSet::new();
    let mut first = None;
    let mut wrong = Vec::new();
    let mut not_floats = None;
    module.visit("", &mut |name, slot| {
        first.get_or_insert_with(|| name.to_owned());
        wanted.insert(name.to_owned());
        let Some(stored) = found.get(name) else {
            // Files of PyTorch before 0.4.1 lack the counters; they change nothing.
            if !matches!(slot, Slot::Counter(_)) {
                report.missing.push(name.to_owned());
            }
            return;
        };
        report.matched += 1;
        let shape = match slot {
            Slot::Parameter(p) => file_shape(p.tensor().dims(), p.layout()),
            Slot::Buffer(b) => b.dims().to_vec(),
            Slot::Counter(_) => return,
        };
        if stored.shape != shape {
            wrong.push(format!("{name} is {:?}, the network has {shape:?}", stored.shape));
        } else if !stored.is_float() {
            not_floats.get_or_insert(format!("{name} is of type {:?}", stored.dtype));
        }
    });
    if let Some(what) = not_floats {
        return Err(Error::checkpoint(path, format!("{what}; weights are floats")));
    }
    report.unexpected = found.keys().filter(|name| !wanted.contains(*name)).cloned().collect();
    report.unexpected.sort();
    if report.matched == 0 {
        return Err(Error::checkpoint(
            path,
            format!(
                "none of its {} tensors belongs to this network (which has {}, ...)",
                found.len(),
                first.unwrap_or_default()
            ),
        ));
    }
    match wrong.as_slice() {
        [] => Ok(report),
        [one, more @ ..] => Err(Error::checkpoint(
            path,
            format!(
                "{one}{}; was it trained with other channels \
                 (network.channels, --preset)?",
                if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) }
            ),
        )),
    }
}

fn write(path: &Path, tensors: &BTreeMap<String, Stored>, metadata: Metadata) -> Result<()> {
    let bytes = serialize(tensors, Some(metadata))
        .map_err(|error| Error::checkpoint(path, error.to_string()))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let attempt = || -> std::io::Result<()> {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            // A temporary file is private by default; weights are as open as the umask has it.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(&bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    attempt().map_err(|error| Error::io(path, error))
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;
    use tensor::{DType, Tensor};

    use super::stored::places;
    use super::*;
    use crate::{Init, Mode, UNet};

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
        save(&path, &mut a, Metadata::from([("epoch".into(), "3".into())])).unwrap();
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
        save(&path, &mut net(1, &[3, 5]), Metadata::new()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let shape = |name: &str| file.tensor(name).unwrap().shape().to_vec();
        assert_eq!(shape("encoder.enc_blocks.1.conv1.weight"), [5, 3, 3, 3]);
        assert_eq!(shape("decoder.upconvs.0.weight"), [5, 3, 2, 2]);
        assert_eq!(shape("encoder.enc_blocks.0.bn1.num_batches_tracked"), [0; 0]);
        // [rows, columns, in, out] -> [out, in, rows, columns], element by element.
        let dims = [2, 3, 4, 5];
        let place = places(&dims, Layout::Convolution).nth(((4 * 4 + 2) * 2 + 1) * 3 + 2).unwrap();
        assert_eq!(place, ((3 + 2) * 4 + 2) * 5 + 4);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        save(&path, &mut net(1, &[3, 6]), Metadata::new()).unwrap();
        let mut other = net(2, &[3, 5]);
        let before = outputs(&mut other);
        let error = load(&path, &mut other).unwrap_err().to_string();
        assert!(error.contains("was it trained with other channels"), "{error}");
        assert_eq!(outputs(&mut other), before);

        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = load(&path, &mut other).unwrap_err().to_string();
        assert!(error.contains("not a whole safetensors file"), "{error}");

        let foreign = BTreeMap::from([(
            "a.b".into(),
            Stored::of(&Tensor::scalar(1.0f32), Layout::Plain).unwrap(),
        )]);
        write(&path, &foreign, Metadata::new()).unwrap();
        let error = load(&path, &mut other).unwrap_err().to_string();
        assert!(error.contains("none of its 1 tensors belongs to this network"), "{error}");
    }

    #[test]
    fn progress_that_lacks_a_tensor_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("progress.safetensors");
        let mut whole = stored_tensors(&mut net(1, &[3, 5])).unwrap();
        whole.remove("decoder.output_convs.0.bias");
        write(&path, &whole, Metadata::new()).unwrap();
        let mut other = net(2, &[3, 5]);
        let before = outputs(&mut other);
        let settings = crate::SgdSettings {
            momentum: 0.9,
            nesterov: false,
            weight_decay: 0.0,
            decay_matrices_only: false,
        };
        let error = load_progress(&path, &mut other, &mut Sgd::new(settings)).unwrap_err();
        assert!(error.to_string().contains("decoder.output_convs.0.bias"), "{error}");
        assert_eq!(outputs(&mut other), before);

        let deep = Stored::of(&Tensor::scalar(1.0f32), Layout::Plain).unwrap();
        let deep = BTreeMap::from([("momentum.x".into(), Stored { shape: vec![1; 7], ..deep })]);
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
        save(&path, &mut a, Metadata::new()).unwrap();
        load(&path, &mut b).unwrap();
        let x = Tensor::zeros::<f64>([1, 4, 4, 1]);
        let outputs =
            [&mut a, &mut b].map(|net| net.forward(&x, Mode::Evaluate).unwrap()[0].to_f64());
        assert_eq!(outputs[0], outputs[1]);
    }
}
