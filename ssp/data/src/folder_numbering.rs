//! Which numbers the ventricles have in the label maps of a plain folder.
//!
//! The study's numbers are 1 left ventricle, 2 myocardium, 3 right ventricle; ACDC exchanges the
//! ventricles. Anatomy tells them apart, and is judged for the folder as a whole, so that no subject whose
//! own maps do not show it is read in another way than the rest.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::acdc::ACDC_LABELS;
use super::anatomy::{BorderCounts, are_surely_swapped};
use super::assemble::STUDY_LABELS;
use super::diagnostics::Diagnostics;
use super::nifti;
use super::subject::{CLASSES, Label};

/// Label maps that are looked at, the first in order of their names.
const ENOUGH: usize = 10;

/// The numbering of a folder, determined when the first label map is read.
pub(super) struct FolderNumbering {
    maps: Vec<PathBuf>,
    is_acdc: OnceLock<bool>,
}

impl FolderNumbering {
    /// That of a folder with these label maps.
    pub(super) fn of(mut maps: Vec<PathBuf>) -> FolderNumbering {
        maps.sort_unstable();
        maps.truncate(ENOUGH);
        FolderNumbering { maps, is_acdc: OnceLock::new() }
    }

    /// What each number stands for. Warns if the numbers are taken for ACDC's.
    pub(super) fn meaning(&self, diagnostics: &mut Diagnostics) -> &'static [Label; CLASSES] {
        if !*self.is_acdc.get_or_init(|| self.is_acdc_by_anatomy()) {
            return &STUDY_LABELS;
        }
        diagnostics.warn(
            "labels 1 and 3 are taken for RV and LV, as in ACDC, as myocardium surrounds label 3 in this \
             folder; number them 1 LV, 2 myocardium, 3 RV if that is wrong",
        );
        &ACDC_LABELS
    }

    /// Maps without myocardium say nothing, nor do those that cannot be read, which are errors of their
    /// subjects.
    fn is_acdc_by_anatomy(&self) -> bool {
        let mut borders = [BorderCounts::default(); 2];
        for path in &self.maps {
            let Ok(map) = nifti::read_labels(path, CLASSES as u8 - 1) else { continue };
            if !map.labels.contains(&(Label::Myocardium as u8)) {
                continue;
            }
            let [columns, rows, ..] = map.header.dims;
            for (all, ventricle) in
                borders.iter_mut().zip([Label::LeftVentricle, Label::RightVentricle])
            {
                *all = all.and(BorderCounts::of(&map.labels, [rows, columns], ventricle));
            }
        }
        are_surely_swapped(borders[0], borders[1])
    }
}
