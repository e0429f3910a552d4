//! Where the heart is, without labels: what changes with the beat.
//!
//! On a short-axis stack the heart is what changes most over the cardiac cycle, in most slices at
//! the same place. Per pixel the change is the amplitude of the first harmonic over the phases,
//! `|Σ x(t) e^(-2πi t / T)|`: a beat is one period of it, while noise spreads over all harmonics. Of
//! two phases it is their difference. Harmonics are linear in the images, so they are smoothed
//! before the amplitude is taken, and noise of random phase cancels.
//!
//! The harmonic image as a guide to the left ventricle: Lin, Cowan, Young, *Automated detection of
//! left ventricle in 4D MR images: experience from a large study* (MICCAI 2006).

use std::f64::consts::TAU;

use data::Stack;

/// Deviation of the Gaussian over harmonics, in millimetres: finer than a wall, coarser than noise.
const DETAIL: f64 = 3.0;
/// Deviation of the Gaussian under which the heart is one spot, in millimetres.
const SPOT: f64 = 15.0;
/// Radius of the disc in which the centre settles, in millimetres: a large heart fits in.
const HEART: f64 = 60.0;

/// Centre of what moves, (row, column) in pixels; none where there is one phase only or nothing
/// changes.
///
/// The change of every slice is limited to its 99th percentile, so that no vessel with its flow
/// wins alone; taken above its median; and scaled to the same sum in every slice. Of the sum over
/// slices, the strongest spot is found, and the centre settles as the mean of what is around it
/// (mean shift). It depends on neither scale nor offset of the intensities.
pub fn centre_of_motion(stack: &Stack) -> Option<[f64; 2]> {
    if stack.phases < 2 || stack.voxels.is_empty() {
        return None;
    }
    let spacing = [stack.spacing[0], stack.spacing[1]].map(f64::from);
    let mut pooled = Plane::zeros([stack.rows, stack.columns]);
    for slice in 0..stack.slices {
        let change = change(stack, slice, spacing);
        pooled.values.iter_mut().zip(change.scaled()?).for_each(|(sum, v)| *sum += v);
    }
    let spots = pooled.blurred(SPOT, spacing);
    let strongest = (0..spots.values.len())
        .max_by(|&a, &b| spots.values[a].total_cmp(&spots.values[b]))
        .filter(|&place| spots.values[place] > 0.0)?;
    let peak = [(strongest / stack.columns) as f64, (strongest % stack.columns) as f64];
    Some(settled(&pooled.limited(peak, spacing), peak, spacing))
}

/// How strongly each pixel of a slice changes with the beat.
fn change(stack: &Stack, slice: usize, spacing: [f64; 2]) -> Plane {
    let size = [stack.rows, stack.columns];
    let first = stack.slice(0, slice);
    // Differences from the first phase: what does not change is zero, whatever the rounding.
    let mut sums = [0; 2].map(|_| vec![0.0f32; first.len()]);
    for phase in 1..stack.phases {
        let (sin, cos) = (TAU * phase as f64 / stack.phases as f64).sin_cos();
        let factors = [cos as f32, sin as f32];
        let now = stack.slice(phase, slice);
        for (sum, factor) in sums.iter_mut().zip(factors) {
            for ((sum, &now), &first) in sum.iter_mut().zip(now).zip(first) {
                *sum += factor * (now - first);
            }
        }
    }
    let plane = |values: Vec<f32>| {
        let values = values.into_iter().map(f64::from).collect();
        Plane { values, size }.blurred(DETAIL, spacing).values
    };
    let [even, odd] = sums.map(plane);
    let values = even.iter().zip(&odd).map(|(&even, &odd)| even.hypot(odd));
    Plane { values: values.collect(), size }
}

/// Values on the pixels of a slice.
struct Plane {
    values: Vec<f64>,
    /// Rows and columns.
    size: [usize; 2],
}

impl Plane {
    fn zeros(size: [usize; 2]) -> Self {
        Plane { values: vec![0.0; size[0] * size[1]], size }
    }

    /// Above the median, up to the 99th percentile, with a sum of 1; none if a value is no number.
    fn scaled(self) -> Option<Vec<f64>> {
        let [median, highest] = [0.5, 0.99].map(|share| quantile(&mut self.values.clone(), share));
        let above = self.values.iter().map(|v| (v.min(highest) - median).max(0.0));
        let sum: f64 = above.clone().sum();
        let factor = if sum > 0.0 { 1.0 / sum } else { 0.0 };
        sum.is_finite().then(|| above.map(|v| factor * v).collect())
    }

    /// Limited to the 80th percentile around a place, so that the centre is that of all that moves
    /// and not of what moves most.
    fn limited(mut self, around: [f64; 2], spacing: [f64; 2]) -> Self {
        let mut near = Vec::new();
        self.each(|place, value| {
            if distance(place, around, spacing) < HEART {
                near.push(value);
            }
        });
        let highest = quantile(&mut near, 0.8);
        self.values.iter_mut().for_each(|value| *value = value.min(highest));
        self
    }

    fn each(&self, mut visit: impl FnMut([f64; 2], f64)) {
        for (row, values) in self.values.chunks(self.size[1].max(1)).enumerate() {
            for (column, &value) in values.iter().enumerate() {
                visit([row as f64, column as f64], value);
            }
        }
    }

    /// Under a Gaussian of a deviation in millimetres, zeros outside.
    fn blurred(&self, deviation: f64, spacing: [f64; 2]) -> Plane {
        let [rows, columns] = self.size;
        let along = |from: &[f64], count: usize, length: usize, steps: [usize; 2], sigma: f64| {
            let taps = taps(sigma, length);
            let mut out = vec![0.0; from.len()];
            for line in 0..count {
                for place in 0..length {
                    let start = place.saturating_sub(taps.len() - 1);
                    let others = start..(place + taps.len()).min(length);
                    out[line * steps[0] + place * steps[1]] = others
                        .map(|k| taps[k.abs_diff(place)] * from[line * steps[0] + k * steps[1]])
                        .sum();
                }
            }
            out
        };
        let [down, across] = spacing.map(|s| deviation / s);
        let values = along(&self.values, columns, rows, [1, columns], down);
        Plane { values: along(&values, rows, columns, [columns, 1], across), size: self.size }
    }
}

/// Weights of a Gaussian of `sigma` pixels, from its middle outwards, over at most `length` pixels.
fn taps(sigma: f64, length: usize) -> Vec<f64> {
    let reach = ((3.0 * sigma).ceil() as usize).min(length);
    let taps: Vec<f64> = (0..=reach).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp()).collect();
    let sum = 2.0 * taps.iter().sum::<f64>() - taps[0];
    taps.into_iter().map(|tap| tap / sum).collect()
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    let place = (last as f64 * share) as usize;
    *values.select_nth_unstable_by(place, f64::total_cmp).1
}

/// Millimetres from one pixel to another.
fn distance(a: [f64; 2], b: [f64; 2], spacing: [f64; 2]) -> f64 {
    ((a[0] - b[0]) * spacing[0]).hypot((a[1] - b[1]) * spacing[1])
}

/// The position that is the mean of the motion within a heart's radius around it.
fn settled(plane: &Plane, from: [f64; 2], spacing: [f64; 2]) -> [f64; 2] {
    let mut centre = from;
    for _ in 0..100 {
        let mut sums = [0.0; 3];
        plane.each(|place, value| {
            if distance(place, centre, spacing) < HEART {
                sums[0] += value;
                sums[1] += value * place[0];
                sums[2] += value * place[1];
            }
        });
        let next = [sums[1] / sums[0], sums[2] / sums[0]];
        if !next.iter().all(|v| v.is_finite()) || distance(next, centre, spacing) < 0.01 {
            break;
        }
        centre = next;
    }
    centre
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::enclosing_circle;
    use data::testing::real;
    use data::{PhantomCohort, PhantomSettings, Subject, open};

    /// Millimetres between the centre of motion and that of the labels.
    fn miss(subject: &Subject) -> f64 {
        let labels: Vec<u8> = subject.frames.iter().flat_map(|f| f.labels.clone()).collect();
        let stack = &subject.stack;
        let circle = enclosing_circle(&labels, [stack.rows, stack.columns]).unwrap();
        let spacing = [stack.spacing[0], stack.spacing[1]].map(f64::from);
        distance(centre_of_motion(stack).unwrap(), circle.centre, spacing)
    }

    fn phantom(index: usize) -> Subject {
        PhantomCohort::new(4, 7, PhantomSettings::default()).unwrap().subject(index)
    }

    #[test]
    fn the_heart_of_the_phantom_is_found() {
        for index in 0..4 {
            let miss = miss(&phantom(index));
            assert!(miss < 20.0, "subject {index}: {miss:.1} mm");
        }
    }

    /// The study shifts views by up to 40 pixels of 1.25 mm: what is missed by less stays in view.
    #[test]
    fn hearts_of_people_are_found() {
        let Some(folder) = real("acdc") else { return };
        let set = open(folder).unwrap();
        let mut misses: Vec<f64> =
            (0..set.subjects().len()).map(|i| miss(&set.load(i).unwrap().subject)).collect();
        misses.sort_by(f64::total_cmp);
        let (median, largest) = (misses[misses.len() / 2], misses[misses.len() - 1]);
        println!("{} subjects: median {median:.1} mm, largest {largest:.1} mm", misses.len());
        assert!(median < 12.0 && largest < 30.0, "{misses:.1?}");
    }

    #[test]
    fn brightness_and_place_do_not_matter() {
        let Subject { stack, .. } = phantom(0);
        let [row, column] = centre_of_motion(&stack).unwrap();
        let mut bright = stack.clone();
        bright.voxels.iter_mut().for_each(|v| *v = 4.0 * *v + 1000.0);
        let [bright_row, bright_column] = centre_of_motion(&bright).unwrap();
        assert!((bright_row - row).abs() < 0.1 && (bright_column - column).abs() < 0.1);

        let mut mirrored = stack.clone();
        mirrored.voxels.chunks_mut(stack.columns).for_each(|line| line.reverse());
        let [same_row, other_column] = centre_of_motion(&mirrored).unwrap();
        let last = (stack.columns - 1) as f64;
        assert!((same_row - row).abs() < 1e-6 && (last - other_column - column).abs() < 1e-6);
    }

    #[test]
    fn distances_are_in_millimetres_along_each_axis() {
        assert_eq!(distance([1.0, 2.0], [4.0, 6.0], [1.0, 2.0]), 3f64.hypot(8.0));
        assert_eq!(distance([4.0, 6.0], [1.0, 2.0], [2.0, 1.0]), 6f64.hypot(4.0));
    }

    #[test]
    fn what_does_not_move_has_no_centre() {
        let still = |phases: usize, value: fn(usize) -> f32| Stack {
            voxels: (0..phases * 64).map(|i| value(i % 64)).collect(),
            phases,
            slices: 1,
            rows: 8,
            columns: 8,
            spacing: [1.5, 1.5, 8.0],
        };
        assert_eq!(centre_of_motion(&still(1, |i| i as f32)), None);
        assert_eq!(centre_of_motion(&still(3, |i| i as f32)), None);
        assert_eq!(centre_of_motion(&still(3, |_| 5.0)), None);
    }
}
