//! Shapes of the checks.

use tensor::Shape;
use tensor::random::Stream;

use super::gelu;
use crate::check::{Argument, Case, Values};

/// A scalar, both tails, an odd length.
pub fn awkward() -> Vec<Case> {
    vec![
        case(Shape::SCALAR, 0.0, 1.0),
        case([31].into(), -3.0, 1.0),
        case([3, 7].into(), 3.0, 1.0),
        case([2, 3, 5].into(), 0.0, 3.0),
    ]
}

/// Any shape, narrow to wide.
pub fn random(stream: &mut Stream) -> Case {
    let shape = [1 + stream.below(4), 1 + stream.below(6), 1 + stream.below(6)];
    case(shape.into(), stream.uniform(-1.0, 1.0), stream.uniform(0.1, 3.0))
}

fn case(shape: Shape, mean: f64, deviation: f64) -> Case {
    let mut x = Argument::normal(shape);
    x.values = Values::Normal { mean, deviation };
    let name = format!("{shape} of mean {mean:.1} and deviation {deviation:.1}");
    Case::new(name, vec![x], |x| Ok(vec![gelu(&x[0])?])).with_reference(|x| {
        let formula = |&x: &f64| 0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2));
        vec![x[0].iter().map(formula).collect()]
    })
}
