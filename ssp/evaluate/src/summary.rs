//! The distribution of a score over a set of subjects.

use serde::{Deserialize, Serialize};

/// Location, spread and shape of a set of values, by the default definitions of numpy and scipy.
///
/// Quantiles are interpolated linearly between order statistics (`numpy.quantile`). With the
/// central moments `m_k = Σ (x - mean)^k / n`, the deviation is `√m_2` (divisor n, as
/// `numpy.std`), the skew `m_3 / m_2^1.5` and the kurtosis `m_4 / m_2² - 3`, so that a normal
/// distribution has 0 (`scipy.stats.skew` and `kurtosis`: biased, Fisher). Skew and kurtosis of
/// values that are all alike are NaN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Summary {
    pub count: usize,
    pub mean: f64,
    pub deviation: f64,
    pub minimum: f64,
    pub quantile_05: f64,
    pub quantile_25: f64,
    pub median: f64,
    pub quantile_75: f64,
    pub quantile_95: f64,
    pub maximum: f64,
    pub skew: f64,
    pub kurtosis: f64,
}

impl Summary {
    /// Summary of `values`; nothing if there are none.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&minimum, &maximum) = (sorted.first()?, sorted.last()?);
        let n = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / n;
        let moment = |power| sorted.iter().map(|v| (v - mean).powi(power)).sum::<f64>() / n;
        let variance = moment(2);
        // Values that differ by rounding alone have no shape (the rule of scipy.stats).
        let alike = variance <= (f64::EPSILON * mean).powi(2);
        let shape = |value: f64| if alike { f64::NAN } else { value };
        Some(Summary {
            count: sorted.len(),
            mean,
            deviation: variance.sqrt(),
            minimum,
            quantile_05: quantile(&sorted, 0.05),
            quantile_25: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            quantile_75: quantile(&sorted, 0.75),
            quantile_95: quantile(&sorted, 0.95),
            maximum,
            skew: shape(moment(3) / variance.powf(1.5)),
            kurtosis: shape(moment(4) / (variance * variance) - 3.0),
        })
    }
}

/// Quantile `q` in 0 to 1 of `sorted` values, interpolated linearly between neighbours.
///
/// NaN for an empty slice.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = q.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by numpy 2.4.6 and scipy 1.17.1: mean, std, quantile, stats.skew, stats.kurtosis.
    #[test]
    fn agrees_with_numpy_and_scipy() {
        let found = Summary::of(&[0.91, 0.84, 0.62, 0.88, 0.0, 0.95, 0.79]).unwrap();
        let pairs = [
            (found.mean, 0.7128571428571429),
            (found.deviation, 0.30751140679025624),
            (found.minimum, 0.0),
            (found.quantile_05, 0.18600000000000003),
            (found.quantile_25, 0.7050000000000001),
            (found.median, 0.84),
            (found.quantile_75, 0.895),
            (found.quantile_95, 0.938),
            (found.maximum, 0.95),
            (found.skew, -1.6450983438256717),
            (found.kurtosis, 1.218461278615746),
        ];
        assert_eq!(found.count, 7);
        for (ours, theirs) in pairs {
            assert!((ours - theirs).abs() < 1e-12, "{ours} is not {theirs}");
        }
    }

    #[test]
    fn sets_without_spread_have_no_shape() {
        let found = Summary::of(&[0.9; 3]).unwrap();
        assert!(found.skew.is_nan() && found.kurtosis.is_nan());
        assert_eq!((found.median, found.count), (0.9, 3));
        assert_eq!(Summary::of(&[0.5]).unwrap().deviation, 0.0);
        assert_eq!(Summary::of(&[]), None);
    }
}
