//! A plain folder: `images/` and optional `labels/`, a NIfTI file per subject, of one stem in both.
//!
//! An image of three axes is one phase. Labels are in the study's numbering (0 background, 1 left
//! ventricle, 2 myocardium, 3 right ventricle); they have as many phases as the image, and phases
//! that are all zero are unlabelled. Labels of three axes beside an image of several phases are
//! refused, as nothing tells which phase they are of.
//!
//! A stem that ends in `_ED` or `_ES` names the moment of a single phase, one that ends in `_frame01`
//! (as ACDC's do) its number. `<id>_ED` and `<id>_ES`, or all of `<id>_frameNN`, are one subject `<id>`
//! of as many phases: apart, one could train and the other test.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::dataset::{
    Dataset, LabelledPhase, Layout, Listing, Loaded, Remarks, STUDY_LABELS, assemble,
    labelled_phases, name_moments, read_labels_for,
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
    /// A phase each, in their order.
    Phases(Vec<(PhaseName, Pair)>),
}

/// What the end of a stem tells of the phase that a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PhaseName {
    /// `_ED`.
    EndDiastole,
    /// `_ES`.
    EndSystole,
    /// `_frame01`, by its number.
    Frame(u32),
}

impl PhaseName {
    /// The subject of a file of one phase, and which phase it is: `p1` and end-diastole of `p1_ed`. None of
    /// a stem that names no phase, or nothing else.
    pub fn split(stem: &str) -> Option<(&str, PhaseName)> {
        let (id, end) = stem.rsplit_once('_')?;
        let end = end.to_ascii_lowercase();
        let name = match end.as_str() {
            "ed" => PhaseName::EndDiastole,
            "es" => PhaseName::EndSystole,
            end => PhaseName::Frame(end.strip_prefix("frame")?.parse().ok()?),
        };
        (!id.is_empty()).then_some((id, name))
    }

    /// The moment, where the name tells.
    pub fn moment(self) -> Moment {
        match self {
            PhaseName::EndDiastole => Moment::EndDiastole,
            PhaseName::EndSystole => Moment::EndSystole,
            PhaseName::Frame(_) => Moment::Other,
        }
    }
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
        let mut listings = Vec::new();
        let mut files = Vec::new();
        for group in groups(&stems) {
            let Some(phases) = phases_of_one(&stems, &group) else {
                for index in group {
                    let pair = pair(index);
                    listings.push(listing_of(stems[index].clone(), &[&pair]));
                    files.push(Files::Whole(pair));
                }
                continue;
            };
            let id = PhaseName::split(&stems[group[0]]).map_or("", |(id, _)| id).to_owned();
            let phases: Vec<_> =
                phases.into_iter().map(|(name, index)| (name, pair(index))).collect();
            let pairs: Vec<&Pair> = phases.iter().map(|(_, pair)| pair).collect();
            listings.push(listing_of(id, &pairs));
            files.push(Files::Phases(phases));
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
            Files::Phases(phases) => load_phases(listing, phases),
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

/// Stems that may be of one subject, in order of the first of each: those that differ in nothing but the
/// phase, named in the same way.
pub fn groups(stems: &[String]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut places = HashMap::new();
    for (index, stem) in stems.iter().enumerate() {
        let Some((id, name)) = PhaseName::split(stem) else {
            groups.push(vec![index]);
            continue;
        };
        let numbered = matches!(name, PhaseName::Frame(_));
        let place = *places.entry((id, numbered)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

/// The phases of a group in order; none where they are not several, or two have one name.
pub fn phases_of_one(stems: &[String], group: &[usize]) -> Option<Vec<(PhaseName, usize)>> {
    let named = |&index: &usize| Some((PhaseName::split(&stems[index])?.1, index));
    let mut phases: Vec<_> = group.iter().filter_map(named).collect();
    phases.sort_unstable();
    let distinct = phases.windows(2).all(|pair| pair[0].0 != pair[1].0);
    (phases.len() > 1 && distinct).then_some(phases)
}

fn listing_of(id: String, pairs: &[&Pair]) -> Listing {
    let labels = || pairs.iter().filter_map(|pair| pair.labels.clone());
    let both = pairs.iter().map(|pair| pair.image.clone()).chain(labels());
    let files = both.flat_map(nifti::files_of).collect();
    let labelled = labels().next().is_some();
    Listing { id, vendor: None, pathology: None, labelled, files }
}

/// Phases in files of their own.
fn load_phases(listing: &Listing, phases: &[(PhaseName, Pair)]) -> Result<Loaded> {
    let mut remarks = Remarks::default();
    let mut volumes = Vec::new();
    for (_, Pair { image, .. }) in phases {
        let volume = nifti::read(image)?;
        if volume.header.dims[3] != 1 {
            let what = format!(
                "has {} phases, and is named as one of {} files of a phase each",
                volume.header.dims[3],
                phases.len()
            );
            return Err(Error::file(image, what));
        }
        volumes.push(volume);
    }
    let last = &phases[phases.len() - 1].1.image;
    let image = Volume::join(volumes).map_err(|what| Error::file(last, what))?;
    let mut labelled = Vec::new();
    for (phase, (name, pair)) in phases.iter().enumerate() {
        let Some(path) = &pair.labels else { continue };
        let volume = read_labels_for(&image.header, path, &STUDY_LABELS, &mut remarks)?;
        if volume.header.dims[3] != 1 {
            let what = format!("has {} phases, and its image one", volume.header.dims[3]);
            return Err(Error::file(path, what));
        }
        let moment = name.moment();
        match volume.labels.iter().any(|&label| label != 0) {
            true => labelled.push(LabelledPhase { phase, moment, labels: volume.labels }),
            false => remarks.push("the file of labels holds none"),
        }
    }
    if labelled.iter().all(|labelled| labelled.moment == Moment::Other) {
        name_moments(&mut labelled, &mut remarks);
    }
    assemble(listing, image, labelled, remarks)
}

fn load_pair(listing: &Listing, Pair { image, labels }: &Pair) -> Result<Loaded> {
    let image = nifti::read(image)?;
    let mut remarks = Remarks::default();
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
        labelled = labelled_phases(&volume, &mut remarks);
        if let ([only], Some((_, name))) = (&mut labelled[..], PhaseName::split(&listing.id)) {
            only.moment = name.moment();
        }
        if labelled.is_empty() {
            remarks.push("the file of labels holds none");
        }
    }
    assemble(listing, image, labelled, remarks)
}
