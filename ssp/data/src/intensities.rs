//! Whether voxels can be the intensities of an image: finite, and of a range that float32 can hold.

/// Scanners store at most 65535; a slope may scale that, but not by orders of magnitude like this. Larger
/// values are markers, such as -3.4e38 for "no data".
const LARGEST: f32 = 1e12;

/// Differences below this vanish when intensities are standardised in float32.
const LEAST_RANGE: f32 = 1e-12;

/// Why voxels cannot be used as intensities, and what to do; none if they can. `dims` are those of the
/// file's axes i, j, k.
pub(crate) fn unusable(voxels: &[f32], dims: [usize; 3]) -> Option<String> {
    let infinite = voxels.iter().filter(|voxel| !voxel.is_finite()).count();
    if infinite > 0 {
        return Some(format!("{infinite} voxels are not finite; replace them, for instance by 0"));
    }
    if let Some(index) = voxels.iter().position(|voxel| voxel.abs() > LARGEST) {
        let count = voxels[index..].iter().filter(|voxel| voxel.abs() > LARGEST).count();
        let [i, j, k] =
            [index % dims[0], index / dims[0] % dims[1], index / (dims[0] * dims[1]) % dims[2]];
        return Some(format!(
            "voxel ({i}, {j}, {k}) holds {:e}, which is no intensity ({count} such voxels); replace what marks \
             missing data, for instance by 0",
            voxels[index]
        ));
    }
    let [low, high] = range(voxels)?;
    if low == high {
        return Some(format!("every voxel is {low}"));
    }
    // Beside a large offset, float32 leaves too few steps.
    let least = LEAST_RANGE.max(1e-5 * low.abs().max(high.abs()));
    (high - low < least)
        .then(|| format!("intensities from {low:e} to {high:e} hardly differ; rescale them"))
}

/// The lowest and highest finite value; none if there is none.
pub(crate) fn range(voxels: &[f32]) -> Option<[f32; 2]> {
    let finite = voxels.iter().copied().filter(|voxel| voxel.is_finite());
    let [low, high] =
        finite.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)]);
    (low <= high).then_some([low, high])
}

/// What to warn of if a part of the voxels is far from all others, as borders are that a program filled
/// with a number such as -2000 or -32768.
pub(crate) fn marked_border(voxels: &[f32]) -> Option<String> {
    /// How many times the range of all other voxels the distance to them may be.
    const MOST: f32 = 5.0;
    let sample = sorted_sample(voxels);
    // The widest gap that leaves enough voxels on either side.
    let least = (sample.len() / 200).max(1);
    let within = least..sample.len().saturating_sub(least).max(least);
    let gap = |at: usize| sample[at] - sample[at - 1];
    let widest = within.max_by(|&a, &b| gap(a).total_cmp(&gap(b)))?;
    let (low, high) = sample.split_at(widest);
    let [of_low, of_high] = [low, high].map(|part| part[part.len() - 1] - part[0]);
    let (marked, others) = if of_low < of_high { (low, high) } else { (high, low) };
    let range = others[others.len() - 1] - others[0];
    (range > 0.0 && gap(widest) > MOST * range).then(|| {
        format!(
            "a part of the voxels is {} or nearly so, far from all others: do they mark missing data? Replace \
             them, for instance by 0",
            marked[marked.len() / 2]
        )
    })
}

/// Some of the voxels, enough for percentiles, in order.
fn sorted_sample(voxels: &[f32]) -> Vec<f32> {
    const SAMPLE: usize = 100_000;
    let mut sample: Vec<f32> =
        voxels.iter().copied().step_by((voxels.len() / SAMPLE).max(1)).collect();
    sample.sort_unstable_by(f32::total_cmp);
    sample
}

/// What to warn of if a few voxels are so far from all others that these hardly differ beside them.
pub(crate) fn far_voxels(voxels: &[f32]) -> Option<String> {
    /// How many times the range of nearly all voxels the range of all may be.
    const MOST: f32 = 500.0;
    let [low, high] = range(voxels)?;
    let sample = sorted_sample(voxels);
    let at = |share: f64| sample[((sample.len() - 1) as f64 * share) as usize];
    let [usual_low, usual_high] = [at(0.001), at(0.999)];
    let usual = usual_high - usual_low;
    (usual > 0.0 && high - low > MOST * usual).then(|| {
        format!(
            "intensities range from {low} to {high}, and nearly all from {usual_low} to {usual_high}: are \
             the others markers of missing data?"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: f32) -> Vec<f32> {
        let mut voxels: Vec<f32> = (0..2000).map(|n| (n % 256) as f32).collect();
        voxels[1234] = value;
        voxels
    }

    #[test]
    fn what_is_no_intensity_is_named() {
        let dims = [10, 10, 20];
        let refused = |value: f32| unusable(&with(value), dims);
        for fine in [0.0, 1e-40, -1000.0, 65535.0, 1e7] {
            assert_eq!(refused(fine), None, "{fine}");
        }
        for marker in [-f32::MAX, f32::MAX, 1e30, -1e20] {
            let line = refused(marker).unwrap();
            assert!(line.contains("voxel (4, 3, 12)") && line.contains("(1 such"), "{line}");
        }
        assert!(refused(f32::NAN).unwrap().contains("1 voxels are not finite"));
        let all =
            |of: fn(f32) -> f32| unusable(&with(0.0).into_iter().map(of).collect::<Vec<_>>(), dims);
        assert!(all(|v| v * 1e-40).unwrap().contains("hardly differ"));
        assert!(all(|v| v + 1e9).unwrap().contains("hardly differ"));
        assert!(all(|_| 7.0).unwrap().contains("every voxel is 7"));
        assert_eq!(all(|v| v * 1e-6), None);
        // Two extremes whose range overflows.
        let mut extremes = with(f32::MAX);
        extremes[0] = f32::MIN;
        assert!(unusable(&extremes, dims).unwrap().contains("(2 such"));
    }

    #[test]
    fn a_border_filled_with_a_number_is_a_warning() {
        let filled = |share: usize, value: f32| -> Vec<f32> {
            let filled = |n: usize| if n % 100 < share { value } else { 30.0 + (n % 203) as f32 };
            (0..20_000).map(filled).collect()
        };
        for fine in [filled(20, 0.0), filled(20, 400.0), filled(60, -100.0), filled(0, 0.0)] {
            assert_eq!(marked_border(&fine), None);
        }
        let line = marked_border(&filled(12, -2000.0)).unwrap();
        assert!(line.contains("is -2000 or nearly so"), "{line}");
        assert!(marked_border(&filled(12, -32768.0)).is_some());
        assert!(marked_border(&filled(60, -2000.0)).unwrap().contains("is -2000 "));
        assert!(marked_border(&filled(2, 65535.0)).is_some());
        assert_eq!(marked_border(&[]), None);
        assert_eq!(marked_border(&[1.0]), None);
    }

    #[test]
    fn a_marker_far_from_all_intensities_is_a_warning() {
        assert_eq!(far_voxels(&with(0.0)), None);
        assert_eq!(far_voxels(&with(20_000.0)), None);
        let line = far_voxels(&with(-1e6)).unwrap();
        assert!(line.contains("-1000000 to 255"), "{line}");
    }
}
