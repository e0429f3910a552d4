//! Shapes of the checks.

use tensor::random::Stream;

use super::concat;
use crate::check::{Argument, Case};

/// One part alone, parts of one channel, plain vectors, one tensor twice.
pub fn awkward() -> Vec<Case> {
    let twice = Case::new("a tensor beside itself", vec![Argument::normal([2, 3])], |x| {
        Ok(vec![concat(&[&x[0], &x[0]])?])
    });
    vec![twice, case(&[2, 3], &[4]), case(&[1, 2, 2], &[1, 1, 1]), case(&[], &[3, 2])]
}

/// Two to four parts of a small batch of images.
pub fn random(stream: &mut Stream) -> Case {
    let leading: Vec<usize> = (0..3).map(|_| 1 + stream.below(3)).collect();
    let widths: Vec<usize> = (0..2 + stream.below(3)).map(|_| 1 + stream.below(5)).collect();
    case(&leading, &widths)
}

fn case(leading: &[usize], widths: &[usize]) -> Case {
    let argument = |&width: &usize| Argument::normal(&[leading, &[width]].concat()[..]);
    let arguments = widths.iter().map(argument).collect();
    let (pixels, widths) = (leading.iter().product::<usize>(), widths.to_vec());
    Case::new(format!("{leading:?} of {widths:?}"), arguments, |x| {
        Ok(vec![concat(&x.iter().collect::<Vec<_>>())?])
    })
    .with_reference(move |x| {
        let pixel = |p| x.iter().zip(&widths).flat_map(move |(x, w)| &x[p * w..(p + 1) * w]);
        vec![(0..pixels).flat_map(pixel).copied().collect()]
    })
}
