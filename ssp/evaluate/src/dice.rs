//! Hard Dice similarity coefficient (DSC) between two label volumes.
//!
//! For a structure with voxel sets P (prediction) and T (truth), `DSC = 2 |P ∩ T| / (|P| + |T|)`;
//! 1 if both are empty, 0 if only one is (Dice, *Ecology* 26, 1945; the empty cases by the
//! convention of the study).

use crate::{Error, Result};
use data::{CLASSES, Label};

/// Dice of the three structures, each in 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dice {
    /// Left-ventricular cavity.
    pub left_ventricle: f64,
    /// Left-ventricular myocardium.
    pub myocardium: f64,
    /// Right-ventricular cavity.
    pub right_ventricle: f64,
}

impl Dice {
    /// Mean over the three structures.
    pub fn mean(&self) -> f64 {
        self.values().iter().sum::<f64>() / 3.0
    }

    /// The three values in the order of [`Label::STRUCTURES`]: LV, MYO, RV.
    pub fn values(&self) -> [f64; 3] {
        [self.left_ventricle, self.myocardium, self.right_ventricle]
    }

    /// From the three values in the order of [`Label::STRUCTURES`].
    pub fn from_values([left_ventricle, myocardium, right_ventricle]: [f64; 3]) -> Self {
        Dice { left_ventricle, myocardium, right_ventricle }
    }
}

/// Dice of one slice, and where between base and apex it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceDice {
    /// Index of the slice in the stack, from 0 at the base.
    pub slice: usize,
    /// 0 at the most basal slice that the truth labels, 1 at the most apical.
    pub position: f64,
    /// Dice within the slice.
    pub dice: Dice,
}

/// Dice in 3D between the label volumes `prediction` and `truth`, on the same grid.
///
/// Refuses volumes of different sizes, and labels that are not of [`Label`].
pub fn dice(prediction: &[u8], truth: &[u8]) -> Result<Dice> {
    if prediction.len() != truth.len() {
        return Err(Error::Data(format!(
            "a prediction of {} voxels cannot be compared with a truth of {}: bring both to the \
             same grid first",
            prediction.len(),
            truth.len()
        )));
    }
    let mut overlap = [0u64; CLASSES];
    let mut total = [0u64; CLASSES];
    for (&p, &t) in prediction.iter().zip(truth) {
        let (p, t) = (p as usize, t as usize);
        if p >= CLASSES || t >= CLASSES {
            return Err(Error::Data(format!(
                "label {} is none of 0 to {}: map the labels to background, LV, MYO, RV first",
                p.max(t),
                CLASSES - 1
            )));
        }
        total[p] += 1;
        total[t] += 1;
        overlap[p] += u64::from(p == t);
    }
    Ok(Dice::from_values(Label::STRUCTURES.map(|label| {
        let class = label as usize;
        if total[class] == 0 { 1.0 } else { 2.0 * overlap[class] as f64 / total[class] as f64 }
    })))
}

/// Dice of every slice from the most basal to the most apical that `truth` labels.
///
/// Both volumes are slices of `plane` voxels (rows times columns), from base to apex. What is
/// predicted beyond the labelled slices counts in [`dice`] and has no place here. A volume with
/// one labelled slice has it at position 0; one without labels gives nothing.
pub fn dice_by_slice(prediction: &[u8], truth: &[u8], plane: usize) -> Result<Vec<SliceDice>> {
    if plane == 0 || !truth.len().is_multiple_of(plane) || prediction.len() != truth.len() {
        return Err(Error::Data(format!(
            "volumes of {} and {} voxels are not the same number of slices of {plane} voxels",
            prediction.len(),
            truth.len()
        )));
    }
    let labelled = |slice: &[u8]| slice.iter().any(|&label| label != Label::Background as u8);
    let Some(first) = truth.chunks_exact(plane).position(labelled) else {
        return Ok(Vec::new());
    };
    let last = truth.chunks_exact(plane).rposition(labelled).unwrap_or(first);
    let extent = (last - first).max(1) as f64;
    prediction
        .chunks_exact(plane)
        .zip(truth.chunks_exact(plane))
        .enumerate()
        .take(last + 1)
        .skip(first)
        .map(|(slice, (prediction, truth))| {
            let position = (slice - first) as f64 / extent;
            Ok(SliceDice { slice, position, dice: dice(prediction, truth)? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_counts_each_structure() {
        // LV: 2 of 3 and 2 voxels, 2 shared; MYO: 1 and 2, 1 shared; RV: 1 and 1, none shared.
        let prediction = [1, 1, 1, 2, 3, 0, 0];
        let truth = [1, 1, 2, 2, 0, 3, 0];
        let found = dice(&prediction, &truth).unwrap();
        assert_eq!(found.values(), [2.0 * 2.0 / 5.0, 2.0 * 1.0 / 3.0, 0.0]);
        assert!((found.mean() - (0.8 + 2.0 / 3.0) / 3.0).abs() < 1e-15);
    }

    #[test]
    fn empty_structures_follow_the_convention() {
        // LV in neither, MYO only in the truth, RV only in the prediction.
        let found = dice(&[0, 0, 3], &[0, 2, 0]).unwrap();
        assert_eq!(found.values(), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn slices_are_placed_between_base_and_apex() {
        // Five slices of two voxels; the truth labels slices 1 to 3, the middle one not at all.
        let truth = [0, 0, 1, 2, 0, 0, 1, 0, 0, 0];
        let prediction = [1, 0, 1, 2, 0, 0, 0, 1, 0, 0];
        let found = dice_by_slice(&prediction, &truth, 2).unwrap();
        let placed: Vec<_> = found.iter().map(|s| (s.slice, s.position)).collect();
        assert_eq!(placed, [(1, 0.0), (2, 0.5), (3, 1.0)]);
        let left: Vec<_> = found.iter().map(|s| s.dice.left_ventricle).collect();
        assert_eq!(left, [1.0, 1.0, 0.0]);
        assert!(dice_by_slice(&[0; 4], &[0; 4], 2).unwrap().is_empty());
        assert_eq!(dice_by_slice(&[1, 1], &[1, 1], 2).unwrap()[0].position, 0.0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let sizes = dice(&[0, 0], &[0]).unwrap_err().to_string();
        assert!(sizes.contains('2') && sizes.contains('1'), "{sizes}");
        let label = dice(&[4], &[0]).unwrap_err().to_string();
        assert!(label.contains('4'), "{label}");
        assert!(dice_by_slice(&[0; 5], &[0; 5], 2).is_err());
        assert!(dice_by_slice(&[0; 4], &[0; 4], 0).is_err());
    }
}
