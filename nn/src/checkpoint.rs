//! Checkpoints: safetensors under the published names, in PyTorch's layouts, as `f32`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::Write;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use tensor::{DType, Float, Tensor};

use crate::{Error, Layout, Module, Result, Sgd, Slot};

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
    write(path, &stored_tensors(module), metadata)
}

fn stored_tensors(module: &mut dyn Module) -> BTreeMap<String, Stored> {
    let mut tensors = BTreeMap::new();
    module.visit("", &mut |name, slot| {
        let stored = match slot {
            Slot::Parameter(p) => Stored::floats(&to_file(p.tensor(), p.layout())),
            Slot::Buffer(b) => Stored::floats(&to_file(b, Layout::Plain)),
            Slot::Counter(n) => Stored {
                dtype: Dtype::I64,
                shape: vec![],
                bytes: (*n as i64).to_le_bytes().to_vec(),
            },
        };
        tensors.insert(name.to_owned(), stored);
    });
    tensors
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
    let mut tensors = stored_tensors(module);
    for (name, tensor) in optimiser.momentum() {
        tensors.insert(format!("{MOMENTUM}{name}"), Stored::exactly(tensor));
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
    let (mut found, metadata) = read(path)?;
    let mut momentum = BTreeMap::new();
    found.retain(|name, stored| match name.strip_prefix(MOMENTUM) {
        None => true,
        Some(name) => {
            let dtype = if stored.dtype == Dtype::F64 { DType::F64 } else { DType::F32 };
            momentum.insert(name.to_owned(), tensor_of(&stored.values(), &stored.shape, dtype));
            false
        }
    });
    optimiser.check(&momentum, module).map_err(|what| Error::checkpoint(path, what))?;
    let report = take_over(path, found, module)?;
    if let Some(name) = report.missing.first().or(report.unexpected.first()) {
        let what = format!("{name} and the network do not match; start the stage afresh");
        return Err(Error::checkpoint(path, what));
    }
    optimiser.remember(momentum);
    Ok(metadata)
}

/// Names of the optimiser's tensors start with this.
const MOMENTUM: &str = "momentum.";

/// Takes over what the file holds of the parameters and buffers of `module`.
///
/// # Errors
/// When the file cannot be read, is not whole, fits nowhere, or holds a wanted tensor in another
/// shape. The network is then as it was.
pub fn load(path: &Path, module: &mut dyn Module) -> Result<Report> {
    take_over(path, read(path)?.0, module)
}

fn take_over(
    path: &Path,
    mut found: HashMap<String, Stored>,
    module: &mut dyn Module,
) -> Result<Report> {
    check_shapes(path, module, &found)?;
    let mut report = Report::default();
    module.visit("", &mut |name, slot| {
        let Some(stored) = found.remove(name) else {
            // Files of PyTorch before 0.4.1 lack the counters; they change nothing.
            if !matches!(slot, Slot::Counter(_)) {
                report.missing.push(name.to_owned());
            }
            return;
        };
        report.matched += 1;
        match slot {
            Slot::Parameter(p) => p.set(from_file(&stored, p.tensor(), p.layout())),
            Slot::Buffer(b) => *b = from_file(&stored, b, Layout::Plain),
            Slot::Counter(n) => *n = stored.values().first().map_or(0, |&v| v as u64),
        }
    });
    report.unexpected = found.into_keys().collect();
    report.unexpected.sort();
    Ok(report)
}

/// Everything in a file.
fn read(path: &Path) -> Result<(HashMap<String, Stored>, Metadata)> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    let mut found = HashMap::new();
    for (name, view) in parse(path, &bytes)?.tensors() {
        let stored = Stored::read(path, &name, &view)?;
        found.insert(name, stored);
    }
    Ok((found, metadata_of(path, &bytes)?))
}

/// The text kept beside the tensors of a file.
///
/// # Errors
/// When the file cannot be read or is not whole.
pub fn metadata(path: &Path) -> Result<Metadata> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    parse(path, &bytes)?;
    metadata_of(path, &bytes)
}

fn metadata_of(path: &Path, bytes: &[u8]) -> Result<Metadata> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|error| Error::checkpoint(path, error.to_string()))?;
    Ok(header.metadata().clone().unwrap_or_default())
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(bytes).map_err(|error| {
        Error::checkpoint(path, format!("not a whole safetensors file ({error}); write it again"))
    })
}

/// Nothing is taken over from a file that does not fit.
fn check_shapes(
    path: &Path,
    module: &mut dyn Module,
    found: &HashMap<String, Stored>,
) -> Result<()> {
    let mut matched = 0;
    let mut first = None;
    let mut wrong = Vec::new();
    module.visit("", &mut |name, slot| {
        first.get_or_insert_with(|| name.to_owned());
        let Some(stored) = found.get(name) else { return };
        matched += 1;
        let wanted = match slot {
            Slot::Parameter(p) => file_shape(p.tensor().dims(), p.layout()),
            Slot::Buffer(b) => b.dims().to_vec(),
            Slot::Counter(_) => return,
        };
        if stored.shape != wanted {
            wrong.push(format!("{name} is {:?}, the network has {wanted:?}", stored.shape));
        }
    });
    if matched == 0 {
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
        [] => Ok(()),
        [one, more @ ..] => Err(Error::checkpoint(
            path,
            format!(
                "{one}{}; was it trained with other channels?",
                if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) }
            ),
        )),
    }
}

/// A tensor as a file has it.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    fn floats((shape, values): &(Vec<usize>, Vec<f64>)) -> Self {
        let bytes = values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect();
        Stored { dtype: Dtype::F32, shape: shape.clone(), bytes }
    }

    fn exactly(tensor: &Tensor) -> Self {
        let shape = tensor.dims().to_vec();
        let values = tensor.to_f64();
        match tensor.dtype() {
            DType::F64 => Stored {
                dtype: Dtype::F64,
                shape,
                bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            },
            _ => Self::floats(&(shape, values)),
        }
    }

    fn read(path: &Path, name: &str, view: &TensorView<'_>) -> Result<Self> {
        let dtype = view.dtype();
        if ![Dtype::F16, Dtype::BF16, Dtype::F32, Dtype::F64, Dtype::I64].contains(&dtype) {
            let what = format!("{name} is of type {dtype:?}; weights are floats");
            return Err(Error::checkpoint(path, what));
        }
        Ok(Stored { dtype, shape: view.shape().to_vec(), bytes: view.data().to_vec() })
    }

    fn values(&self) -> Vec<f64> {
        let wide = |size| self.bytes.chunks_exact(size);
        match self.dtype {
            Dtype::F64 => wide(8).map(|b| b.try_into().map_or(0.0, f64::from_le_bytes)).collect(),
            Dtype::I64 => {
                wide(8).map(|b| b.try_into().map_or(0, i64::from_le_bytes) as f64).collect()
            }
            Dtype::F16 => wide(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f64()).collect(),
            Dtype::BF16 => wide(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f64()).collect(),
            _ => wide(4).map(|b| f64::from(b.try_into().map_or(0.0, f32::from_le_bytes))).collect(),
        }
    }
}

impl safetensors::View for &Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        (&self.bytes).into()
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn write(path: &Path, tensors: &BTreeMap<String, Stored>, metadata: Metadata) -> Result<()> {
    let bytes = serialize(tensors, Some(metadata))
        .map_err(|error| Error::checkpoint(path, error.to_string()))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let attempt = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    attempt().map_err(|error| Error::io(path, error))
}

/// The order of axes in a file, as places in `[rows, columns, in, out]`.
fn axes(layout: Layout) -> Option<[usize; 4]> {
    match layout {
        Layout::Plain => None,
        Layout::Convolution => Some([3, 2, 0, 1]),
        Layout::TransposedConvolution => Some([2, 3, 0, 1]),
    }
}

fn file_shape(dims: &[usize], layout: Layout) -> Vec<usize> {
    match axes(layout) {
        None => dims.to_vec(),
        Some(axes) => axes.iter().map(|&axis| dims[axis]).collect(),
    }
}

/// For each element of a file, in order, where it lies inside.
fn places(dims: &[usize], axes: [usize; 4]) -> impl Iterator<Item = usize> {
    let strides = [dims[1] * dims[2] * dims[3], dims[2] * dims[3], dims[3], 1];
    let (n, s) = (axes.map(|a| dims[a]), axes.map(|a| strides[a]));
    (0..n.iter().product()).map(move |i| {
        let (k3, i) = (i % n[3], i / n[3]);
        let (k2, i) = (i % n[2], i / n[2]);
        let (k1, k0) = (i % n[1], i / n[1]);
        k0 * s[0] + k1 * s[1] + k2 * s[2] + k3 * s[3]
    })
}

fn to_file(tensor: &Tensor, layout: Layout) -> (Vec<usize>, Vec<f64>) {
    let values = tensor.to_f64();
    let values = match axes(layout) {
        None => values,
        Some(axes) => places(tensor.dims(), axes).map(|place| values[place]).collect(),
    };
    (file_shape(tensor.dims(), layout), values)
}

/// A stored tensor with the shape, dtype and layout of `like`.
fn from_file(stored: &Stored, like: &Tensor, layout: Layout) -> Tensor {
    let read = stored.values();
    let values = match axes(layout) {
        None => read,
        Some(axes) => {
            let mut values = vec![0.0; read.len()];
            places(like.dims(), axes).zip(read).for_each(|(place, v)| values[place] = v);
            values
        }
    };
    tensor_of(&values, like.dims(), like.dtype())
}

fn tensor_of(values: &[f64], dims: &[usize], dtype: DType) -> Tensor {
    fn build<T: Float>(values: &[f64], dims: &[usize]) -> Tensor {
        Tensor::build::<T>(dims, |out| {
            out.iter_mut().zip(values).for_each(|(out, &v)| *out = T::from_f64(v));
        })
    }
    match dtype {
        DType::F64 => build::<f64>(values, dims),
        _ => build::<f32>(values, dims),
    }
}

#[cfg(test)]
mod tests {
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
        let place = places(&dims, [3, 2, 0, 1]).nth(((4 * 4 + 2) * 2 + 1) * 3 + 2).unwrap();
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
        assert!(error.contains("was it trained with other channels?"), "{error}");
        assert_eq!(outputs(&mut other), before);

        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = load(&path, &mut other).unwrap_err().to_string();
        assert!(error.contains("not a whole safetensors file"), "{error}");

        let foreign = BTreeMap::from([("a.b".into(), Stored::exactly(&Tensor::scalar(1.0f32)))]);
        write(&path, &foreign, Metadata::new()).unwrap();
        let error = load(&path, &mut other).unwrap_err().to_string();
        assert!(error.contains("none of its 1 tensors belongs to this network"), "{error}");
    }
}
