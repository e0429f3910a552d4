//! Shapes of the checks.

use tensor::random::Stream;

use super::{permute, transpose};
use crate::check::{Argument, Case};

/// A scalar, axes that stay, axes of one element, a plain transpose, an axis moved past several, all
/// axes reversed.
pub fn awkward() -> Vec<Case> {
    let plain = Case::new("transpose of [3, 5]", vec![Argument::normal([3, 5])], |x| {
        Ok(vec![transpose(&x[0], 0, 1)?])
    });
    vec![
        plain.with_reference(|x| vec![reference(&[3, 5], &[1, 0], &x[0])]),
        case(&[], &[]),
        case(&[2, 3], &[0, 1]),
        case(&[1, 4, 1], &[2, 1, 0]),
        case(&[2, 3, 2, 2], &[0, 2, 3, 1]),
        case(&[2, 2, 1, 2, 3, 2], &[5, 4, 3, 2, 1, 0]),
    ]
}

/// Tiles that are turned, with parts of tiles at the edges, and rows that stay whole.
pub fn large() -> Vec<Case> {
    vec![
        case(&[45, 70], &[1, 0]),
        case(&[2, 33, 3, 40], &[2, 3, 0, 1]),
        case(&[3, 4, 5, 64], &[2, 0, 1, 3]),
        case(&[20, 3, 2, 2, 2, 17], &[4, 5, 2, 1, 3, 0]),
    ]
}

/// Up to four small axes in any order.
pub fn random(stream: &mut Stream) -> Case {
    let count = 1 + stream.below(4);
    let dims: Vec<usize> = (0..count).map(|_| 1 + stream.below(4)).collect();
    let mut axes: Vec<usize> = (0..count).collect();
    stream.shuffle(&mut axes);
    case(&dims, &axes)
}

fn case(dims: &[usize], axes: &[usize]) -> Case {
    let (dims, axes) = (dims.to_vec(), axes.to_vec());
    let name = format!("{dims:?} in the order {axes:?}");
    let order = axes.clone();
    Case::new(name, vec![Argument::normal(&dims[..])], move |x| Ok(vec![permute(&x[0], &order)?]))
        .with_reference(move |x| vec![reference(&dims, &axes, &x[0])])
}

/// Every element of the result, by the coordinates that it has in `x`.
fn reference(dims: &[usize], axes: &[usize], x: &[f64]) -> Vec<f64> {
    let element = |mut index: usize| {
        let mut coordinates = vec![0; dims.len()];
        for &axis in axes.iter().rev() {
            coordinates[axis] = index % dims[axis];
            index /= dims[axis];
        }
        x[dims.iter().zip(coordinates).fold(0, |at, (&extent, c)| at * extent + c)]
    };
    (0..x.len()).map(element).collect()
}
