//! Weights files of either format, told apart by their first bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

use super::Metadata;
use super::found::Found;
use super::pytorch;
use crate::{Error, Result};

/// A weights file in memory. Not mapped: training in Python may be writing over it.
pub struct File {
    path: PathBuf,
    bytes: Vec<u8>,
    format: Format,
}

#[derive(Clone, Copy)]
enum Format {
    SafeTensors,
    PyTorch,
}

impl File {
    /// Refuses files that are of neither format where the first bytes say so.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        if let Some(what) = pytorch::refusal(&bytes) {
            return Err(Error::checkpoint(path, what));
        }
        let format =
            if pytorch::is_archive(&bytes) { Format::PyTorch } else { Format::SafeTensors };
        Ok(File { path: path.to_path_buf(), bytes, format })
    }

    /// Everything in the file.
    pub fn tensors(&self) -> Result<HashMap<String, Found<'_>>> {
        match self.format {
            Format::PyTorch => pytorch::tensors(&self.bytes).map_err(|what| self.error(what)),
            Format::SafeTensors => {
                let file = self.safetensors()?;
                let tensors = file.tensors().into_iter().map(|(name, view)| {
                    let found = Found::whole(&view);
                    let found = found.map_err(|what| self.error(format!("{name} {what}")))?;
                    Ok((name, found))
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

    /// The text beside the tensors, of which PyTorch writes none.
    pub fn metadata(&self) -> Result<Metadata> {
        match self.format {
            Format::PyTorch => Ok(Metadata::new()),
            Format::SafeTensors => {
                self.safetensors()?;
                let (_, header) = SafeTensors::read_metadata(&self.bytes)
                    .map_err(|error| self.error(error.to_string()))?;
                Ok(header.metadata().clone().unwrap_or_default())
            }
        }
    }

    fn safetensors(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.bytes).map_err(|error| {
            self.error(format!("not a whole safetensors file ({error}); write it again"))
        })
    }

    fn error(&self, what: String) -> Error {
        Error::checkpoint(&self.path, what)
    }
}
