//! Slices embedded by an encoder, and which lie nearest to which.

use nn::{Encoder, Mode, Module};
use rayon::prelude::*;
use tensor::{Device, no_grad};

use super::position;
use crate::Result;
use sampling::augment::{Grid, Slice, plain_views};
use sampling::cache::Cache;
use sampling::sampler::Sample;

/// Slices that go through the encoder at once.
const BATCH: usize = 16;

/// Slices with what an encoder makes of them.
pub(super) struct Embedded {
    /// The slices.
    pub slices: Vec<Sample>,
    /// Their relative positions, from 0 at the base.
    pub positions: Vec<f64>,
    /// Their pooled features less the mean over all slices, scaled to length 1.
    features: Vec<Vec<f64>>,
}

/// Mean absolute differences in relative position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Differences {
    /// Between a slice and its nearest neighbour.
    pub nearest: f64,
    /// Between a slice and one at random: chance.
    pub random: f64,
}

impl Embedded {
    /// Plain views of `slices` on `grid` through the encoder in evaluation mode, without the tape.
    pub fn new(
        encoder: &mut Encoder,
        cache: &Cache,
        slices: Vec<Sample>,
        grid: &Grid,
    ) -> Result<Self> {
        let mut features = Vec::with_capacity(slices.len());
        for slices in slices.chunks(BATCH) {
            let views = plain_views(&read(cache, slices), grid).to_device(&encoder.device())?;
            let pooled = no_grad(|| encoder.pooled(&views, Mode::Evaluate))?;
            let pooled = pooled.to_device(&Device::Cpu)?;
            let width = pooled.dims()[1].max(1);
            features.extend(pooled.data::<f32>().chunks_exact(width).map(<[f32]>::to_vec));
        }
        let features = directions(&features);
        let positions = slices.iter().map(|sample| position(cache, sample)).collect();
        Ok(Embedded { slices, positions, features })
    }

    /// Cosine similarity of two slices.
    pub fn similarity(&self, a: usize, b: usize) -> f64 {
        self.features[a].iter().zip(&self.features[b]).map(|(a, b)| a * b).sum()
    }

    /// Slices of other subjects than that of `of`.
    fn others(&self, of: usize) -> impl Iterator<Item = usize> {
        let subject = self.slices[of].subject;
        (0..self.slices.len()).filter(move |&other| self.slices[other].subject != subject)
    }

    /// The `count` slices of other subjects that are most similar, with their similarity; of
    /// equals the first.
    pub fn nearest(&self, of: usize, count: usize) -> Vec<(usize, f64)> {
        let mut all: Vec<_> = self.others(of).map(|o| (o, self.similarity(of, o))).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.truncate(count);
        all
    }

    /// How far apart neighbours lie between base and apex, over the slices `of`; none if there is
    /// one subject only.
    pub fn differences(&self, of: &[usize]) -> Option<Differences> {
        let apart = |a: usize, b: usize| (self.positions[a] - self.positions[b]).abs();
        let found = of.par_iter().map(|&slice| {
            let (nearest, _) = *self.nearest(slice, 1).first()?;
            let sum: f64 = self.others(slice).map(|other| apart(slice, other)).sum();
            Some([apart(slice, nearest), sum / self.others(slice).count() as f64])
        });
        let found: Vec<[f64; 2]> = found.collect::<Option<_>>()?;
        let mean = |k: usize| found.iter().map(|d| d[k]).sum::<f64>() / found.len() as f64;
        (!found.is_empty()).then(|| Differences { nearest: mean(0), random: mean(1) })
    }
}

/// Slices of a cache.
pub(super) fn read<'a>(cache: &'a Cache, slices: &[Sample]) -> Vec<Slice<'a>> {
    let slice = |sample: &Sample| cache.subject(sample.subject).slice(sample.phase, sample.slice);
    slices.iter().map(slice).collect()
}

/// Features less their mean over all slices, scaled to length 1; those of length 0 stay so.
///
/// Activations are mostly positive and have a large part in common, with which all cosines would
/// be close to 1.
fn directions(features: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let width = features.first().map_or(0, Vec::len);
    let column = |k: usize| features.iter().map(move |row| f64::from(row[k])).sum::<f64>();
    let means: Vec<f64> = (0..width).map(|k| column(k) / features.len() as f64).collect();
    let unit = |row: &Vec<f32>| {
        let centred = row.iter().zip(&means).map(|(&value, mean)| f64::from(value) - mean);
        let length = centred.clone().map(|value| value * value).sum::<f64>().sqrt().max(1e-12);
        centred.map(|value| value / length).collect()
    };
    features.iter().map(unit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four subjects of five slices, whose features turn with the position, by `turn` of a circle.
    fn embedded(turn: f64) -> Embedded {
        let slices: Vec<_> =
            (0..20).map(|k| Sample { subject: k / 5, phase: 0, slice: k % 5 }).collect();
        let positions: Vec<f64> = slices.iter().map(|s| s.slice as f64 / 5.0).collect();
        let features = positions.iter().map(|p| {
            let angle = p * turn * std::f64::consts::TAU;
            vec![angle.cos(), angle.sin()]
        });
        let features = features.collect();
        Embedded { slices, positions, features }
    }

    #[test]
    fn neighbours_are_of_other_subjects_and_the_most_similar_first() {
        let embedded = embedded(0.5);
        let found = embedded.nearest(7, 5);
        assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [2, 12, 17, 1, 3]);
        assert!((found[0].1 - 1.0).abs() < 1e-6 && found[4].1 < 0.9);
        assert_eq!(embedded.nearest(0, 100).len(), 15);
    }

    #[test]
    fn differences_tell_order_from_chance() {
        let all: Vec<usize> = (0..20).collect();
        let Differences { nearest, random } = embedded(0.5).differences(&all).unwrap();
        assert!(nearest == 0.0 && (random - 0.32).abs() < 1e-12, "{nearest} {random}");
        // Features that do not tell positions apart: the first slice of another subject.
        let blind = embedded(0.0).differences(&all).unwrap();
        assert!((blind.nearest - 0.4).abs() < 1e-12 && blind.random == random);
        let mut alone = embedded(0.5);
        alone.slices.iter_mut().for_each(|slice| slice.subject = 0);
        assert_eq!((alone.differences(&all), alone.nearest(3, 5)), (None, vec![]));
        assert_eq!(embedded(0.5).differences(&[]), None);
    }

    #[test]
    fn what_all_features_share_does_not_count() {
        let found = directions(&[vec![103.0, 54.0], vec![97.0, 46.0], vec![100.0, 50.0]]);
        assert_eq!(found, [[0.6, 0.8], [-0.6, -0.8], [0.0, 0.0]]);
        assert!(directions(&[]).is_empty());
    }
}
