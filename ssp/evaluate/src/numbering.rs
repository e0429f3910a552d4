//! Which numbers the ventricles have in label maps.

use data::anatomy::{BorderCounts, ventricles_are_swapped};
use data::nifti::LabelVolume;
use data::{ACDC_LABELS, Label};

/// The numbering of the ventricles in a folder of label maps; 2 is myocardium in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// 1 LV, 3 RV: the numbering of the study, of M&Ms and of this program's output.
    Study,
    /// 1 RV, 3 LV.
    Acdc,
}

impl Numbering {
    /// Determined by anatomy from all label maps of a folder: the ventricle that is surrounded by
    /// myocardium is the left one, even if it is the only one. None if the maps do not show it.
    pub(crate) fn by_anatomy(maps: &[LabelVolume]) -> Option<Self> {
        let edges = |ventricle| {
            let of_map = |map: &LabelVolume| {
                let [columns, rows, ..] = map.header.dims;
                BorderCounts::of(&map.labels, [rows, columns], ventricle)
            };
            maps.iter().map(of_map).fold(BorderCounts::default(), BorderCounts::and)
        };
        let swapped =
            ventricles_are_swapped(edges(Label::LeftVentricle), edges(Label::RightVentricle))?;
        Some(if swapped { Numbering::Acdc } else { Numbering::Study })
    }

    /// The numbering of predictions that agrees with labels in the study's numbering: ACDC's if
    /// exchanging the ventricles makes far more voxels agree, and most of those that could.
    pub(crate) fn by_agreement(predictions: &[LabelVolume], labels: &[LabelVolume]) -> Self {
        let (mut agree, mut agree_exchanged, mut predicted, mut labelled) =
            (0u64, 0u64, 0u64, 0u64);
        let is_ventricle = |label: u8| label == 1 || label == 3;
        for (prediction, truth) in predictions.iter().zip(labels) {
            for (&a, &b) in prediction.labels.iter().zip(&truth.labels) {
                predicted += u64::from(is_ventricle(a));
                labelled += u64::from(is_ventricle(b));
                agree += u64::from(is_ventricle(a) && a == b);
                agree_exchanged += u64::from(is_ventricle(a) && a + b == 4);
            }
        }
        match agree_exchanged > 4 * agree && 2 * agree_exchanged > predicted.min(labelled) {
            true => Numbering::Acdc,
            false => Numbering::Study,
        }
    }

    /// Renumbers maps from this numbering to that of the study.
    pub(crate) fn to_study_numbering(self, maps: &mut [LabelVolume]) {
        if self == Numbering::Acdc {
            for label in maps.iter_mut().flat_map(|map| &mut map.labels) {
                *label = ACDC_LABELS[usize::from(*label)] as u8;
            }
        }
    }
}
