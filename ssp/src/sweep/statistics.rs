//! What may be said of paired differences.

/// The two-sided p value of Wilcoxon's signed-rank test of paired differences: exact where no two are
/// equally large and none is zero, up to 50 of them; else the normal approximation with its correction
/// for ties, zeros left out. None where there is no difference.
///
/// Wilcoxon, *Individual comparisons by ranking methods* (Biometrics Bulletin 1, 1945).
pub fn wilcoxon(differences: &[f64]) -> Option<f64> {
    const EXACT: usize = 50;
    let mut left: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    left.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let count = left.len();
    if count == 0 {
        return None;
    }
    let (mut positive, mut ties, mut start) = (0.0, 0.0, 0);
    while start < count {
        let same = |d: &&f64| d.abs() == left[start].abs();
        let group = left[start..].iter().take_while(same).count();
        let rank = start as f64 + (group as f64 + 1.0) / 2.0;
        let above = left[start..start + group].iter().filter(|d| **d > 0.0).count();
        positive += rank * above as f64;
        ties += (group * group * group - group) as f64;
        start += group;
    }
    let n = count as f64;
    let all = n * (n + 1.0) / 2.0;
    if ties == 0.0 && count == differences.len() && count <= EXACT {
        return Some(exact(count, positive.min(all - positive) as usize));
    }
    let deviation = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0).sqrt();
    let z = (positive - all / 2.0).abs() / deviation;
    Some(libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2).min(1.0))
}

/// Twice the share of all signs of the ranks 1 to `count` whose positive ones sum to `least` at most.
fn exact(count: usize, least: usize) -> f64 {
    let mut ways = vec![0.0; count * (count + 1) / 2 + 1];
    ways[0] = 1.0;
    for rank in 1..=count {
        for sum in (rank..ways.len()).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let tail: f64 = ways[..=least].iter().sum();
    (2.0 * tail / (count as f64).exp2()).min(1.0)
}

/// P values corrected for being several, by Holm's step-down procedure, in their own order.
///
/// Holm, *A simple sequentially rejective multiple test procedure* (Scand. J. Statist. 6, 1979).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let (mut corrected, mut highest) = (vec![0.0; p.len()], 0.0f64);
    for (place, &index) in order.iter().enumerate() {
        highest = highest.max(p[index] * (p.len() - place) as f64).min(1.0);
        corrected[index] = highest;
    }
    corrected
}
