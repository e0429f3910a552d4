//! Weights files of either format, recognised by their first bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

use super::checksum::{self, Part, checksum};
use super::file_tensor::FileTensor;
use super::{Error, Metadata, Result, pytorch};

/// A weights file in memory. Not memory-mapped, because a training in Python may overwrite it.
pub struct WeightsFile {
    path: PathBuf,
    bytes: Vec<u8>,
    format: Format,
}

#[derive(Clone, Copy)]
enum Format {
    SafeTensors,
    PyTorch,
}

impl WeightsFile {
    /// Reads a file. Refuses those whose first bytes show that they have another format, and those that
    /// have a checksum and are not as they were written.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        if let Some(what) = pytorch::refusal(&bytes) {
            return Err(Error::content(path, what));
        }
        let format =
            if pytorch::is_archive(&bytes) { Format::PyTorch } else { Format::SafeTensors };
        let file = WeightsFile { path: path.to_path_buf(), bytes, format };
        file.refuse_damage()?;
        Ok(file)
    }

    /// Compares the checksum. Files of other programs have none; PyTorch's archives have their own.
    fn refuse_damage(&self) -> Result<()> {
        let Format::SafeTensors = self.format else { return Ok(()) };
        let metadata = self.all_metadata()?;
        let Some(expected) = metadata.get(checksum::KEY) else { return Ok(()) };
        let texts = metadata.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let file = self.safetensors()?;
        let parts = file.iter().map(|(name, view)| {
            (name, Part { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data() })
        });
        if checksum(&texts.collect(), &parts.collect()) == *expected {
            return Ok(());
        }
        let what = "is damaged: its content does not match its checksum; use a whole copy of it, or train \
                    again";
        Err(self.error(what.into()))
    }

    /// All tensors, by name.
    pub fn tensors(&self) -> Result<HashMap<String, FileTensor<'_>>> {
        match self.format {
            Format::PyTorch => pytorch::tensors(&self.bytes).map_err(|what| self.error(what)),
            Format::SafeTensors => {
                let file = self.safetensors()?;
                let tensors = file.tensors().into_iter().map(|(name, view)| {
                    let tensor = FileTensor::contiguous(&view);
                    let tensor = tensor.map_err(|what| self.error(format!("{name} {what}")))?;
                    Ok((name, tensor))
                });
                tensors.collect()
            }
        }
    }

    /// Names and shapes.
    pub fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>> {
        match self.format {
            Format::PyTorch => pytorch::shapes(&self.bytes).map_err(|what| self.error(what)),
            Format::SafeTensors => {
                let tensors = self.safetensors()?.tensors().into_iter();
                Ok(tensors.map(|(name, view)| (name, view.shape().to_vec())).collect())
            }
        }
    }

    /// The text beside the tensors, without the checksum; PyTorch's files have none.
    pub fn metadata(&self) -> Result<Metadata> {
        match self.format {
            Format::PyTorch => Ok(Metadata::new()),
            Format::SafeTensors => {
                let mut metadata = self.all_metadata()?;
                metadata.remove(checksum::KEY);
                Ok(metadata)
            }
        }
    }

    fn all_metadata(&self) -> Result<Metadata> {
        self.safetensors()?;
        let (_, header) = SafeTensors::read_metadata(&self.bytes)
            .map_err(|error| self.error(error.to_string()))?;
        Ok(header.metadata().clone().unwrap_or_default())
    }

    fn safetensors(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.bytes).map_err(|error| {
            self.error(format!(
                "is damaged or not a complete safetensors file ({error}); copy or write it again"
            ))
        })
    }

    fn error(&self, what: String) -> Error {
        Error::content(&self.path, what)
    }
}
