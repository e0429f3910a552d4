//! Updates of two parameters, against the formula element by element.

use tensor::random::Stream;
use tensor::{Result, Tensor};

use super::{Pair, Table, moving_average};
use crate::check::{Argument, Case};

/// Nothing kept, all kept, the study's momentum, an empty parameter, one longer than a chunk.
pub fn awkward() -> Vec<Case> {
    vec![case([3, 5], 0.0), case([1, 7], 1.0), case([40_000, 2], 0.996), case([0, 4], 0.9)]
}

/// Any momentum.
pub fn random(stream: &mut Stream) -> Case {
    case([1 + stream.below(50), 1 + stream.below(50)], stream.uniform(0.0, 1.0))
}

/// Arguments: average and value of the first parameter, then of the second. Results: both
/// averages.
fn case(lengths: [usize; 2], momentum: f64) -> Case {
    let arguments = lengths.iter().flat_map(|&n| (0..2).map(move |_| Argument::normal([n])));
    Case::without_gradient(
        format!("{lengths:?} with momentum {momentum}"),
        arguments.collect(),
        move |x| update(x, momentum),
        move |x| {
            let average = |x: &[Vec<f64>]| {
                let pairs = x[0].iter().zip(&x[1]);
                pairs.map(|(a, v)| momentum * a + (1.0 - momentum) * v).collect()
            };
            x.chunks(2).map(average).collect()
        },
    )
}

fn update(x: &[Tensor], momentum: f64) -> Result<Vec<Tensor>> {
    let mut averages = Vec::new();
    for average in [&x[0], &x[2]] {
        averages.push(average.copy_to(&average.device())?.into_memory()?);
    }
    let pairs = averages.iter_mut().zip([&x[1], &x[3]]);
    let pairs = pairs.map(|(average, value)| Pair { average, value });
    moving_average(pairs.collect(), &momentum.into(), &mut Table::default())?;
    let like = [&x[0], &x[2]];
    Ok(averages
        .into_iter()
        .zip(like)
        .map(|(b, x)| Tensor::from_parts(b, x.shape(), x.dtype()))
        .collect())
}
