//! Shapes on which batch normalisation is checked.

use tensor::random::Stream;
use tensor::{Result, Tensor};

use super::{Statistics, batch_norm, moments};
use crate::check::{Argument, Case};

const EPSILON: f64 = 1e-5;

fn training(shape: [usize; 4], slope: f64) -> Case {
    let channels = shape[3];
    let arguments = vec![
        Argument::normal(shape),
        Argument::uniform([channels], 0.5, 1.5).accumulator(),
        Argument::normal([channels]).accumulator(),
    ];
    Case::new(format!("training {shape:?}, slope {slope}"), arguments, move |a: &[Tensor]| {
        let measured = moments(&a[0])?;
        Ok(vec![batch_norm(&a[0], Statistics::Batch(&measured), &a[1], &a[2], EPSILON, slope)?])
    })
    .with_reference(move |a| {
        vec![normalised(&a[0], &statistics_of(&a[0], channels), &a[1..], slope)]
    })
}

/// Mean and variance of a batch, which have no gradient of their own.
fn statistics(shape: [usize; 4]) -> Case {
    Case::without_gradient(
        format!("statistics {shape:?}"),
        vec![Argument::normal(shape)],
        |a| moments(&a[0]).map(|measured| vec![measured.mean, measured.variance]),
        move |a| statistics_of(&a[0], shape[3]).to_vec(),
    )
}

/// Mean and biased variance of every channel, the last axis.
pub(crate) fn statistics_of(x: &[f64], channels: usize) -> [Vec<f64>; 2] {
    let count = (x.len() / channels) as f64;
    let average = |channel: usize, of: &dyn Fn(f64) -> f64| {
        x.iter().skip(channel).step_by(channels).map(|&x| of(x)).sum::<f64>() / count
    };
    let mean: Vec<f64> = (0..channels).map(|c| average(c, &|x| x)).collect();
    let variance = (0..channels).map(|c| average(c, &|x| (x - mean[c]).powi(2))).collect();
    [mean, variance]
}

/// The formula of the [module](super), value by value; `affine` holds scale and shift.
pub(crate) fn normalised(
    x: &[f64],
    [mean, variance]: &[Vec<f64>; 2],
    affine: &[Vec<f64>],
    slope: f64,
) -> Vec<f64> {
    let value = |(i, x): (usize, &f64)| {
        let c = i % mean.len();
        let v = (x - mean[c]) / (variance[c] + EPSILON).sqrt() * affine[0][c] + affine[1][c];
        if v > 0.0 { v } else { slope * v }
    };
    x.iter().enumerate().map(value).collect()
}

fn evaluation(shape: [usize; 2], slope: f64) -> Case {
    let channels = shape[1];
    let arguments = vec![
        Argument::normal(shape),
        Argument::uniform([channels], 0.5, 1.5).accumulator(),
        Argument::normal([channels]).accumulator(),
        Argument::normal([channels]).accumulator().constant(),
        Argument::uniform([channels], 0.5, 2.0).accumulator().constant(),
    ];
    Case::new(format!("evaluation {shape:?}, slope {slope}"), arguments, move |a: &[Tensor]| {
        let statistics = Statistics::Running { mean: &a[3], variance: &a[4] };
        let result: Result<Tensor> = batch_norm(&a[0], statistics, &a[1], &a[2], EPSILON, slope);
        Ok(vec![result?])
    })
    .with_reference(move |a| {
        vec![normalised(&a[0], &[a[3].clone(), a[4].clone()], &a[1..3], slope)]
    })
}

/// Fewer channels than a vector holds, more, and not a multiple; one pixel per image.
pub fn awkward() -> Vec<Case> {
    vec![
        training([2, 3, 4, 5], 0.01),
        training([1, 2, 3, 16], 0.01),
        training([3, 1, 1, 37], 0.0),
        training([2, 5, 1, 1], 1.0),
        evaluation([6, 19], 0.01),
        evaluation([3, 8], 1.0),
        statistics([2, 3, 4, 5]),
        statistics([1, 2, 1, 37]),
    ]
}

/// Any small image, training or evaluation.
pub fn random(stream: &mut Stream) -> Case {
    let slope = [0.0, 0.01, 0.2, 1.0][stream.below(4)];
    if stream.chance(0.7) {
        let shape =
            [1 + stream.below(3), 2 + stream.below(4), 1 + stream.below(4), 1 + stream.below(20)];
        training(shape, slope)
    } else {
        evaluation([1 + stream.below(8), 1 + stream.below(20)], slope)
    }
}
