//! The teacher's probabilities once per image, then one visit to each row of the student, which
//! leaves the row's gradient in memory: cheaper than to exponentiate again backwards.

use rayon::prelude::*;
use tensor::{Buffer, Float, Tensor};

use super::{DinoLoss, Size};
use crate::exponential::{Exponential, softmax_in_place};
use crate::inner::inner;
use crate::simd::{self, Simd, Vectorised};

/// Columns of the teacher that one task averages.
const COLUMNS: usize = 512;

/// The loss, and its derivatives with respect to the student.
pub fn forward<T: Exponential>(
    student: &Tensor,
    teacher: &Tensor,
    centre: &Tensor,
    size: Size,
    settings: &DinoLoss,
) -> (f64, Buffer) {
    let Size { views, batch, outputs } = size;
    let targets = targets::<T>(teacher, centre, outputs, settings.teacher_temperature.value());
    let targets = targets.as_slice::<T>();
    let target =
        |view: usize, image: usize| &targets[(view * batch + image) * outputs..][..outputs];
    let each = 1.0 / (size.pairs() * batch) as f64;
    let mut slopes = Buffer::uninitialised::<T>(views * batch * outputs);
    let rows = slopes.as_mut_slice::<T>().par_chunks_mut(outputs);
    let rows = rows.zip(student.data::<T>().par_chunks(outputs)).enumerate();
    let losses: Vec<f64> = rows
        .map(|(row, (slopes, student))| {
            let (view, image) = (row / batch, row % batch);
            let both = [target(0, image), target(1, image)];
            let targets = match view {
                0 => &both[1..],
                1 => &both[..1],
                _ => &both[..],
            };
            let temperature = settings.student_temperature;
            simd::run(Row { student, targets, temperature, each, slopes })
        })
        .collect();
    (losses.iter().sum::<f64>() * each, slopes)
}

/// The softmax of every row of the teacher, centred and sharpened.
fn targets<T: Exponential>(
    teacher: &Tensor,
    centre: &Tensor,
    outputs: usize,
    temperature: f64,
) -> Buffer {
    let centre = centre.data::<T>();
    let mut targets = Buffer::uninitialised::<T>(teacher.shape().elements());
    let rows = targets.as_mut_slice::<T>().par_chunks_mut(outputs);
    rows.zip(teacher.data::<T>().par_chunks(outputs)).for_each(|(target, teacher)| {
        simd::run(Target { teacher, centre, temperature, target });
    });
    targets
}

/// One row of the teacher.
struct Target<'a, T> {
    teacher: &'a [T],
    centre: &'a [T],
    temperature: f64,
    target: &'a mut [T],
}

impl<T: Exponential> Vectorised<T> for Target<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T>>(self) {
        let sharpen = T::from_f64(1.0 / self.temperature);
        let outputs = self.teacher.iter().zip(self.centre);
        for (target, (&output, &centre)) in self.target.iter_mut().zip(outputs) {
            *target = sharpen * (output - centre);
        }
        softmax_in_place(self.target);
    }
}

/// One row of the student, and the one or two targets that it is held against.
struct Row<'a, T> {
    student: &'a [T],
    targets: &'a [&'a [T]],
    temperature: f64,
    /// The share of one pair of rows in the loss.
    each: f64,
    slopes: &'a mut [T],
}

impl<T: Exponential> Vectorised<T> for Row<'_, T> {
    /// The cross entropies of the row, summed over its targets.
    type Output = f64;

    /// `- Σ q ln softmax(z)` is `ln Σ e^z - Σ q z`, for the targets sum to 1; its derivative with
    /// respect to `z` is `softmax(z) - q`.
    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = T>>(self) -> f64 {
        let Row { student, targets, temperature, each, slopes } = self;
        let sharpen = T::from_f64(1.0 / temperature);
        slopes.iter_mut().zip(student).for_each(|(z, &x)| *z = sharpen * x);
        let agreement: f64 = targets.iter().map(|target| inner(target, slopes)).sum();
        let log_sum = softmax_in_place(slopes);
        let share = T::from_f64(each / temperature);
        let of_all = T::from_f64(targets.len() as f64) * share;
        slopes.iter_mut().for_each(|p| *p = of_all * *p);
        for target in targets {
            slopes.iter_mut().zip(*target).for_each(|(slope, &q)| *slope = *slope - share * q);
        }
        targets.len() as f64 * log_sum - agreement
    }
}

/// The gradient with respect to the student, in the memory of the derivatives.
pub fn backward<T: Float>(mut slopes: Buffer, gradient: f64, size: Size) -> Tensor {
    let factor = T::from_f64(gradient);
    slopes.as_mut_slice::<T>().par_chunks_mut(size.outputs).for_each(|row| {
        row.iter_mut().for_each(|slope| *slope = factor * *slope);
    });
    Tensor::from_buffer::<T>(slopes, [size.views * size.batch, size.outputs])
}

/// `centre = momentum * centre + (1 - momentum) * mean over rows of teacher`.
pub fn move_centre<T: Float>(centre: &mut [T], teacher: &Tensor, rows: usize, momentum: f64) {
    let (teacher, outputs) = (teacher.data::<T>(), centre.len());
    centre.par_chunks_mut(COLUMNS).enumerate().for_each(|(chunk, centre)| {
        let columns = chunk * COLUMNS..chunk * COLUMNS + centre.len();
        let mut sums = [0.0; COLUMNS];
        for row in teacher.chunks(outputs) {
            let row = &row[columns.clone()];
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.to_f64());
        }
        for (centre, sum) in centre.iter_mut().zip(sums) {
            let mean = sum / rows as f64;
            *centre = T::from_f64(momentum * centre.to_f64() + (1.0 - momentum) * mean);
        }
    });
}
