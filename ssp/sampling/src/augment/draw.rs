//! The parameters of one view, drawn from nothing but names.

use kernels::intensity::Noise;
use tensor::random::Stream;

use super::geometry::Placement;
use super::settings::{Augmentation, Chance, IntensityScale};
use common::purposes;

/// Names a view: equal keys give equal views, on any thread, in any order, after any resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Seed of the run.
    pub seed: u64,
    /// Epoch.
    pub epoch: u32,
    /// Index of the slice in the data set.
    pub sample: u32,
    /// Index of the view of that slice.
    pub view: u32,
}

impl Key {
    /// Views per sample that have streams of their own.
    const VIEWS: u32 = 64;

    /// One number for sample and view; unique for 64 views of each of 67 million slices.
    fn number(&self) -> u32 {
        self.sample.wrapping_mul(Self::VIEWS).wrapping_add(self.view)
    }
}

/// One view of a slice: its placement, and the changes of its intensities, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Its placement on the slice.
    pub placement: Placement,
    /// Noise added to standardised intensities.
    pub noise: Option<Noise>,
    /// Sigma of the blur in pixels, `[rows, columns]`.
    pub blur: Option<[f64; 2]>,
    /// What intensities are multiplied with.
    pub factor: f64,
    /// What is then added.
    pub shift: f64,
    /// Exponent of contrast.
    pub contrast: Option<f64>,
    /// Values above this become the subject's highest minus them.
    pub solarise: Option<f64>,
}

impl View {
    /// Without augmentation: resampled and standardised.
    pub const PLAIN: View = View {
        placement: Placement::PLAIN,
        noise: None,
        blur: None,
        factor: 1.0,
        shift: 0.0,
        contrast: None,
        solarise: None,
    };
}

/// Draws a view of a slice onto a target of `size` pixels. `centre` is the source pixel (row,
/// column) at its middle before translation; none for the middle of the slice.
///
/// The same numbers are drawn whatever the settings, so that changing one setting leaves what the
/// others do to a view as it was.
pub fn draw(settings: &Augmentation, size: [usize; 2], centre: Option<[f64; 2]>, key: Key) -> View {
    let mut stream = Stream::new(key.seed, purposes::AUGMENTATION, key.epoch, key.number());
    let happens = stream.chance(settings.translation.probability);
    let translation = size.map(|n| {
        let [low, high] = settings.translation.range.map(|pixels| pixels * n as f64 / 256.0);
        let drawn = stream.uniform(low, high);
        if happens { drawn } else { 0.0 }
    });
    let rotation = sometimes(&mut stream, &settings.rotation).unwrap_or(0.0);
    let scale = sometimes(&mut stream, &settings.scale).unwrap_or(1.0);
    let flip = settings.flip.map(|p| stream.chance(p));
    let deviation = sometimes(&mut stream, &settings.noise);
    let rows = sometimes(&mut stream, &settings.blur);
    let columns = stream.uniform(settings.blur.range[0], settings.blur.range[1]);
    let factor = sometimes(&mut stream, &settings.intensity_scale);
    let shift = sometimes(&mut stream, &settings.intensity_shift);
    let contrast = sometimes(&mut stream, &settings.contrast);
    let solarise = stream.chance(settings.solarise);
    let (seed, epoch, sample) = (key.seed, key.epoch, key.number());
    View {
        placement: Placement { centre, rotation, scale: [scale; 2], flip, translation },
        noise: deviation.map(|deviation| Noise { seed, epoch, sample, deviation }),
        blur: rows.map(|rows| [rows, columns]),
        factor: match settings.intensity_scale_means {
            IntensityScale::OnePlusFactor => 1.0 + factor.unwrap_or(0.0),
            IntensityScale::Factor => factor.unwrap_or(1.0),
        },
        shift: shift.unwrap_or(0.0),
        contrast,
        solarise: solarise.then_some(settings.solarise_above),
    }
}

/// The strength, if it happens; two numbers are drawn either way.
fn sometimes(stream: &mut Stream, chance: &Chance) -> Option<f64> {
    let happens = stream.chance(chance.probability);
    let strength = stream.uniform(chance.range[0], chance.range[1]);
    happens.then_some(strength)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(sample: u32, view: u32) -> Key {
        Key { seed: 3, epoch: 5, sample, view }
    }

    #[test]
    fn views_are_named_and_independent() {
        let settings = Augmentation::default();
        let draw = |key| draw(&settings, [256; 2], None, key);
        assert_eq!(draw(key(1, 0)), draw(key(1, 0)));
        let others = [key(1, 1), key(2, 0), Key { epoch: 6, ..key(1, 0) }];
        for other in others.into_iter().chain([Key { seed: 4, ..key(1, 0) }]) {
            assert_ne!(draw(key(1, 0)), draw(other));
        }
    }

    #[test]
    fn ranges_and_frequencies_are_those_of_the_settings() {
        let settings = Augmentation::default();
        let views: Vec<View> =
            (0..4000).map(|i| draw(&settings, [128, 256], None, key(i, 0))).collect();
        let share = |holds: &dyn Fn(&View) -> bool| {
            views.iter().filter(|v| holds(v)).count() as f64 / views.len() as f64
        };
        // Four standard errors of 4000 draws.
        assert!((share(&|v| v.noise.is_some()) - 0.2).abs() < 0.026);
        assert!((share(&|v| v.blur.is_some()) - 0.2).abs() < 0.026);
        assert!((share(&|v| v.placement.flip[0]) - 0.5).abs() < 0.032);
        assert!((share(&|v| v.placement.flip[0] == v.placement.flip[1]) - 0.5).abs() < 0.032);
        let range = |value: &dyn Fn(&View) -> f64| {
            let values = views.iter().map(value);
            values.fold([f64::MAX, f64::MIN], |[a, b], v| [a.min(v), b.max(v)])
        };
        let spans = |found: [f64; 2], low: f64, high: f64| {
            let edge = 0.01 * (high - low);
            let covers = found[0] < low + edge && found[1] > high - edge;
            assert!(found[0] >= low && found[1] <= high && covers, "{found:?}: {low} to {high}");
        };
        spans(range(&|v| v.placement.translation[0]), -20.0, 20.0);
        spans(range(&|v| v.placement.translation[1]), -40.0, 40.0);
        spans(range(&|v| v.placement.rotation), -180.0, 180.0);
        spans(range(&|v| v.placement.scale[0]), 0.7, 1.4);
        spans(range(&|v| v.factor), 1.6, 2.5);
        spans(range(&|v| v.shift), -0.4, 0.4);
        spans(range(&|v| v.contrast.unwrap_or(1.0)), 0.7, 1.5);
    }

    #[test]
    fn changing_one_setting_leaves_the_rest_of_a_view() {
        let study = Augmentation::default();
        let changed = Augmentation {
            blur: Chance::NEVER,
            intensity_scale_means: IntensityScale::Factor,
            ..study
        };
        for i in 0..50 {
            let [a, b] = [study, changed].map(|s| draw(&s, [256; 2], None, key(i, 0)));
            assert!((a.factor - 1.0 - b.factor).abs() < 1e-12);
            assert_eq!(View { blur: None, factor: b.factor, ..a }, b);
        }
    }
}
