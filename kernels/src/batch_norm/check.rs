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
        Argument::uniform([channels], 0.5, 1.5).wide(),
        Argument::normal([channels]).wide(),
    ];
    Case::new(format!("training {shape:?}, slope {slope}"), arguments, move |a: &[Tensor]| {
        let measured = moments(&a[0])?;
        Ok(vec![batch_norm(&a[0], Statistics::Batch(&measured), &a[1], &a[2], EPSILON, slope)?])
    })
}

fn evaluation(shape: [usize; 2], slope: f64) -> Case {
    let channels = shape[1];
    let arguments = vec![
        Argument::normal(shape),
        Argument::uniform([channels], 0.5, 1.5).wide(),
        Argument::normal([channels]).wide(),
        Argument::normal([channels]).wide().constant(),
        Argument::uniform([channels], 0.5, 2.0).wide().constant(),
    ];
    Case::new(format!("evaluation {shape:?}, slope {slope}"), arguments, move |a: &[Tensor]| {
        let statistics = Statistics::Running { mean: &a[3], variance: &a[4] };
        let result: Result<Tensor> = batch_norm(&a[0], statistics, &a[1], &a[2], EPSILON, slope);
        Ok(vec![result?])
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
