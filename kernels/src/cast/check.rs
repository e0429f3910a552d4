//! Shapes of the checks.
//!
//! To float32, results are steps: finite differences cannot see the gradient, which a test beside
//! the operation checks instead.

use tensor::random::Stream;
use tensor::{DType, Shape};

use super::cast;
use crate::check::{Argument, Case};

/// A scalar and an odd length, to either dtype.
pub fn awkward() -> Vec<Case> {
    vec![to_double(Shape::SCALAR), to_double([17].into()), to_single([17].into())]
}

/// Any small shape, to either dtype.
pub fn random(stream: &mut Stream) -> Case {
    let shape = Shape::from([1 + stream.below(6), 1 + stream.below(9)]);
    if stream.chance(0.5) { to_double(shape) } else { to_single(shape) }
}

fn to_double(shape: Shape) -> Case {
    Case::new(format!("{shape} to float64"), vec![Argument::normal(shape)], |x| {
        Ok(vec![cast(&x[0], DType::F64)?])
    })
    .with_reference(|x| x.to_vec())
}

fn to_single(shape: Shape) -> Case {
    Case::without_gradient(
        format!("{shape} to float32"),
        vec![Argument::normal(shape)],
        |x| Ok(vec![cast(&x[0], DType::F32)?]),
        |x| vec![x[0].iter().map(|&x| f64::from(x as f32)).collect()],
    )
}
