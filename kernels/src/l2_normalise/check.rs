//! Shapes of the checks.

use tensor::random::Stream;

use super::l2_normalise;
use crate::check::{Argument, Case};

/// One row, a width around that of the lanes, more elements than one task takes. (A row of one
/// element has no gradient but rounding: two are the least.)
pub fn awkward() -> Vec<Case> {
    vec![case([1, 2]), case([3, 16]), case([2, 33]), values([130, 257])]
}

/// Any small number of rows.
pub fn random(stream: &mut Stream) -> Case {
    case([1 + stream.below(6), 2 + stream.below(20)])
}

fn case(shape: [usize; 2]) -> Case {
    let arguments = vec![Argument::normal(shape)];
    Case::new(format!("{shape:?}"), arguments, |x| Ok(vec![l2_normalise(&x[0])?]))
        .with_reference(move |x| vec![row_by_row(&x[0], shape[1])])
}

/// Compares values only: finite differences over this many elements would be too slow.
fn values(shape: [usize; 2]) -> Case {
    Case::without_gradient(
        format!("{shape:?}"),
        vec![Argument::normal(shape)],
        |x| Ok(vec![l2_normalise(&x[0])?]),
        move |x| vec![row_by_row(&x[0], shape[1])],
    )
}

fn row_by_row(x: &[f64], width: usize) -> Vec<f64> {
    let unit = |row: &[f64]| {
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter().map(|x| x / length).collect::<Vec<_>>()
    };
    x.chunks(width).flat_map(unit).collect()
}
