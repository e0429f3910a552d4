//! Tests and intervals for paired differences.

use common::purposes;
use tensor::random::Stream;

use evaluate::quantile;

/// The largest number of differences for which [`wilcoxon`] computes p exactly, as in scipy.
const EXACT: usize = 50;
/// Bootstrap resamples.
const RESAMPLES: usize = 10_000;

/// Mean and sample standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanSd {
    /// Mean.
    pub mean: f64,
    /// Standard deviation with divisor n - 1; none for a single value.
    pub sd: Option<f64>,
}

impl MeanSd {
    /// Of `values`; none if there are none.
    pub fn of(values: &[f64]) -> Option<MeanSd> {
        let n = values.len() as f64;
        let mean = mean(values)?;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        Some(MeanSd { mean, sd })
    }
}

/// Mean of `values`; none if there are none.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Two-sided p of Wilcoxon's signed-rank test (*Biometrics Bulletin* 1, 1945) of the hypothesis that
/// paired `differences` are distributed symmetrically around 0.
///
/// The differences d are ranked by |d|, without those that are 0 (p is 1 if none is left); equal ones share
/// their mean rank. The statistic W is the sum of the ranks of positive differences. For n ≤ 50 without ties
/// p is exact. Otherwise p is that of the normal approximation with mean n (n + 1) / 4 and variance
/// n (n + 1)(2n + 1) / 24 - Σ (t³ - t) / 48 over groups of t ties, with continuity correction. This is
/// `scipy.stats.wilcoxon` with `correction=True`.
pub fn wilcoxon(differences: &[f64]) -> f64 {
    let Ranks { count: n, positive, total, ties } = Ranks::of(differences);
    let size = n as f64;
    if n <= EXACT && ties == 0.0 {
        return exact(n, positive.min(total - positive) as usize);
    }
    let variance = size * (size + 1.0) * (2.0 * size + 1.0) / 24.0 - ties / 48.0;
    let beyond = ((positive - total / 2.0).abs() - 0.5).max(0.0);
    libm::erfc(beyond / variance.sqrt() / std::f64::consts::SQRT_2)
}

/// The direction that [`wilcoxon`] finds: above 0 where the ranks of positive differences have the larger
/// sum. The mean may have the other sign, where a few large differences oppose many small ones.
pub fn direction(differences: &[f64]) -> f64 {
    let Ranks { positive, total, .. } = Ranks::of(differences);
    positive - total / 2.0
}

/// Ranks of the differences other than 0, by magnitude.
struct Ranks {
    count: usize,
    /// Sum of the ranks of positive differences.
    positive: f64,
    /// Sum of all ranks.
    total: f64,
    /// Sum of t³ - t over groups of t ties.
    ties: f64,
}

impl Ranks {
    fn of(differences: &[f64]) -> Self {
        let mut sorted: Vec<f64> =
            differences.iter().copied().filter(|value| *value != 0.0).collect();
        sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let n = sorted.len();
        let (mut positive, mut ties, mut first) = (0.0, 0.0, 0);
        for alike in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
            let (count, rank) =
                (alike.len() as f64, first as f64 + (alike.len() as f64 + 1.0) / 2.0);
            positive += rank * alike.iter().filter(|value| **value > 0.0).count() as f64;
            ties += count.powi(3) - count;
            first += alike.len();
        }
        Ranks { count: n, positive, total: n as f64 * (n as f64 + 1.0) / 2.0, ties }
    }
}

/// Two-sided probability under the null hypothesis that the smaller of the two sums of `n` signed ranks is at
/// most `sum`.
fn exact(n: usize, sum: usize) -> f64 {
    // For each value, how many of the 2^n choices of signs have positive ranks with that sum.
    let mut ways = vec![0.0; sum + 1];
    ways[0] = 1.0;
    for rank in 1..=n {
        for at in (rank..=sum).rev() {
            ways[at] += ways[at - rank];
        }
    }
    (2.0 * ways.iter().sum::<f64>() / 2f64.powi(n as i32)).min(1.0)
}

/// The smallest p that [`wilcoxon`] can give for `n` differences.
pub fn smallest_p(n: usize) -> f64 {
    2f64.powi(1 - n as i32).min(1.0)
}

/// Holm's correction of the p values of m tests (*Scandinavian Journal of Statistics* 6, 1979), returned in
/// the order of `p`.
///
/// The k-th smallest p (k from 1) is multiplied by m - k + 1, made no smaller than the corrected p before it,
/// and limited to 1. This bounds the probability of any false rejection among the tests.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![0.0; p.len()];
    let mut highest = 0.0f64;
    for (before, test) in order.into_iter().enumerate() {
        highest = highest.max(p[test] * (p.len() - before) as f64).min(1.0);
        corrected[test] = highest;
    }
    corrected
}

/// 95 % interval of the mean of `differences` by the percentile bootstrap (Efron, *Annals of Statistics* 7,
/// 1979): the 2.5th and 97.5th percentiles of the means of 10,000 resamples with replacement; none for fewer
/// than two. The random stream is fixed, so that the same differences give the same interval.
pub fn bootstrap(differences: &[f64]) -> Option<[f64; 2]> {
    let n = differences.len();
    if n < 2 {
        return None;
    }
    let mut stream = Stream::new(0, purposes::BOOTSTRAP, 0, 0);
    let mut resampled = || (0..n).map(|_| differences[stream.below(n)]).sum::<f64>() / n as f64;
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| resampled()).collect();
    means.sort_by(f64::total_cmp);
    Some([quantile(&means, 0.025), quantile(&means, 0.975)])
}

/// 95 % interval of the mean of `values` by Student's t, which assumes a normal distribution: mean ±
/// t(0.975, n - 1) s / √n with the sample standard deviation s; none for fewer than two. For seeds, which are
/// too few for a bootstrap.
pub fn student(values: &[f64]) -> Option<[f64; 2]> {
    let MeanSd { mean, sd } = MeanSd::of(values)?;
    let half = quantile_of_t(values.len() - 1) * sd? / (values.len() as f64).sqrt();
    Some([mean - half, mean + half])
}

/// The 97.5 % quantile of Student's t distribution, to three digits; above 30 degrees of freedom by the
/// first term of its expansion around the quantile of the normal distribution.
fn quantile_of_t(degrees_of_freedom: usize) -> f64 {
    const KNOWN: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    let known = KNOWN.get(degrees_of_freedom.max(1) - 1).copied();
    known.unwrap_or(1.960 + 2.372 / degrees_of_freedom as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: [f64; 8] = [0.013, -0.004, 0.022, 0.031, -0.009, 0.017, 0.006, 0.028];

    fn close(ours: f64, theirs: f64) {
        assert!((ours - theirs).abs() < 1e-12 * theirs.abs(), "{ours} is not {theirs}");
    }

    /// p of scipy 1.17.1: `wilcoxon(differences, correction=True).pvalue`.
    #[test]
    fn wilcoxon_agrees_with_scipy() {
        // Exact.
        close(wilcoxon(&FEW), 0.0546875);
        close(wilcoxon(&[0.1, 0.2, 0.3, 0.4, 0.5]), 0.0625);
        close(wilcoxon(&[-0.1, 0.2, -0.3]), 0.75);
        let fifty: Vec<f64> = (0..50)
            .map(|i| f64::from((i * 17) % 50 + 1) * if i % 3 == 0 { -1.0 } else { 1.0 })
            .collect();
        close(wilcoxon(&fifty), 4.880519277605799e-07);
        // Ties and a 0.
        let tied = [
            0.02, 0.0, -0.01, 0.01, 0.03, -0.02, 0.01, 0.04, 0.05, -0.01, 0.02, 0.06, 0.03, -0.03,
            0.02, 0.01,
        ];
        close(wilcoxon(&tied), 0.0453240389972143);
        // Many.
        let many: Vec<f64> = (0..60)
            .map(|i| (f64::from((i * 37) % 101) - 40.5) / 1000.0 * (1.0 + f64::from(i) / 200.0))
            .collect();
        close(wilcoxon(&many), 0.029603622239216743);
    }

    #[test]
    fn nothing_speaks_against_no_difference() {
        assert_eq!(wilcoxon(&[]), 1.0);
        assert_eq!(wilcoxon(&[0.0, 0.0]), 1.0);
        assert_eq!(wilcoxon(&[0.3]), 1.0);
        assert_eq!(wilcoxon(&[0.2, -0.2]), 1.0);
    }

    #[test]
    fn no_test_goes_below_the_smallest_p() {
        for n in 1..20 {
            let all: Vec<f64> = (1..=n).map(|k| k as f64).collect();
            assert_eq!(wilcoxon(&all), smallest_p(n));
        }
    }

    /// By hand: 0.01 · 4, then 0.02 · 3, then 0.03 · 2, then 0.5 · 1.
    #[test]
    fn ranks_may_go_where_the_mean_does_not() {
        let mut differences = [0.005; 20];
        (0..18).for_each(|n| differences[n] += 1e-4 * n as f64);
        (differences[18], differences[19]) = (-0.3, -0.31);
        assert!(mean(&differences).unwrap() < 0.0 && direction(&differences) > 0.0);
        assert!(wilcoxon(&differences) < 0.05);
        assert_eq!(direction(&[-1.0, 1.0, 0.0]), 0.0);
    }

    #[test]
    fn holm_steps_down() {
        let found = holm(&[0.03, 0.01, 0.5, 0.02]);
        for (ours, theirs) in found.iter().zip([0.06, 0.04, 0.5, 0.06]) {
            close(*ours, theirs);
        }
        assert_eq!(holm(&[0.6, 0.9]), [1.0, 1.0]);
        // What was worse before stays no better after: 0.02 · 2, and 0.03 is lifted to that.
        assert_eq!(holm(&[0.02, 0.03]), [0.04, 0.04]);
        assert!(holm(&[]).is_empty());
    }

    /// scipy 1.17.1: `bootstrap((differences,), numpy.mean, method="percentile")` with 200,000
    /// resamples; the bounds of 10,000 scatter by some 0.0002.
    #[test]
    fn the_bootstrap_agrees_with_scipy() {
        let [low, high] = bootstrap(&FEW).unwrap();
        assert!((low - 0.003375).abs() < 6e-4 && (high - 0.022125).abs() < 6e-4, "{low} {high}");
        assert_eq!(bootstrap(&FEW), bootstrap(&FEW));
        assert_eq!(bootstrap(&[0.1]), None);
        assert_eq!(bootstrap(&[0.1, 0.1]), Some([0.1, 0.1]));
    }

    /// By hand, from tables: t is 4.302653 of two degrees of freedom, 2.364624 of seven, 2.021075 of forty.
    #[test]
    fn students_interval_is_that_of_tables() {
        let [low, high] = student(&[0.81, 0.84, 0.79]).unwrap();
        assert!((low - 0.750818).abs() < 1e-5 && (high - 0.875849).abs() < 1e-5, "{low} {high}");
        let [low, high] = student(&FEW).unwrap();
        assert!((low - 0.000893).abs() < 1e-5 && (high - 0.025107).abs() < 1e-5, "{low} {high}");
        assert!((quantile_of_t(40) - 2.021075).abs() < 3e-3);
        assert_eq!(student(&[0.1]), None);
    }

    #[test]
    fn spread_is_that_of_a_sample() {
        let found = MeanSd::of(&[0.81, 0.84, 0.79]).unwrap();
        close(found.mean, 0.8133333333333334);
        close(found.sd.unwrap(), 0.025166114784235794);
        assert_eq!(MeanSd::of(&[0.5]), Some(MeanSd { mean: 0.5, sd: None }));
        assert_eq!(MeanSd::of(&[]), None);
    }
}
