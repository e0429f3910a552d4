//! Shapes of the checks.

use tensor::Shape;
use tensor::random::Stream;

use super::expand;
use crate::check::{Argument, Case};

/// A scalar, axes added in front, an axis repeated inside, the innermost one, several at once, none.
pub fn awkward() -> Vec<Case> {
    vec![
        case(Shape::SCALAR, [2, 3].into()),
        case([3].into(), [4, 3].into()),
        case([2, 1, 3].into(), [2, 4, 3].into()),
        case([2, 1].into(), [2, 5].into()),
        case([1, 2, 1, 3, 1].into(), [2, 2, 2, 3, 3, 2].into()),
        case([2, 3].into(), [2, 3].into()),
    ]
}

/// Gradients that are sums of several spans.
pub fn large() -> Vec<Case> {
    vec![case([1, 7].into(), [1300, 7].into()), case([3, 1].into(), [3, 1300].into())]
}

/// Up to four small axes, each kept, of one element or left out.
pub fn random(stream: &mut Stream) -> Case {
    let to: Vec<usize> = (0..1 + stream.below(4)).map(|_| 1 + stream.below(4)).collect();
    let missing = stream.below(to.len() + 1);
    let kept = to[missing..].iter();
    let from: Vec<usize> = kept.map(|&dim| if stream.chance(0.5) { 1 } else { dim }).collect();
    case(Shape::from(&from[..]), Shape::from(&to[..]))
}

fn case(from: Shape, to: Shape) -> Case {
    let arguments = vec![Argument::uniform(from, -0.5, 1.5)];
    Case::new(format!("{from} to {to}"), arguments, move |x| Ok(vec![expand(&x[0], to)?]))
        .with_reference(move |x| {
            let element = |i| x[0][broadcast_index(i, to, from)];
            vec![(0..to.elements()).map(element).collect()]
        })
}

/// Which element of a tensor is repeated at an index of the shape that it expands to.
pub(crate) fn broadcast_index(mut index: usize, to: Shape, from: Shape) -> usize {
    let (mut at, mut stride) = (0, 1);
    let added = to.axes() - from.axes();
    for axis in (0..to.axes()).rev() {
        let coordinate = index % to.dims()[axis];
        index /= to.dims()[axis];
        let Some(own) = axis.checked_sub(added).map(|axis| from.dims()[axis]) else { break };
        at += if own == 1 { 0 } else { coordinate * stride };
        stride *= own;
    }
    at
}
