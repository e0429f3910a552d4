//! Shapes of the checks.

use tensor::Shape;
use tensor::random::Stream;

use super::softmax;
use crate::check::{Argument, Case, Values};

/// A scalar, one class only, widths around that of the lanes.
pub fn awkward() -> Vec<Case> {
    vec![
        case(Shape::SCALAR, 1.0),
        case([3, 1].into(), 1.0),
        case([2, 15].into(), 1.0),
        case([1, 33].into(), 5.0),
    ]
}

/// Any small shape, flat to peaked.
pub fn random(stream: &mut Stream) -> Case {
    let shape = [1 + stream.below(4), 1 + stream.below(4), 1 + stream.below(9)];
    case(shape.into(), stream.uniform(0.1, 4.0))
}

fn case(shape: Shape, deviation: f64) -> Case {
    let mut logits = Argument::normal(shape);
    logits.values = Values::Normal { mean: 1.0, deviation };
    let name = format!("{shape} of deviation {deviation:.1}");
    Case::new(name, vec![logits], |x| Ok(vec![softmax(&x[0])?])).with_reference(move |x| {
        let row = |row: &[f64]| {
            let total: f64 = row.iter().map(|x| x.exp()).sum();
            row.iter().map(|x| x.exp() / total).collect::<Vec<_>>()
        };
        vec![x[0].chunks(shape.last()).flat_map(row).collect()]
    })
}
