//! Shapes of the checks.

use tensor::random::Stream;

use super::linear;
use crate::check::{Argument, Case};

/// Single rows, features and outputs; more rows than one block of the product.
pub fn awkward() -> Vec<Case> {
    vec![
        case(1, 1, 1, true),
        case(1, 5, 3, false),
        case(3, 1, 4, true),
        case(4, 6, 1, true),
        case(67, 3, 5, true),
    ]
}

/// Several tiles of rows, features and outputs.
pub fn large() -> Vec<Case> {
    vec![case(272, 40, 72, true), case(34, 72, 130, true), case(33, 37, 70, false)]
}

/// Any small size, with and without bias.
pub fn random(stream: &mut Stream) -> Case {
    let mut extent = || 1 + stream.below(9);
    let (rows, inputs, outputs) = (extent(), extent(), extent());
    case(rows, inputs, outputs, stream.chance(0.7))
}

fn case(rows: usize, inputs: usize, outputs: usize, biased: bool) -> Case {
    let mut arguments =
        vec![Argument::normal([rows, inputs]), Argument::normal([outputs, inputs]).accumulator()];
    arguments.extend(biased.then(|| Argument::normal([outputs]).accumulator()));
    let name = format!("{rows} rows, {inputs} to {outputs}, bias {biased}");
    Case::new(name, arguments, |x| Ok(vec![linear(&x[0], &x[1], x.get(2))?])).with_reference(
        move |x| {
            let element = |i: usize| {
                let (row, output) = (i / outputs, i % outputs);
                let terms = (0..inputs).map(|k| x[0][row * inputs + k] * x[1][output * inputs + k]);
                terms.sum::<f64>() + x.get(2).map_or(0.0, |bias| bias[output])
            };
            vec![(0..rows * outputs).map(element).collect()]
        },
    )
}
