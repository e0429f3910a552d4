//! Shapes of the checks.

use tensor::Shape;
use tensor::random::Stream;

use super::leaky_relu;
use crate::check::{Argument, Case};

/// The plain ReLU, the identity, the study's slope; a scalar and an odd length.
pub fn awkward() -> Vec<Case> {
    vec![case([31].into(), 0.0), case([2, 3].into(), 1.0), case(Shape::SCALAR, 0.01)]
}

/// Any slope on any shape.
pub fn random(stream: &mut Stream) -> Case {
    let shape =
        [1 + stream.below(3), 1 + stream.below(5), 1 + stream.below(5), 1 + stream.below(6)];
    case(shape.into(), stream.uniform(-0.5, 1.0))
}

fn case(shape: Shape, slope: f64) -> Case {
    let arguments = vec![Argument::normal(shape)];
    Case::new(format!("slope {slope} {shape}"), arguments, move |x| {
        Ok(vec![leaky_relu(&x[0], slope)?])
    })
    .with_reference(move |x| {
        vec![x[0].iter().map(|&x| if x > 0.0 { x } else { slope * x }).collect()]
    })
}
