//! Shapes of the checks.

use tensor::random::Stream;

use super::concat;
use crate::check::{Argument, Case};

/// A tensor beside itself, parts of one channel, plain vectors, rows, an axis in the middle.
pub fn awkward() -> Vec<Case> {
    let twice = Case::new("a tensor beside itself", vec![Argument::normal([2, 3])], |x| {
        Ok(vec![concat(&[&x[0], &x[0]], 1)?])
    });
    vec![
        twice,
        case(&[2, 3], &[4], &[]),
        case(&[1, 2, 2], &[1, 1, 1], &[]),
        case(&[], &[3, 2], &[]),
        case(&[], &[3, 1, 2], &[4]),
        case(&[2], &[1, 2], &[3, 2]),
    ]
}

/// Two to four parts of a small tensor, along any axis.
pub fn random(stream: &mut Stream) -> Case {
    let axis = stream.below(4);
    let mut extents =
        |n: usize, most: usize| (0..n).map(|_| 1 + stream.below(most)).collect::<Vec<usize>>();
    let (leading, trailing) = (extents(axis, 3), extents(3 - axis, 3));
    let count = extents(1, 3)[0] + 1;
    case(&leading, &extents(count, 5), &trailing)
}

/// Parts of the given extents along the axis between the leading and the trailing ones.
fn case(leading: &[usize], extents: &[usize], trailing: &[usize]) -> Case {
    let argument = |&n: &usize| Argument::normal(&[leading, &[n], trailing].concat()[..]);
    let arguments = extents.iter().map(argument).collect();
    let (axis, places) = (leading.len(), leading.iter().product::<usize>());
    let name = format!("{extents:?} between {leading:?} and {trailing:?}");
    let run = trailing.iter().product::<usize>();
    let widths: Vec<usize> = extents.iter().map(|n| n * run).collect();
    Case::new(name, arguments, move |x| Ok(vec![concat(&x.iter().collect::<Vec<_>>(), axis)?]))
        .with_reference(move |x| {
            let place = |p| x.iter().zip(&widths).flat_map(move |(x, w)| &x[p * w..(p + 1) * w]);
            vec![(0..places).flat_map(place).copied().collect()]
        })
}
