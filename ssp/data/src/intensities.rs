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

/// What to warn of if a few voxels are so far from all others that these hardly differ beside them.
pub(crate) fn far_voxels(voxels: &[f32]) -> Option<String> {
    /// Voxels that are looked at; percentiles need no more.
    const SAMPLE: usize = 100_000;
    /// How many times the range of nearly all voxels the range of all may be.
    const MOST: f32 = 500.0;
    let [low, high] = range(voxels)?;
    let mut sample: Vec<f32> =
        voxels.iter().copied().step_by((voxels.len() / SAMPLE).max(1)).collect();
    sample.sort_unstable_by(f32::total_cmp);
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
    fn a_marker_far_from_all_intensities_is_a_warning() {
        assert_eq!(far_voxels(&with(0.0)), None);
        assert_eq!(far_voxels(&with(20_000.0)), None);
        let line = far_voxels(&with(-1e6)).unwrap();
        assert!(line.contains("-1000000 to 255"), "{line}");
    }
}
