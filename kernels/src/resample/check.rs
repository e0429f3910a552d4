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
    .with_reference(move |x| vec![by_definition(&x[0], source, &matrix, target, sampling)])
}

/// PyTorch's `grid_sample`, from its documentation.
pub(crate) fn by_definition(
    data: &[f64],
    [images, rows, columns, channels]: [usize; 4],
    m: &Matrix,
    target: [usize; 2],
    sampling: Sampling,
) -> Vec<f64> {
    let mut out = Vec::new();
    let read = |n: usize, row: f64, column: f64, c: usize| {
        let (mut row, mut column) = (row, column);
        if sampling.padding == Padding::Border {
            row = row.clamp(0.0, rows as f64 - 1.0);
            column = column.clamp(0.0, columns as f64 - 1.0);
        }
        if row < 0.0 || column < 0.0 || row >= rows as f64 || column >= columns as f64 {
            return 0.0;
        }
        data[((n * rows + row as usize) * columns + column as usize) * channels + c]
    };
    let kernel = |d: f64| match d.abs() {
        d if d <= 1.0 => 1.25 * d.powi(3) - 2.25 * d.powi(2) + 1.0,
        d if d < 2.0 => -0.75 * d.powi(3) + 3.75 * d.powi(2) - 6.0 * d + 3.0,
        _ => 0.0,
    };
    for n in 0..images {
        for i in 0..target[0] {
            for j in 0..target[1] {
                let x = (j as f64 + 0.5) / target[1] as f64 * 2.0 - 1.0;
                let y = (i as f64 + 0.5) / target[0] as f64 * 2.0 - 1.0;
                let [u, v] = [0, 1].map(|k| m.0[k][0] * x + m.0[k][1] * y + m.0[k][2]);
                let column = ((u + 1.0) * columns as f64 - 1.0) / 2.0;
                let row = ((v + 1.0) * rows as f64 - 1.0) / 2.0;
                for c in 0..channels {
                    if sampling.filter == Filter::Nearest {
                        out.push(read(n, row.round_ties_even(), column.round_ties_even(), c));
                        continue;
                    }
                    let mut sum = 0.0;
                    for a in -1..=2 {
                        for b in -1..=2 {
                            let (p, q) =
                                (row.floor() + f64::from(a), column.floor() + f64::from(b));
                            sum += read(n, p, q, c) * kernel(row - p) * kernel(column - q);
                        }
                    }
                    out.push(sum);
                }
            }
        }
    }
    out
}
