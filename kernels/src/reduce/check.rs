//! Shapes of the checks.

use tensor::random::Stream;
use tensor::{Result, Shape, Tensor};

use super::{accumulate, mean, sum};
use crate::check::{Argument, Case};

/// A scalar, one element, lengths around that of the lanes; a running total.
pub fn awkward() -> Vec<Case> {
    let mut cases = vec![case("sum", Shape::SCALAR), case("mean", [1, 1].into())];
    cases.extend([15, 16, 17].map(|n| case("sum", [n].into())));
    cases.push(running_total());
    cases
}

/// Either, of any small shape.
pub fn random(stream: &mut Stream) -> Case {
    let shape = [1 + stream.below(5), 1 + stream.below(6), 1 + stream.below(7)];
    case(if stream.chance(0.5) { "sum" } else { "mean" }, shape.into())
}

fn case(name: &str, shape: Shape) -> Case {
    let mean_wanted = name == "mean";
    let operation: fn(&Tensor) -> Result<Tensor> = if mean_wanted { mean } else { sum };
    let count = if mean_wanted { shape.elements() as f64 } else { 1.0 };
    // Not centred on 0: relative errors mean nothing for a sum that cancels.
    let arguments = vec![Argument::uniform(shape, -0.5, 1.5)];
    Case::new(format!("{name} of {shape}"), arguments, move |x| Ok(vec![operation(&x[0])?]))
        .with_reference(move |x| vec![vec![x[0].iter().sum::<f64>() / count]])
}

/// Two numbers, one after the other.
fn running_total() -> Case {
    let one = || Argument::uniform(Shape::SCALAR, 0.5, 1.5);
    let total = |x: &[Tensor]| {
        let mut total = Tensor::zeros::<f64>(Shape::SCALAR).copy_to(&x[0].device())?;
        accumulate(&mut total, &x[0])?;
        accumulate(&mut total, &x[1])?;
        Ok(vec![total])
    };
    let reference = |x: &[Vec<f64>]| vec![vec![x[0][0] + x[1][0]]];
    Case::without_gradient("running total", vec![one(), one()], total, reference)
}
