//! Shapes of the checks.

use tensor::random::Stream;
use tensor::{Result, Shape, Tensor};

use super::{add, div, mul, sub};
use crate::check::{Argument, Case};
use crate::expand::broadcast_shape;
use crate::expand::check::broadcast_index;

type Binary = fn(&Tensor, &Tensor) -> Result<Tensor>;

/// A bias, a scalar on either side, a column by a row, equal shapes, and a tensor that is broadcast
/// against another shape of itself.
pub fn awkward() -> Vec<Case> {
    let outer = Case::new("x by its transpose", vec![Argument::normal([3, 1])], |x| {
        Ok(vec![mul(&x[0], &crate::reshape(&x[0], [1, 3])?)?])
    });
    let outer = outer.with_reference(|x| {
        vec![x[0].iter().flat_map(|a| x[0].iter().map(move |b| a * b)).collect()]
    });
    vec![
        outer,
        case("add", [4, 3].into(), [3].into()),
        case("sub", Shape::SCALAR, [2, 3].into()),
        case("mul", [2, 3].into(), Shape::SCALAR),
        case("mul", [4, 1].into(), [1, 5].into()),
        case("sub", [2, 1, 3].into(), [4, 1].into()),
        case("div", [2, 3].into(), [2, 1].into()),
        case("add", [2, 2].into(), [2, 2].into()),
    ]
}

/// Any of the four, of shapes that broadcast.
pub fn random(stream: &mut Stream) -> Case {
    let dims: Vec<usize> = (0..1 + stream.below(3)).map(|_| 1 + stream.below(4)).collect();
    let mut operand = || {
        let missing = stream.below(dims.len());
        let kept = dims[missing..].iter();
        let dims: Vec<usize> = kept.map(|&dim| if stream.chance(0.5) { 1 } else { dim }).collect();
        Shape::from(&dims[..])
    };
    let (a, b) = (operand(), operand());
    case(["add", "sub", "mul", "div"][stream.below(4)], a, b)
}

fn case(name: &str, a: Shape, b: Shape) -> Case {
    let (operation, reference): (Binary, fn(f64, f64) -> f64) = match name {
        "add" => (add, |a, b| a + b),
        "sub" => (sub, |a, b| a - b),
        "mul" => (mul, |a, b| a * b),
        _ => (div, |a, b| a / b),
    };
    let arguments = vec![Argument::normal(a), Argument::uniform(b, 0.5, 2.0)];
    Case::new(format!("{name} of {a} and {b}"), arguments, move |x| {
        Ok(vec![operation(&x[0], &x[1])?])
    })
    .with_reference(move |x| {
        let dims = broadcast_shape(a.dims(), b.dims()).unwrap_or_default();
        let to = Shape::from(&dims[..]);
        let element =
            |i| reference(x[0][broadcast_index(i, to, a)], x[1][broadcast_index(i, to, b)]);
        vec![(0..to.elements()).map(element).collect()]
    })
}
