//! Shapes of the checks.

use tensor::random::Stream;

use super::weight_norm;
use crate::check::{Argument, Case};

/// One row, rows of one element, a width around that of the lanes, more elements than one task
/// takes.
pub fn awkward() -> Vec<Case> {
    vec![case([1, 3]), case([4, 1]), case([3, 16]), case([2, 33]), values([130, 257])]
}

/// Any small weight.
pub fn random(stream: &mut Stream) -> Case {
    case([1 + stream.below(6), 1 + stream.below(20)])
}

fn arguments([rows, width]: [usize; 2]) -> Vec<Argument> {
    vec![Argument::normal([rows, 1]), Argument::uniform([rows, width], 0.1, 2.0)]
}

fn case(shape: [usize; 2]) -> Case {
    Case::new(format!("{shape:?}"), arguments(shape), |x| Ok(vec![weight_norm(&x[0], &x[1])?]))
        .with_reference(move |x| vec![row_by_row(x, shape[1])])
}

/// Compares values only: finite differences over this many elements would be too slow.
fn values(shape: [usize; 2]) -> Case {
    Case::without_gradient(
        format!("{shape:?}"),
        arguments(shape),
        |x| Ok(vec![weight_norm(&x[0], &x[1])?]),
        move |x| vec![row_by_row(x, shape[1])],
    )
}

fn row_by_row(x: &[Vec<f64>], width: usize) -> Vec<f64> {
    let row = |(v, g): (&[f64], &f64)| {
        let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
        v.iter().map(|v| g * v / length).collect::<Vec<_>>()
    };
    x[1].chunks(width).zip(&x[0]).flat_map(row).collect()
}
