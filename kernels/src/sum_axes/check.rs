//! Shapes of the checks.

use tensor::random::Stream;

use super::{mean_axes, sum_axes};
use crate::check::{Argument, Case};

/// No axes, all axes, a scalar, the first, the last and one in the middle, axes that take turns.
pub fn awkward() -> Vec<Case> {
    vec![
        case(&[2, 3], &[], false, false),
        case(&[2, 3], &[1, 0], false, true),
        case(&[], &[], true, false),
        case(&[4, 3], &[0], false, false),
        case(&[4, 3], &[1], true, true),
        case(&[2, 5, 3], &[1], true, false),
        case(&[2, 2, 2, 2, 2, 2], &[0, 2, 4], false, false),
        case(&[2, 2, 2, 2, 2, 2], &[5, 1, 3], true, true),
        case(&[1, 1, 3], &[0], true, false),
    ]
}

/// Several spans of terms, in rows and in columns.
pub fn large() -> Vec<Case> {
    vec![
        case(&[1300, 3], &[0], false, false),
        case(&[3, 1300], &[1], false, true),
        case(&[40, 2, 35], &[0, 2], true, false),
        case(&[2, 30, 2, 20, 3], &[1, 3], false, false),
        case(&[1300], &[0], false, false),
    ]
}

/// Any axes of a small tensor.
pub fn random(stream: &mut Stream) -> Case {
    let dims: Vec<usize> = (0..1 + stream.below(4)).map(|_| 1 + stream.below(4)).collect();
    let axes: Vec<usize> = (0..dims.len()).filter(|_| stream.chance(0.5)).collect();
    case(&dims, &axes, stream.chance(0.5), stream.chance(0.5))
}

fn case(dims: &[usize], axes: &[usize], keep: bool, mean: bool) -> Case {
    let operation = if mean { mean_axes } else { sum_axes };
    let (dims, axes) = (dims.to_vec(), axes.to_vec());
    let what = if mean { "mean" } else { "sum" };
    let name = format!("{what} of {dims:?} over {axes:?}, keep {keep}");
    // Not centred on 0: relative errors mean nothing for a sum that cancels.
    let arguments = vec![Argument::uniform(&dims[..], -0.5, 1.5)];
    let over = axes.clone();
    Case::new(name, arguments, move |x| Ok(vec![operation(&x[0], &over, keep)?])).with_reference(
        move |x| {
            let count: usize = axes.iter().map(|&axis| dims[axis]).product();
            let scale = if mean { 1.0 / count as f64 } else { 1.0 };
            let mut sums = vec![0.0; x[0].len() / count];
            for (mut index, value) in x[0].iter().enumerate() {
                let (mut output, mut stride) = (0, 1);
                for axis in (0..dims.len()).rev() {
                    if !axes.contains(&axis) {
                        output += index % dims[axis] * stride;
                        stride *= dims[axis];
                    }
                    index /= dims[axis];
                }
                sums[output] += scale * value;
            }
            vec![sums]
        },
    )
}
