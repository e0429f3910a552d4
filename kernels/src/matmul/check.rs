//! Shapes of the checks.

use tensor::Shape;
use tensor::random::Stream;

use super::matmul;
use crate::check::{Argument, Case};
use crate::expand::broadcast_shape;
use crate::expand::check::broadcast_index;

/// Single rows, columns and terms, a matrix by itself, more rows than one block of the product,
/// batches of each factor alone and of both.
pub fn awkward() -> Vec<Case> {
    let square =
        Case::new("a a", vec![Argument::normal([3, 3])], |x| Ok(vec![matmul(&x[0], &x[0])?]));
    vec![
        square,
        case(&[], &[], [1, 1, 1]),
        case(&[], &[], [3, 1, 4]),
        case(&[], &[], [1, 5, 2]),
        case(&[], &[], [67, 3, 2]),
        case(&[3], &[], [2, 4, 3]),
        case(&[], &[3], [2, 3, 2]),
        case(&[2, 2], &[2, 2], [2, 3, 2]),
        case(&[2, 1], &[3], [1, 2, 3]),
    ]
}

/// Several tiles in every direction, also of a batch.
pub fn large() -> Vec<Case> {
    vec![case(&[], &[], [130, 35, 70]), case(&[3], &[3], [70, 18, 66])]
}

/// Small matrices, of which either may be a batch.
pub fn random(stream: &mut Stream) -> Case {
    let mut extent = || 1 + stream.below(6);
    let (batch, size) = (extent(), [extent(), extent(), extent()]);
    let mut leading = || if stream.chance(0.5) { vec![batch] } else { vec![] };
    case(&leading(), &leading(), size)
}

fn case(leading_a: &[usize], leading_b: &[usize], [rows, inner, columns]: [usize; 3]) -> Case {
    let a = Shape::from(&[leading_a, &[rows, inner]].concat()[..]);
    let b = Shape::from(&[leading_b, &[inner, columns]].concat()[..]);
    let leading = broadcast_shape(leading_a, leading_b).unwrap_or_default();
    let (leading_a, leading_b) = (Shape::from(leading_a), Shape::from(leading_b));
    let leading = Shape::from(&leading[..]);
    let arguments = vec![Argument::normal(a), Argument::normal(b)];
    Case::new(format!("{a} by {b}"), arguments, |x| Ok(vec![matmul(&x[0], &x[1])?])).with_reference(
        move |x| {
            let element = |index: usize| {
                let (row, column) = (index / columns % rows, index % columns);
                let batch = index / columns / rows;
                let of_a = (broadcast_index(batch, leading, leading_a) * rows + row) * inner;
                let of_b = broadcast_index(batch, leading, leading_b) * inner;
                (0..inner).map(|k| x[0][of_a + k] * x[1][(of_b + k) * columns + column]).sum()
            };
            vec![(0..leading.elements() * rows * columns).map(element).collect()]
        },
    )
}
