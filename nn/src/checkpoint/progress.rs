//! Files from which training can be resumed: a network with its optimiser's momentum, exactly.

use std::collections::BTreeMap;
use std::path::Path;

use tensor::DType;

use super::encode::EncodedTensor;
use super::weights_file::WeightsFile;
use super::{Error, Metadata, Result, compare, copy_into, encoded_state, write};
use crate::optimiser::misfits;
use crate::{Module, Sgd};

/// Names of momentum tensors start with this.
const MOMENTUM: &str = "momentum.";

/// Writes a network with its optimiser's momentum, so that training can be resumed with the same
/// results. `path` is replaced at once or not at all, and what it was before becomes `previous`: one of
/// them is whole at any moment.
///
/// # Errors
/// When the file cannot be written.
pub fn save_progress(
    path: &Path,
    previous: &Path,
    module: &dyn Module,
    optimiser: &Sgd,
    metadata: Metadata,
) -> Result<()> {
    let mut tensors = encoded_state(module)?;
    for (name, tensor) in optimiser.momentum() {
        tensors.insert(format!("{MOMENTUM}{name}"), EncodedTensor::plain(tensor)?);
    }
    write(path, Some(previous), &tensors, &metadata)
}

/// Reads what [`save_progress`] wrote, and returns its metadata.
///
/// # Errors
/// When the file cannot be read, is damaged, or belongs to another network. Network and
/// optimiser then stay as they were.
pub fn load_progress(
    path: &Path,
    module: &mut dyn Module,
    optimiser: &mut Sgd,
) -> Result<Metadata> {
    let file = WeightsFile::open(path)?;
    let (mut tensors, metadata) = (file.tensors()?, file.metadata()?);
    let mut momentum = BTreeMap::new();
    for (name, tensor) in tensors.extract_if(|name, _| name.starts_with(MOMENTUM)) {
        let fail = |what| Error::content(path, what);
        tensor.refuse_unusable(&name, DType::F64).map_err(fail)?;
        let value = tensor.decode().map_err(|what| fail(format!("{name} {what}")))?;
        momentum.insert(name[MOMENTUM.len()..].to_owned(), value);
    }
    let (misfits, all) = (misfits(&momentum, module), momentum.len());
    if misfits > 0 {
        let what =
            format!("the momentum of {misfits} of {all} parameters does not fit this network");
        return Err(Error::content(path, what));
    }
    let report = compare(path, &tensors, module)?;
    if let Some(name) = report.missing.first().or(report.unexpected.first()) {
        let what = format!("{name} and the network do not match; start this training again");
        return Err(Error::content(path, what));
    }
    copy_into(module, &tensors)?;
    optimiser.set_momentum(momentum);
    Ok(metadata)
}
