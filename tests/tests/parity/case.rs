//! A golden case: what PyTorch was given and what it found.

use std::collections::BTreeMap;
use std::path::Path;

use kernels::check::compare::{largest, worse};
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use tensor::random::{Purpose, Stream};
use tensor::{DType, Device, Result, Tensor, with_float};

/// A tensor in PyTorch's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Values, outermost axis first.
    pub values: Vec<f64>,
}

/// Where and how precisely a case is computed.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where tensors lie.
    pub device: Device,
    /// Their dtype.
    pub dtype: DType,
}

impl Place {
    /// On the CPU.
    pub fn host(dtype: DType) -> Self {
        Place { device: Device::Cpu, dtype }
    }

    /// There, in float64.
    pub fn exact(&self) -> Self {
        Place { dtype: DType::F64, ..self.clone() }
    }
}

/// Tensors by name; names start with `in.`, `param.`, `out.`, `grad.` or `after.`.
pub type Goldens = BTreeMap<String, Golden>;

/// What a `.safetensors` file of golden values holds.
pub struct Case {
    /// The folder's and the file's name.
    pub name: String,
    /// What is pinned, as the cases' README lists it.
    pub kind: String,
    config: serde_json::Value,
    tensors: Goldens,
}

impl Case {
    /// Reads a case; a failure is one line that names the file.
    pub fn read(path: &Path) -> std::result::Result<Self, String> {
        let fail = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let bytes = std::fs::read(path).map_err(|e| fail(&e))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| fail(&e))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| fail(&e))?;
        let text = |key: &str| {
            let found = header.metadata().as_ref().and_then(|metadata| metadata.get(key));
            found.cloned().ok_or_else(|| fail(&format!("no `{key}` in its metadata")))
        };
        let mut tensors = Goldens::new();
        for (name, view) in file.tensors() {
            let values = values(view.dtype(), view.data())
                .ok_or_else(|| fail(&format!("{name} is of type {:?}", view.dtype())))?;
            tensors.insert(name, Golden { shape: view.shape().to_vec(), values });
        }
        Ok(Case {
            name: name(path),
            kind: text("kind")?,
            config: serde_json::from_str(&text("config")?).map_err(|e| fail(&e))?,
            tensors,
        })
    }

    /// The settings, as the type that the kind has for them.
    pub fn settings<T: DeserializeOwned>(&self) -> T {
        T::deserialize(&self.config).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// The input `in.{name}`.
    pub fn input(&self, name: &str) -> &Golden {
        let found = self.tensors.get(&format!("in.{name}"));
        found.unwrap_or_else(|| panic!("{}: no input {name}", self.name))
    }

    /// Whether there is an input `in.{name}`.
    pub fn has_input(&self, name: &str) -> bool {
        self.tensors.contains_key(&format!("in.{name}"))
    }

    /// Starting parameters and buffers, by their published names.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Golden)> {
        self.tensors.iter().filter_map(|(name, t)| Some((name.strip_prefix("param.")?, t)))
    }

    /// One of the [`results`](Self::results).
    pub fn result(&self, name: &str) -> Option<&Golden> {
        self.tensors.get(name)
    }

    /// How far a parameter of this published name moves over the steps of the case, at most.
    pub fn moved(&self, name: &str) -> Option<f64> {
        let [before, after] = ["param", "after"].map(|k| self.tensors.get(&format!("{k}.{name}")));
        let pairs = before?.values.iter().zip(&after?.values);
        Some(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, worse))
    }

    /// How many values it holds.
    pub fn size(&self) -> usize {
        self.tensors.values().map(|tensor| tensor.values.len()).sum()
    }

    /// Everything that the engine must find.
    pub fn results(&self) -> impl Iterator<Item = (&String, &Golden)> {
        let given = |name: &str| name.starts_with("in.") || name.starts_with("param.");
        self.tensors.iter().filter(move |(name, _)| !given(name))
    }
}

impl Case {
    /// The same case with images, features and parameters changed by up to 2^-22 of themselves: a
    /// few roundings of float32. Each draw changes them otherwise.
    pub fn perturbed(&self, draw: u32) -> Self {
        const SIZE: f64 = 1.0 / (1 << 22) as f64;
        let mut stream = Stream::new(0, Purpose::CHECK, 3, draw);
        let mut tensors = self.tensors.clone();
        for (name, tensor) in &mut tensors {
            let real =
                ["in.image", "in.features", "in.global", "in.local"].contains(&name.as_str());
            let parameter = name.starts_with("param.") && !name.ends_with("num_batches_tracked");
            if real || parameter {
                tensor.values.iter_mut().for_each(|v| *v *= 1.0 + stream.uniform(-SIZE, SIZE));
            }
        }
        Case {
            name: self.name.clone(),
            kind: self.kind.clone(),
            config: self.config.clone(),
            tensors,
        }
    }
}

/// `folder/file` without extension, which tells apart equal names in several folders.
fn name(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let file = path.file_stem().unwrap_or_default();
    format!("{}/{}", folder.to_string_lossy(), file.to_string_lossy())
}

/// Little-endian bytes as numbers.
fn values(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f64>> {
    fn each<const N: usize>(bytes: &[u8], number: fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks().0.iter().map(|&chunk| number(chunk)).collect()
    }
    match dtype {
        Dtype::F32 => Some(each(bytes, |b| f64::from(f32::from_le_bytes(b)))),
        Dtype::F64 => Some(each(bytes, f64::from_le_bytes)),
        Dtype::I64 => Some(each(bytes, |b| i64::from_le_bytes(b) as f64)),
        _ => None,
    }
}

impl Golden {
    /// A tensor of the engine, as it is laid out there, wherever it lies.
    pub fn of(tensor: &Tensor) -> Self {
        let host = tensor.to_device(&Device::Cpu).unwrap_or_else(|error| panic!("{error}"));
        Golden { shape: tensor.dims().to_vec(), values: host.to_f64() }
    }

    /// A single number.
    pub fn scalar(value: f64) -> Self {
        Golden { shape: vec![], values: vec![value] }
    }

    /// A list of numbers.
    pub fn list(values: Vec<f64>) -> Self {
        Golden { shape: vec![values.len()], values }
    }

    /// The largest absolute value; infinite where one is not a number.
    pub fn largest(&self) -> f64 {
        largest(&self.values)
    }

    /// The same values with axes in another order: axis `k` of the result is axis `order[k]`.
    pub fn permuted(&self, order: [usize; 4]) -> Self {
        assert_eq!(self.shape.len(), 4, "{:?}", self.shape);
        let extents = order.map(|axis| self.shape[axis]);
        let strides = order.map(|axis| self.shape[axis + 1..].iter().product::<usize>());
        let mut values = Vec::with_capacity(self.values.len());
        for a in 0..extents[0] {
            for b in 0..extents[1] {
                for c in 0..extents[2] {
                    let start = a * strides[0] + b * strides[1] + c * strides[2];
                    values.extend((0..extents[3]).map(|d| self.values[start + d * strides[3]]));
                }
            }
        }
        Golden { shape: extents.to_vec(), values }
    }

    /// Images that come `views` to a slice, reordered so that the first of all slices come first.
    pub fn by_view(&self, views: usize) -> Self {
        let size = self.values.len() / self.shape[0];
        let images: Vec<&[f64]> = self.values.chunks(size).collect();
        let ordered = (0..views).flat_map(|view| images.iter().skip(view).step_by(views));
        let values = ordered.flat_map(|image| image.iter().copied()).collect();
        Golden { shape: self.shape.clone(), values }
    }

    /// `[n, channels, rows, columns]` as `[n, rows, columns, channels]`.
    pub fn channels_last(&self) -> Self {
        self.permuted([0, 2, 3, 1])
    }

    /// `[n, rows, columns, channels]` as `[n, channels, rows, columns]`.
    pub fn channels_first(&self) -> Self {
        self.permuted([0, 3, 1, 2])
    }

    /// The position of the largest value along the channels of `[n, channels, rows, columns]`, the
    /// first of equal ones: `[n, rows, columns]`, as labels.
    pub fn classes(&self) -> (Vec<usize>, Vec<u8>) {
        let last = self.channels_last();
        let class = |pixel: &[f64]| {
            (1..pixel.len()).fold(0, |best, k| if pixel[k] > pixel[best] { k } else { best }) as u8
        };
        let labels = last.values.chunks_exact(last.shape[3]).map(class).collect();
        (last.shape[..3].to_vec(), labels)
    }

    /// A tensor of the engine, in the layout it has here.
    pub fn tensor(&self, on: &Place) -> Result<Tensor> {
        let host = with_float!("golden values", on.dtype, T => {
            let values: Vec<T> = self.values.iter().map(|&v| tensor::Feature::from_f64(v)).collect();
            Tensor::from_slice(&values, self.shape.as_slice())
        });
        host?.to_device(&on.device)
    }
}
