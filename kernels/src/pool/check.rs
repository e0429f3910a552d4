//! Shapes of the checks.

use tensor::random::Stream;

use super::global_average;
use crate::check::{Argument, Case};

/// A single pixel, a single channel, a single row.
pub fn awkward() -> Vec<Case> {
    vec![case([1, 1, 1, 1]), case([2, 1, 1, 5]), case([3, 4, 5, 1]), case([1, 1, 7, 3])]
}

/// Any small batch.
pub fn random(stream: &mut Stream) -> Case {
    let mut extent = |most| 1 + stream.below(most);
    case([extent(4), extent(6), extent(6), extent(6)])
}

fn case(shape: [usize; 4]) -> Case {
    let [batch, rows, columns, channels] = shape;
    let pixels = rows * columns;
    Case::new(format!("{shape:?}"), vec![Argument::normal(shape)], |x| {
        Ok(vec![global_average(&x[0])?])
    })
    .with_reference(move |x| {
        let mean = |i: usize| {
            let (image, channel) = (i / channels, i % channels);
            let values = (0..pixels).map(|p| x[0][(image * pixels + p) * channels + channel]);
            values.sum::<f64>() / pixels as f64
        };
        vec![(0..batch * channels).map(mean).collect()]
    })
}
