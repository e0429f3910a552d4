//! Shapes of the checks.

use tensor::Shape;
use tensor::random::Stream;

use super::reshape;
use crate::check::{Argument, Case};

/// To and from a scalar, axes of one element, axes merged and split, the same shape, and an operand
/// that is used under two shapes.
pub fn awkward() -> Vec<Case> {
    let twice = Case::new("two shapes of one tensor", vec![Argument::normal([2, 3])], |x| {
        Ok(vec![reshape(&x[0], [6])?, reshape(&x[0], [3, 2])?])
    });
    vec![
        case(Shape::SCALAR, [1, 1].into()),
        case([1].into(), Shape::SCALAR),
        case([2, 3, 4].into(), [6, 4].into()),
        case([12].into(), [2, 1, 3, 1, 2, 1].into()),
        case([5, 2].into(), [5, 2].into()),
        twice.with_reference(|x| vec![x[0].clone(), x[0].clone()]),
    ]
}

/// Two axes merged, or one split.
pub fn random(stream: &mut Stream) -> Case {
    let mut extent = || 1 + stream.below(5);
    let [a, b, c] = [extent(), extent(), extent()];
    let (split, merged) = (Shape::from([a, b, c]), Shape::from([a, b * c]));
    if stream.chance(0.5) { case(split, merged) } else { case(merged, split) }
}

fn case(from: Shape, to: Shape) -> Case {
    Case::new(format!("{from} to {to}"), vec![Argument::normal(from)], move |x| {
        Ok(vec![reshape(&x[0], to)?])
    })
    .with_reference(|x| vec![x[0].clone()])
}
