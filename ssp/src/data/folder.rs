//! A plain folder: `images/` and optional `labels/`, a NIfTI file per subject, of one stem in both.
//!
//! An image of three axes is one phase. Labels are in the study's numbering (0 background, 1 left
//! ventricle, 2 myocardium, 3 right ventricle); they have as many phases as the image, and phases
//! that are all zero are unlabelled. Labels of three axes beside an image of several phases are
//! refused, as nothing tells which phase they are of. A stem that ends in `_ED` or `_ES` names the
//! moment of a single phase; `<id>_ED` and `<id>_ES` together are one subject `<id>` of two phases: apart,
//! one could train and the other test.

use std::path::{Path, PathBuf};

use super::dataset::{
    Dataset, LabelledPhase, Layout, Listing, Loaded, STUDY_LABELS, assemble, labelled_phases,
    read_labels_for,
};
use super::nifti::{self, Volume};
use super::open::{check_unique, names_in};
use super::subject::Moment;
use crate::{Error, Result};

/// Subjects in a plain folder.
pub struct Folder {
    listings: Vec<Listing>,
    files: Vec<Files>,
}

/// The files of a subject.
enum Files {
    /// All phases that there are.
    Whole(Pair),
    /// End-diastole and end-systole, one phase each.
    Moments([Pair; 2]),
}

/// An image, and its labels if there are any.
struct Pair {
    image: PathBuf,
    labels: Option<PathBuf>,
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
        let stems: Vec<String> = images.iter().map(|image| nifti::stem(image)).collect();
        let pair = |index: usize| Pair {
            image: images[index].clone(),
            labels: labels.iter().find(|path| nifti::stem(path) == stems[index]).cloned(),
        };
        let with_moment = |id: &str, moment: &str| {
            let same =
                |stem: &String| split_moment(stem).is_some_and(|(i, m)| (i, m) == (id, moment));
            stems.iter().position(same)
        };
        let mut listings = Vec::new();
        let mut files = Vec::new();
        for (index, stem) in stems.iter().enumerate() {
            let both = split_moment(stem)
                .and_then(|(id, _)| Some((id, with_moment(id, "ED")?, with_moment(id, "ES")?)));
            match both {
                None => {
                    let pair = pair(index);
                    listings.push(listing_of(stem.clone(), &[&pair]));
                    files.push(Files::Whole(pair));
                }
                Some((id, diastole, systole)) if index == diastole.min(systole) => {
                    let pairs = [diastole, systole].map(pair);
                    listings.push(listing_of(id.to_owned(), &pairs.each_ref()));
                    files.push(Files::Moments(pairs));
                }
                Some(_) => {}
            }
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
        let listing = &self.listings[index];
        match &self.files[index] {
            Files::Whole(pair) => load_pair(listing, pair),
            Files::Moments(pairs) => load_moments(listing, pairs),
        }
    }
}

/// Reads one image as a subject without labels, named by the file's stem.
///
/// # Errors
/// As [`nifti::read`], and if what it holds is no stack of slices.
pub fn load_file(image: &Path) -> Result<Loaded> {
    let pair = Pair { image: image.to_path_buf(), labels: None };
    load_pair(&listing_of(nifti::stem(image), &[&pair]), &pair)
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

fn listing_of(id: String, pairs: &[&Pair]) -> Listing {
    let labels = || pairs.iter().filter_map(|pair| pair.labels.clone());
    let files = pairs.iter().map(|pair| pair.image.clone()).chain(labels()).collect();
    let labelled = labels().next().is_some();
    Listing { id, vendor: None, pathology: None, labelled, files }
}

/// `p1` and `ED` of `p1_ed`; none of a stem that names no moment, or nothing else.
fn split_moment(stem: &str) -> Option<(&str, &'static str)> {
    let (id, end) = stem.rsplit_once('_')?;
    let moment = ["ED", "ES"].into_iter().find(|moment| end.eq_ignore_ascii_case(moment))?;
    (!id.is_empty()).then_some((id, moment))
}

/// End-diastole and end-systole in files of their own.
fn load_moments(listing: &Listing, pairs: &[Pair; 2]) -> Result<Loaded> {
    let mut remarks = Vec::new();
    let mut volumes = Vec::new();
    for Pair { image, .. } in pairs {
        let volume = nifti::read(image)?;
        if volume.header.dims[3] != 1 {
            let what = format!(
                "has {} phases, and is named as one of two files of a phase each",
                volume.header.dims[3]
            );
            return Err(Error::file(image, what));
        }
        volumes.push(volume);
    }
    let image = Volume::join(volumes).map_err(|what| Error::file(&pairs[1].image, what))?;
    let mut labelled = Vec::new();
    for (phase, (pair, moment)) in
        pairs.iter().zip([Moment::EndDiastole, Moment::EndSystole]).enumerate()
    {
        let Some(path) = &pair.labels else { continue };
        let volume = read_labels_for(&image.header, path, &STUDY_LABELS, &mut remarks)?;
        if volume.header.dims[3] != 1 {
            let what = format!("has {} phases, and its image one", volume.header.dims[3]);
            return Err(Error::file(path, what));
        }
        match volume.labels.iter().any(|&label| label != 0) {
            true => labelled.push(LabelledPhase { phase, moment, labels: volume.labels }),
            false => remarks.push("the file of labels holds none".into()),
        }
    }
    assemble(listing, image, labelled, remarks)
}

fn load_pair(listing: &Listing, Pair { image, labels }: &Pair) -> Result<Loaded> {
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
    match split_moment(stem) {
        Some((_, "ED")) => Moment::EndDiastole,
        Some(_) => Moment::EndSystole,
        None => Moment::Other,
    }
}
