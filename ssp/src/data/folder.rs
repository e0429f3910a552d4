//! A plain folder: `images/` and optional `labels/`, a NIfTI file per subject, of one stem in both.
//!
//! An image of three axes is one phase. Labels are in the study's numbering (0 background, 1 left
//! ventricle, 2 myocardium, 3 right ventricle); they have as many phases as the image, and phases
//! that are all zero are unlabelled. Labels of three axes beside an image of several phases are
//! refused, as nothing tells which phase they are of. A stem that ends in `_ED` or `_ES` names the
//! moment of a single phase.

use std::path::{Path, PathBuf};

use super::dataset::{
    Dataset, Layout, Listing, Loaded, STUDY_LABELS, assemble, labelled_phases, read_labels_for,
};
use super::nifti;
use super::open::{check_unique, names_in};
use super::subject::Moment;
use crate::{Error, Result};

/// Subjects in a plain folder.
pub struct Folder {
    listings: Vec<Listing>,
    files: Vec<(PathBuf, Option<PathBuf>)>,
}

impl Folder {
    /// Lists the subjects of a folder that holds `images/` and perhaps `labels/`.
    ///
    /// # Errors
    /// If `images/` is missing or holds no NIfTI file, two images have one stem, or a label map has
    /// no image.
    pub fn new(folder: &Path) -> Result<Folder> {
        let images = volumes_in(&folder.join("images"))?;
        if images.is_empty() {
            return Err(Error::file(
                folder.join("images"),
                "holds no NIfTI file (.nii, .nii.gz, .hdr)",
            ));
        }
        let labels_folder = folder.join("labels");
        let labels = if labels_folder.is_dir() { volumes_in(&labels_folder)? } else { Vec::new() };
        if let Some(lonely) =
            labels.iter().find(|path| images.iter().all(|i| nifti::stem(i) != nifti::stem(path)))
        {
            let what = format!(
                "labels without an image: there is no images/{}.nii.gz",
                nifti::stem(lonely)
            );
            return Err(Error::file(lonely, what));
        }
        let mut listings = Vec::new();
        let mut files = Vec::new();
        for image in images {
            let id = nifti::stem(&image);
            let labels = labels.iter().find(|path| nifti::stem(path) == id).cloned();
            listings.push(listing_of(id, &image, labels.as_deref()));
            files.push((image, labels));
        }
        check_unique(&listings)?;
        Ok(Folder { listings, files })
    }
}

impl Dataset for Folder {
    fn layout(&self) -> Layout {
        Layout::Folder
    }

    fn subjects(&self) -> &[Listing] {
        &self.listings
    }

    fn load(&self, index: usize) -> Result<Loaded> {
        let (image, labels) = &self.files[index];
        load_pair(&self.listings[index], image, labels.as_deref())
    }
}

/// Reads one image as a subject without labels, named by the file's stem.
///
/// # Errors
/// As [`nifti::read`], and if what it holds is no stack of slices.
pub fn load_file(image: &Path) -> Result<Loaded> {
    load_pair(&listing_of(nifti::stem(image), image, None), image, None)
}

/// The NIfTI files straight in a folder, in order of their names.
///
/// # Errors
/// If the folder cannot be listed.
pub fn volumes_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let names = names_in(folder)?;
    let volumes = names.into_iter().filter(|name| !name.starts_with('.'));
    Ok(volumes.map(|name| folder.join(name)).filter(|path| nifti::is_volume_name(path)).collect())
}

fn listing_of(id: String, image: &Path, labels: Option<&Path>) -> Listing {
    let files = std::iter::once(image).chain(labels).map(Path::to_path_buf).collect();
    Listing { id, vendor: None, pathology: None, labelled: labels.is_some(), files }
}

fn load_pair(listing: &Listing, image: &Path, labels: Option<&Path>) -> Result<Loaded> {
    let image = nifti::read(image)?;
    let mut remarks = Vec::new();
    let mut labelled = Vec::new();
    if let Some(path) = labels {
        let volume = read_labels_for(&image.header, path, &STUDY_LABELS, &mut remarks)?;
        let (own, phases) = (volume.header.dims[3], image.header.dims[3]);
        if own != phases {
            let what = format!(
                "has {own} phases, and its image {phases}; labels need as many, zero where unlabelled"
            );
            return Err(Error::file(path, what));
        }
        labelled = labelled_phases(&volume);
        if let [only] = &mut labelled[..] {
            only.moment = moment_by_name(&listing.id);
        }
        if labelled.is_empty() {
            remarks.push("the file of labels holds none".into());
        }
    }
    assemble(listing, image, labelled, remarks)
}

fn moment_by_name(stem: &str) -> Moment {
    let stem = stem.to_ascii_uppercase();
    match stem {
        stem if stem.ends_with("_ED") => Moment::EndDiastole,
        stem if stem.ends_with("_ES") => Moment::EndSystole,
        _ => Moment::Other,
    }
}
