//! Shapes on which resampling is checked.

use tensor::random::Stream;

use super::{Filter, Matrix, Padding, Sampling, resample};
use crate::check::{Argument, Case};

/// Turned, mirrored, stretched and mostly outside; one row, one column, many channels.
pub fn awkward() -> Vec<Case> {
    let turned = Matrix::translation([0.2, -0.3])
        * Matrix::rotation(33.0)
        * Matrix::scaling([1.3, -0.8])
        * Matrix::translation([0.1, 0.25]);
    let outside = Matrix::translation([2.2, -2.4]) * Matrix::scaling([1.5, 1.5]);
    let [zeros, border] = [Padding::Zeros, Padding::Border];
    vec![
        case("identity", [2, 5, 7, 1], [5, 7], Matrix::IDENTITY, Filter::Bicubic, zeros),
        case("turned", [2, 9, 6, 1], [7, 8], turned, Filter::Bicubic, zeros),
        case("turned, channels", [2, 9, 6, 4], [7, 8], turned, Filter::Bicubic, border),
        case("odd channels", [1, 4, 4, 3], [5, 3], turned, Filter::Bicubic, border),
        case("mostly outside", [1, 6, 6, 1], [8, 8], outside, Filter::Bicubic, zeros),
        case("border only", [1, 6, 6, 2], [8, 8], outside, Filter::Bicubic, border),
        case("one pixel", [1, 1, 1, 1], [4, 4], turned, Filter::Bicubic, zeros),
        case("one row", [1, 1, 9, 1], [1, 5], Matrix::IDENTITY, Filter::Bicubic, border),
        case("nearest", [2, 9, 6, 2], [7, 8], turned, Filter::Nearest, zeros),
        case("nearest at ties", [1, 8, 8, 1], [4, 4], Matrix::IDENTITY, Filter::Nearest, zeros),
        case("wider than a block", [1, 6, 90, 1], [3, 150], turned, Filter::Bicubic, zeros),
    ]
}

/// A random source, target and map.
pub fn random(stream: &mut Stream) -> Case {
    let mut extent = |most: usize| 1 + stream.below(most);
    let (source, target) = ([extent(2), extent(9), extent(9), extent(5)], [extent(9), extent(9)]);
    let matrix = Matrix::translation([stream.uniform(-0.8, 0.8), stream.uniform(-0.8, 0.8)])
        * Matrix::rotation(stream.uniform(-180.0, 180.0))
        * Matrix::scaling([stream.uniform(0.4, 1.8), stream.uniform(-1.8, -0.4)]);
    let filter = if stream.chance(0.8) { Filter::Bicubic } else { Filter::Nearest };
    let padding = if stream.chance(0.5) { Padding::Zeros } else { Padding::Border };
    case("random", source, target, matrix, filter, padding)
}

fn case(
    name: &str,
    source: [usize; 4],
    target: [usize; 2],
    matrix: Matrix,
    filter: Filter,
    padding: Padding,
) -> Case {
    let name = format!("{name}: {source:?} to {target:?}, {filter:?}, {padding:?}");
    let sampling = Sampling { filter, padding };
    Case::new(name, vec![Argument::normal(source)], move |x| {
        Ok(vec![resample(&x[0], &[matrix], target, sampling)?])
    })
}
