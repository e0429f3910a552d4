//! The volumes in one subject's folder, found by what follows the subject's ID in their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::{check_name, composed, last_name, names_in};
use super::nifti;
use crate::{Error, Result};

/// A subject's folder, and the volumes in it that no rule has taken yet.
pub(super) struct SubjectFolder {
    /// The folder.
    pub path: PathBuf,
    /// The subject's ID, which is the folder's name.
    pub id: String,
    volumes: Vec<PathBuf>,
}

/// The ID of a subject, by its folder.
pub(super) fn id_of(folder: &Path) -> String {
    composed(&last_name(folder))
}

impl SubjectFolder {
    /// Lists a folder.
    ///
    /// # Errors
    /// If it cannot be listed, or it or an image in it has a name that is not UTF-8.
    pub(super) fn read(path: &Path) -> Result<SubjectFolder> {
        check_name(path)?;
        let volumes = names_in(path)?.into_iter().map(|name| path.join(name));
        let volumes = volumes.filter(|path| nifti::is_volume_name(path)).collect();
        Ok(SubjectFolder { path: path.to_path_buf(), id: id_of(path), volumes })
    }

    /// Takes the volume named `<ID>_<end>`, whatever the case of its letters.
    ///
    /// # Errors
    /// If there are two, such as `.nii` and `.nii.gz`.
    pub(super) fn take(&mut self, end: &str) -> Result<Option<PathBuf>> {
        let end = end.to_lowercase();
        Ok(self.take_each(|found| (found == end).then_some(()))?.remove(&()))
    }

    /// Takes every volume named `<ID>_<end>` with an end for which `key` returns something. It is called
    /// with the end in lower case and without `.nii.gz`.
    ///
    /// # Errors
    /// If two volumes have one key; the line names both.
    pub(super) fn take_each<K: Ord>(
        &mut self,
        key: impl Fn(&str) -> Option<K>,
    ) -> Result<BTreeMap<K, PathBuf>> {
        let start = format!("{}_", self.id.to_lowercase());
        let mut taken = BTreeMap::new();
        let mut others = Vec::new();
        for path in std::mem::take(&mut self.volumes) {
            let stem = nifti::stem(&path).to_lowercase();
            let Some(key) = stem.strip_prefix(&start).and_then(&key) else {
                others.push(path);
                continue;
            };
            let second = path.clone();
            if let Some(first) = taken.insert(key, path) {
                return Err(nifti::same_name(&second, &first));
            }
        }
        self.volumes = others;
        Ok(taken)
    }

    /// Removes volumes that a reader leaves out on purpose, by the same ends as
    /// [`take_each`](Self::take_each).
    pub(super) fn leave_out(&mut self, is_left_out: impl Fn(&str) -> bool) {
        let start = format!("{}_", self.id.to_lowercase());
        self.volumes.retain(|path| {
            let stem = nifti::stem(path).to_lowercase();
            !stem.strip_prefix(&start).is_some_and(&is_left_out)
        });
    }

    /// The error of a folder without an image. `wanted` names what was searched for.
    pub(super) fn without_image(&self, wanted: &str) -> Error {
        let there = match self.volumes.is_empty() {
            true => "there is no other NIfTI file in it".to_owned(),
            false => format!("there are {}", self.names_left()),
        };
        Error::file(&self.path, format!("holds neither {wanted}; {there}"))
    }

    /// The warning about volumes that no rule has taken. One of them may be a label map whose name was
    /// mistyped.
    pub(super) fn warning_of_unused(&self) -> Option<String> {
        (!self.volumes.is_empty()).then(|| {
            format!(
                "no name of this layout, and not used: {}; rename or remove them",
                self.names_left()
            )
        })
    }

    fn names_left(&self) -> String {
        const FEW: usize = 6;
        let names = self.volumes.iter().take(FEW).map(|path| last_name(path));
        let names = names.collect::<Vec<_>>().join(", ");
        match self.volumes.len().saturating_sub(FEW) {
            0 => names,
            more => format!("{names} and {more} more"),
        }
    }
}
