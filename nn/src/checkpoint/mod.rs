//! Checkpoints: safetensors files with the published names, in PyTorch's layouts and in the network's
//! own precision, with a checksum that is compared on every read. State dicts that PyTorch saved (`.pt`, `.pth`) can be read as well.

mod checksum;
mod encode;
mod error;
mod file_tensor;
mod progress;
mod pytorch;
mod weights_file;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;

use tensor::{DType, Tensor};

use crate::{Module, StateMut, StateRef};
use encode::{EncodedTensor, file_shape, safetensors_file};
use file_tensor::FileTensor;
use weights_file::WeightsFile;

pub use error::{Error, Result};
pub use progress::{load_progress, save_progress};

/// Text stored beside the tensors.
pub type Metadata = HashMap<String, String>;

/// How the tensors of a file and the state of a network match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Tensors that are in both.
    pub matched: usize,
    /// Names that only the network has.
    pub missing: Vec<String>,
    /// Names that only the file has.
    pub unexpected: Vec<String>,
}

impl fmt::Display for LoadReport {
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

/// Writes every parameter, buffer and counter of `module`. `path` is replaced at once or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, module: &dyn Module, metadata: Metadata) -> Result<()> {
    write(path, None, &encoded_state(module)?, &metadata)
}

/// Compares a file with `module`, and reads nothing into it.
///
/// # Errors
/// The same as those of [`load`].
pub fn check(path: &Path, module: &dyn Module) -> Result<LoadReport> {
    compare(path, &WeightsFile::open(path)?.tensors()?, module)
}

/// Reads the state of `module` that the file has.
///
/// # Errors
/// When the file cannot be read, is damaged, has nothing of this network, has part of it in another
/// shape, or has values that no network can use: not finite, or a negative variance. The network then
/// stays as it was.
pub fn load(path: &Path, module: &mut dyn Module) -> Result<LoadReport> {
    let file = WeightsFile::open(path)?;
    let tensors = file.tensors()?;
    let report = compare(path, &tensors, module)?;
    copy_into(module, &tensors)?;
    Ok(report)
}

/// The text stored beside the tensors of a file; PyTorch's files have none.
///
/// # Errors
/// When the file cannot be read or is damaged.
pub fn metadata(path: &Path) -> Result<Metadata> {
    WeightsFile::open(path)?.metadata()
}

/// Names and shapes of the tensors in a file, in PyTorch's order of axes.
///
/// # Errors
/// When the file cannot be read or is damaged.
pub fn shapes(path: &Path) -> Result<BTreeMap<String, Vec<usize>>> {
    WeightsFile::open(path)?.shapes()
}

/// The state of `module` as files have it.
fn encoded_state(module: &dyn Module) -> Result<BTreeMap<String, EncodedTensor>> {
    let encoded = module.state().into_iter().map(|(name, state)| {
        let tensor = match state {
            StateRef::Parameter(p) => EncodedTensor::weight(p.tensor(), p.layout())?,
            StateRef::Buffer(b) => EncodedTensor::plain(b.tensor())?,
            StateRef::Counter(n) => EncodedTensor::count(n.get()),
        };
        Ok((name, tensor))
    });
    encoded.collect()
}

fn copy_into(module: &mut dyn Module, tensors: &HashMap<String, FileTensor<'_>>) -> Result<()> {
    for (name, state) in module.state_mut() {
        let Some(tensor) = tensors.get(&name) else { continue };
        match state {
            StateMut::Parameter(parameter) => {
                let value = tensor.decode_as(parameter.tensor(), parameter.layout());
                parameter.set(value.to_device(&parameter.tensor().device())?)?;
            }
            StateMut::Buffer(buffer) => {
                let value = tensor.decode_as(buffer.tensor(), crate::WeightLayout::Plain);
                buffer.set(value.to_device(&buffer.tensor().device())?);
            }
            StateMut::Counter(counter) => counter.set(tensor.count()),
        }
    }
    Ok(())
}

/// How the tensors of a file and the state of a network match. A file that does not fit is an error.
fn compare(
    path: &Path,
    tensors: &HashMap<String, FileTensor<'_>>,
    module: &dyn Module,
) -> Result<LoadReport> {
    let mut report = LoadReport::default();
    let mut misshapen = Vec::new();
    let state = module.state();
    for (name, state) in &state {
        let Some(tensor) = tensors.get(name) else {
            // Files of PyTorch before 0.4.1 lack the counters, which do not affect results.
            if !matches!(state, StateRef::Counter(_)) {
                report.missing.push(name.clone());
            }
            continue;
        };
        report.matched += 1;
        let shape = match state {
            StateRef::Parameter(p) => file_shape(p.tensor().dims(), p.layout()),
            StateRef::Buffer(b) => b.tensor().dims().to_vec(),
            StateRef::Counter(_) => continue,
        };
        if tensor.shape != shape {
            misshapen.push(format!("{name} is {:?}, the network has {shape:?}", tensor.shape));
        } else if !tensor.is_float() {
            let what = format!("{name} is of type {:?}; weights are floats", tensor.dtype);
            return Err(Error::content(path, what));
        } else {
            let like = state.tensor().map_or(DType::F32, Tensor::dtype);
            tensor.refuse_unusable(name, like).map_err(|what| Error::content(path, what))?;
        }
    }
    let names: HashSet<&String> = state.iter().map(|(name, _)| name).collect();
    report.unexpected = tensors.keys().filter(|name| !names.contains(name)).cloned().collect();
    report.unexpected.sort();
    if report.matched == 0 {
        let first = state.first().map_or("nothing", |(name, _)| name);
        let count = tensors.len();
        let what =
            format!("none of its {count} tensors belongs to this network (which has {first}, ...)");
        return Err(Error::content(path, what));
    }
    match misshapen.as_slice() {
        [] => Ok(report),
        [one] => Err(Error::shapes(path, one)),
        [one, more @ ..] => Err(Error::shapes(path, format!("{one} and {} more", more.len()))),
    }
}

/// Writes a file in one step. What was there before goes to `previous`, if that is given.
fn write(
    path: &Path,
    previous: Option<&Path>,
    tensors: &BTreeMap<String, EncodedTensor>,
    metadata: &Metadata,
) -> Result<()> {
    let bytes = safetensors_file(tensors, metadata).map_err(|error| Error::content(path, error))?;
    let written = match previous {
        Some(previous) => files::write_keeping(path, previous, &bytes),
        None => files::write_atomically(path, &bytes),
    };
    written.map_err(|error| Error::io(path, error))
}

#[cfg(test)]
mod tests;
