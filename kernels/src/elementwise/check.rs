//! Shapes of the checks.

use tensor::random::Stream;
use tensor::{Result, Shape, Tensor};

use super::{add, affine, mul, sub};
use crate::check::{Argument, Case};

/// A scalar, one element, a prime number of elements, an operand used twice.
pub fn awkward() -> Vec<Case> {
    let square =
        Case::new("x * x", vec![Argument::normal([3, 5])], |x| Ok(vec![mul(&x[0], &x[0])?]))
            .with_reference(|x| vec![x[0].iter().map(|x| x * x).collect()]);
    let nothing = Case::new("x - x", vec![Argument::normal([7])], |x| Ok(vec![sub(&x[0], &x[0])?]))
        .with_reference(|x| vec![vec![0.0; x[0].len()]]);
    vec![
        square,
        nothing,
        binary("scalars", Shape::SCALAR, mul, |a, b| a * b),
        binary("one element", [1, 1, 1, 1].into(), sub, |a, b| a - b),
        binary("a prime number of elements", [101].into(), add, |a, b| a + b),
        constants([2, 3].into(), 0.0, 1.0),
    ]
}

/// Any of the four on any shape.
pub fn random(stream: &mut Stream) -> Case {
    let shape = Shape::from([1 + stream.below(4), 1 + stream.below(9), 1 + stream.below(5)]);
    match stream.below(4) {
        0 => binary("add", shape, add, |a, b| a + b),
        1 => binary("sub", shape, sub, |a, b| a - b),
        2 => binary("mul", shape, mul, |a, b| a * b),
        _ => constants(shape, stream.normal(), stream.normal()),
    }
}

fn binary(
    name: &str,
    shape: Shape,
    operation: fn(&Tensor, &Tensor) -> Result<Tensor>,
    reference: fn(f64, f64) -> f64,
) -> Case {
    let arguments = vec![Argument::normal(shape), Argument::normal(shape)];
    Case::new(format!("{name} {shape}"), arguments, move |x| Ok(vec![operation(&x[0], &x[1])?]))
        .with_reference(move |x| {
            vec![x[0].iter().zip(&x[1]).map(|(&a, &b)| reference(a, b)).collect()]
        })
}

fn constants(shape: Shape, scale: f64, offset: f64) -> Case {
    let name = format!("affine {scale} x + {offset} {shape}");
    Case::new(name, vec![Argument::normal(shape)], move |x| Ok(vec![affine(&x[0], scale, offset)?]))
        .with_reference(move |x| vec![x[0].iter().map(|x| scale * x + offset).collect()])
}
