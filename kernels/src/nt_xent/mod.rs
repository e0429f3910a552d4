//! NT-Xent: the contrastive loss of SimCLR and of positional contrastive learning.
//!
//! Chen, Kornblith, Norouzi, Hinton, *A simple framework for contrastive learning of visual
//! representations* (ICML 2020); positives by slice position: Zeng et al., *Positional contrastive
//! learning for volumetric medical image segmentation* (MICCAI 2021).

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{DType, Error, Result, Tensor, same_device, with_device};

/// Settings of the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NtXent {
    /// Temperature that similarities are divided by.
    pub temperature: f64,
    /// Positions closer than this are positives.
    pub threshold: f64,
    /// Whether a distance `d` above one half counts as `1 - d`, the first slice being next to the
    /// last.
    pub cyclic: bool,
}

impl Default for NtXent {
    /// The study's.
    fn default() -> Self {
        NtXent { temperature: 0.1, threshold: 0.1, cyclic: false }
    }
}

impl NtXent {
    /// Whether slices at these relative positions are positives of each other.
    pub fn are_positives(&self, a: f64, b: f64) -> bool {
        let distance = (a - b).abs();
        let wraps = self.cyclic && distance > 0.5;
        (if wraps { (1.0 - distance).abs() } else { distance }) < self.threshold - TIE
    }
}

/// Distances this close to the threshold count as equal to it, and so as no positive: for stacks of
/// 10 slices, `0.3 - 0.2` is above 0.1 and `0.4 - 0.3` is not, and rounding must not decide.
const TIE: f64 = 1e-9;

/// The loss of feature rows `[rows, width]`, as a scalar.
///
/// With `s` the cosine similarity of two rows over the temperature, and `P(i)` the positives of
/// row `i`,
///
/// ```text
/// loss = mean over i of ( ln Σ over j ≠ i of e^s(i, j)  -  mean over j in P(i) of s(i, j) )
/// ```
///
/// Without `positions`, `f64` `[rows]`, rows `2k` and `2k + 1` are views of one image and each other's only
/// positive (SimCLR). With `positions`, one of each row and usually slice index over number of
/// slices, all other rows closer than the threshold are positives (PCL). The largest similarity is
/// taken out of the exponentials, so that a low temperature does not overflow. A row shorter than
/// 1e-8 is divided by that, as PyTorch does.
///
/// # Errors
/// When the features are not rows, there are fewer than two, their number is odd without
/// positions, there is not one finite position for each, the temperature is not positive, or a row
/// has no positive: its loss is not defined, and every image coming in two views it always has
/// one. On a GPU positions are not checked, to avoid a synchronisation: where the CPU returns an
/// error, the loss is NaN.
pub fn nt_xent(features: &Tensor, positions: Option<&Tensor>, settings: &NtXent) -> Result<Tensor> {
    let Some([rows, width]) = features.shape().as_array() else {
        let what = format!("features {} are not [rows, width]", features.shape());
        return Err(Error::shape("nt_xent", what));
    };
    if rows < 2 {
        let what = format!("{rows} rows of features: there must be two to compare");
        return Err(Error::shape("nt_xent", what));
    }
    if settings.temperature.is_nan() || settings.temperature <= 0.0 {
        let what = format!("a temperature of {} is not positive", settings.temperature);
        return Err(Error::value("nt_xent", what));
    }
    match positions {
        None if rows % 2 == 1 => {
            let what = format!("{rows} rows of features do not come in pairs");
            return Err(Error::shape("nt_xent", what));
        }
        Some(positions) if (positions.dims(), positions.dtype()) != (&[rows], DType::F64) => {
            let what = format!("{positions:?} is not the f64 positions of {rows} rows of features");
            return Err(Error::shape("nt_xent", what));
        }
        _ => same_device("nt_xent", [features].into_iter().chain(positions))?,
    }
    with_device!("nt_xent", features,
        gpu => {
            let (loss, saved) = cuda::forward(gpu, features, positions, settings)?;
            Ok(loss.recorded("nt_xent", &[features], move |gradient, _| {
                Ok(vec![Some(cuda::backward(saved, &gradient)?)])
            }))
        },
        T => {
            let positives = match positions {
                None => Positives::pairs(rows),
                Some(positions) => Positives::near(positions.data(), settings)?,
            };
            let (loss, saved) = cpu::forward::<T>(features, [rows, width], &positives, settings);
            let loss = Tensor::scalar(<T as tensor::Feature>::from_f64(loss));
            Ok(loss.recorded("nt_xent", &[features], move |gradient, _| {
                Ok(vec![Some(cpu::backward::<T>(saved, gradient.item()?))])
            }))
        }
    )
}

/// The positives of every row, in increasing order.
struct Positives(Vec<Vec<usize>>);

impl Positives {
    fn pairs(rows: usize) -> Self {
        Positives((0..rows).map(|row| vec![row ^ 1]).collect())
    }

    fn near(positions: &[f64], settings: &NtXent) -> Result<Self> {
        if let Some((row, position)) = positions.iter().enumerate().find(|(_, p)| !p.is_finite()) {
            return Err(Error::value("nt_xent", format!("row {row} is at position {position}")));
        }
        let of_row = |(row, &position): (usize, &f64)| {
            let near = |&j: &usize| j != row && settings.are_positives(positions[j], position);
            let positives: Vec<usize> = (0..positions.len()).filter(near).collect();
            if positives.is_empty() {
                let what = format!(
                    "row {row}, at position {position}, has no other row within {}",
                    settings.threshold
                );
                return Err(Error::value("nt_xent", what));
            }
            Ok(positives)
        };
        positions.iter().enumerate().map(of_row).collect::<Result<_>>().map(Positives)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_loss_is_refused() {
        let refusal = |rows: usize, positions: Option<&[f64]>, settings: NtXent| {
            let features = Tensor::build::<f32>([rows, 3], |x| x.fill(1.0));
            let positions = positions.map(|p| Tensor::from_slice(p, [p.len()]).unwrap());
            nt_xent(&features, positions.as_ref(), &settings).unwrap_err().to_string()
        };
        let study = NtXent::default();
        assert!(refusal(1, None, study).contains("there must be two"));
        assert!(refusal(3, None, study).contains("do not come in pairs"));
        assert!(refusal(2, Some(&[0.5]), study).contains("not the f64 positions of 2 rows"));
        assert!(refusal(2, Some(&[0.5, f64::NAN]), study).contains("row 1 is at position NaN"));
        assert_eq!(
            refusal(3, Some(&[0.0, 0.05, 0.9]), study),
            "nt_xent: row 2, at position 0.9, has no other row within 0.1"
        );
        assert!(refusal(2, None, NtXent { temperature: 0.0, ..study }).contains("not positive"));
    }

    #[test]
    fn the_first_slice_is_next_to_the_last_if_cyclic() {
        let positions = [0.02, 0.97, 0.5, 0.58];
        let near = |cyclic| {
            Positives::near(&positions, &NtXent { cyclic, ..NtXent::default() }).map(|p| p.0)
        };
        assert_eq!(near(true).unwrap(), [[1], [0], [3], [2]]);
        assert!(near(false).is_err());
    }

    #[test]
    fn a_low_temperature_does_not_overflow() {
        let features = [[1.0f32, 0.0], [1.0, 1e-3], [-1.0, 0.0], [-1.0, 1e-3]].concat();
        let features = Tensor::from_slice(&features, [4, 2]).unwrap().parameter();
        let settings = NtXent { temperature: 1e-3, ..NtXent::default() };
        let loss = nt_xent(&features, None, &settings).unwrap();
        assert!(loss.item().unwrap().abs() < 1e-3);
        let gradients = loss.backward().unwrap();
        assert!(gradients.get(&features).unwrap().to_f64().iter().all(|g| g.is_finite()));
    }
}
